"""What correlation and PSNR do not tell of a predicted volume: is it sharp, are its bones in place, are lesions kept?

Volumes are float arrays (D, H, W) in network values, [0, 1], which span 2500 HU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from scipy import ndimage

from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTLib.plausibility import check_volume
from XrayToCTTraining.tissue_masks import tissue_masks

_DETAIL_SIGMA = 1.5  # voxels; finer than this is detail
_CLOSING_SHARE = 1 / 32  # of the side: what is this close to lung on both sides lies in the lung (10 mm of 320)
_SHELL_VOXELS = 4
_SIZES_MM = (10, 20, 40)  # between the ranges of sizes of a table
KEPT = 0.5  # share of a lesion's contrast that must be there for it to count as found


def sharpness(predicted: np.ndarray, truth: np.ndarray, body: np.ndarray) -> float:
    """Strength of the prediction's details over that of the truth's, inside the true body: 1 is as sharp as the truth.

    The strength is the root mean square of what a Gaussian of 1.5 voxels takes away. Noise is a detail too: what is
    sharp here may still be wrong.
    """
    return float(_detail(predicted, body) / max(_detail(truth, body), 1e-9))


def _detail(volume: np.ndarray, body: np.ndarray) -> float:
    volume = volume.astype(np.float32)
    return float(np.sqrt(np.mean((volume - ndimage.gaussian_filter(volume, _DETAIL_SIGMA))[body] ** 2)))


def bone_in_lungs(volume: np.ndarray) -> float:
    """Share of bone (above 250 HU) in what the lungs enclose, in percent: ribs smeared through the lungs raise it.

    The lungs are closed over gaps of a sixteenth of the side, so that what runs through them counts as enclosed.
    Not a number where there is no lung.
    """
    masks = tissue_masks(volume)
    if not masks["lungs"].any():
        return float("nan")
    enclosed = _closed(masks["lungs"], max(1, round(volume.shape[0] * _CLOSING_SHARE)))
    return float(100 * masks["bone"][enclosed].mean())


def _closed(mask: np.ndarray, radius: int) -> np.ndarray:
    """Closing by a ball, by distances: the same as a ball-shaped structuring element, in time that does not grow."""
    padded = np.pad(mask, radius + 1)
    grown = ndimage.distance_transform_edt(~padded) <= radius
    closed = ndimage.distance_transform_edt(grown) > radius
    return closed[(slice(radius + 1, -radius - 1),) * 3]


def plausibility_figures(volume: np.ndarray, side_mm: float) -> dict[str, float]:
    """1 for each check of :mod:`XrayToCTLib.plausibility` that the volume passes, else 0, and how many it passes."""
    checks = check_volume(volume, (side_mm,) * 3)
    figures = {f"check, {check.name}": float(check.passed) for check in checks}
    return {**figures, "checks passed": float(sum(check.passed for check in checks))}


class OfKindAndSize(Protocol):
    """A lesion, or what was measured of one: its kind, and its size in mm."""

    @property
    def kind(self) -> str: ...

    @property
    def size_mm(self) -> float: ...


Sized = TypeVar("Sized", bound=OfKindAndSize)


@dataclass(frozen=True)
class LesionScore:
    """One planted lesion in a predicted volume.

    Attributes:
        kind: as it was planted. size_mm: as planted.
        true_contrast_hu: mean HU of its voxels above that of a shell of lung around it, in the truth.
        contrast_hu: the same in the prediction, at the same voxels.
        kept: the latter over the former. found: whether at least half is kept.
    """

    kind: str
    size_mm: float
    true_contrast_hu: float
    contrast_hu: float

    @property
    def kept(self) -> float:
        return self.contrast_hu / self.true_contrast_hu

    @property
    def found(self) -> bool:
        return self.kept >= KEPT


def score_lesions(
    predicted: np.ndarray, truth: np.ndarray, lungs: np.ndarray, numbers: np.ndarray, lesions: Sequence[Any]
) -> list[LesionScore]:
    """Each lesion whose contrast in the truth is at least 50 HU either way, against its surroundings.

    Args:
        lungs: boolean (D, H, W), true lungs with their lesions. numbers: (D, H, W), n in the n-th lesion's voxels.
        lesions: with ``kind`` and ``size_mm``, in the order of their numbers.
    """
    scores = []
    healthy = lungs & (numbers == 0)
    for number, lesion in enumerate(lesions, start=1):
        own = numbers == number
        if not own.any():
            continue  # hidden under a later one
        shell = ndimage.binary_dilation(own, iterations=_SHELL_VOXELS) & healthy
        if shell.sum() < 10:
            continue  # it fills the lung: there is nothing to compare it with
        contrasts = [float((v[own].mean() - v[shell].mean()) * HU_RANGE) for v in (truth, predicted)]
        if abs(contrasts[0]) >= 50:
            scores.append(LesionScore(lesion.kind, lesion.size_mm, *contrasts))
    return scores


def lesion_table(scores: Sequence[LesionScore]) -> list[Mapping[str, Any]]:
    """A row for each kind and range of sizes that occurs: lesions, mean contrast kept, share found."""
    return [
        {
            "kind": kind,
            "size (mm)": size,
            "lesions": len(members),
            "true contrast (HU)": float(np.mean([m.true_contrast_hu for m in members])),
            "contrast kept": float(np.mean([m.kept for m in members])),
            "found": float(np.mean([m.found for m in members])),
        }
        for kind, size, members in by_kind_and_size(scores)
    ]


def by_kind_and_size(scores: Sequence[Sized]) -> list[tuple[str, str, list[Sized]]]:
    """Kind, range of sizes in words (mm), and the lesions of each group that occurs, in this order."""
    groups: dict[tuple[str, int], list[Sized]] = {}
    for score in scores:
        groups.setdefault((score.kind, int(np.searchsorted(_SIZES_MM, score.size_mm, "right"))), []).append(score)
    ends = [0, *_SIZES_MM]
    names = [f"{low:g} to {high:g}" for low, high in zip(ends, _SIZES_MM, strict=False)] + [f"from {_SIZES_MM[-1]:g}"]
    return [(kind, names[band], members) for (kind, band), members in sorted(groups.items())]
