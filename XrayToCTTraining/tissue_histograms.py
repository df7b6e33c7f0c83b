"""Hounsfield units by tissue: of a cohort, beside those of a real CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE
from XrayToCTLib.projection import network_from_hu
from XrayToCTTraining.charts import line_chart
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.tissue_masks import tissue_masks

FAT_HU, SOFT_HU = (-150, -30), (-30, 130)
_HU = np.arange(int(HU_RANGE) + 1) - HU_OFFSET
_BIN_HU = 10


@dataclass(frozen=True)
class Histogram:
    """Counts (2501,) of the voxels of -1024, -1023, ..., 1476 HU."""

    counts: np.ndarray

    @property
    def mean(self) -> float:
        """HU; not a number where there are no voxels."""
        return float((self.counts * _HU).sum() / self.counts.sum()) if self.counts.any() else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation in HU; not a number where there are no voxels."""
        if not self.counts.any():
            return float("nan")
        return float(np.sqrt((self.counts * (_HU - self.mean) ** 2).sum() / self.counts.sum()))

    def density(self) -> tuple[np.ndarray, np.ndarray]:
        """Middles in HU of bins of 10 HU, and the share of the voxels in each, both (250,)."""
        whole = len(_HU) // _BIN_HU * _BIN_HU  # the last value, 1476 HU, is where CTs are clipped
        middles, counts = (values[:whole].reshape(-1, _BIN_HU) for values in (_HU, self.counts))
        return middles.mean(1), counts.sum(1) / max(self.counts.sum(), 1)

    def overlap(self, other: Histogram) -> float:
        """Common area of both densities: 0 where nothing is shared, 1 where they are the same."""
        return float(np.minimum(self.density()[1], other.density()[1]).sum())


def tissue_histograms(volume: np.ndarray, healthy: np.ndarray | None = None) -> dict[str, Histogram]:
    """Hounsfield units of lung, fat, soft tissue and bone of network values (D, H, W).

    Lung and bone are those of :func:`tissue_masks`; fat is -150 to -30 HU and soft tissue -30 to 130 HU in the rest of
    the body. Voxels at the border of the body and of the lungs, which mix tissues, are left out, and so is what lies
    outside ``healthy`` (boolean, same shape).
    """
    masks = tissue_masks(volume)
    hu = np.rint(volume * HU_RANGE - HU_OFFSET).astype(int)
    inner = ndimage.binary_erosion(masks["body"])
    if healthy is not None:
        inner &= healthy
    rest = inner & ~ndimage.binary_dilation(masks["lungs"]) & ~masks["bone"]
    tissues = {
        "lung": inner & ndimage.binary_erosion(masks["lungs"]),
        "fat": rest & (hu >= FAT_HU[0]) & (hu < FAT_HU[1]),
        "soft tissue": rest & (hu >= SOFT_HU[0]) & (hu < SOFT_HU[1]),
        "bone": inner & masks["bone"],
    }
    return {
        name: Histogram(np.bincount(hu[mask] + int(HU_OFFSET), minlength=len(_HU))) for name, mask in tissues.items()
    }


def cohort_histograms(cohort: Cohort, cases: Sequence[Case]) -> dict[str, Histogram]:
    """Sum of the histograms of these cases without their lesions, where these are known."""
    total: dict[str, np.ndarray] = {}
    for case in cases:
        volume = network_from_hu(torch.from_numpy(cohort.hu(case).astype(np.float32))).numpy()
        lesion = cohort.structures(case).get("lesion")
        histograms = tissue_histograms(volume, None if lesion is None else ~lesion)
        total = {name: total.get(name, 0) + histogram.counts for name, histogram in histograms.items()}
    return {name: Histogram(counts) for name, counts in total.items()}


def histogram_rows(ours: dict[str, Histogram], reference: dict[str, Histogram] | None) -> list[dict[str, str | float]]:
    """One row a tissue: mean and spread of both in HU, and the overlap of their histograms."""
    rows: list[dict[str, str | float]] = []
    for tissue, histogram in ours.items():
        row: dict[str, str | float] = {"tissue": tissue, **_facts("cohort", histogram)}
        if reference is not None:
            row |= _facts("reference", reference[tissue]) | {"overlap": round(histogram.overlap(reference[tissue]), 3)}
        rows.append(row)
    return rows


def histogram_picture(ours: dict[str, Histogram], reference: dict[str, Histogram] | None) -> np.ndarray:
    """One chart a tissue, two abreast, (rows, columns, 3) uint8."""
    charts = []
    for tissue, histogram in ours.items():
        both = {"cohort": histogram} if reference is None else {"cohort": histogram, "reference": reference[tissue]}
        seen = np.flatnonzero(sum(one.density()[1] for one in both.values()) > 1e-3)
        shown = slice(seen[0], seen[-1] + 1) if seen.size > 1 else slice(None)
        lines = {name: (one.density()[0][shown], one.density()[1][shown]) for name, one in both.items()}
        charts.append(line_chart(tissue, "HU", "share of the voxels in 10 HU", lines))
    return np.vstack([np.hstack(charts[:2]), np.hstack(charts[2:])])


def _facts(whose: str, histogram: Histogram) -> dict[str, str | float]:
    return {f"{whose} mean HU": round(histogram.mean, 1), f"{whose} SD": round(histogram.deviation, 1)}
