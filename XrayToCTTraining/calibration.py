"""Is the expected error the true one? Spread against error on patients whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr
from tqdm import tqdm

from XrayToCTLib.generators import ReadyGenerator
from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTLib.uncertainty import Calibration, volume_spread
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import radiograph_of, volume_of

CALIBRATION = "uncertainty.json"
"""What `evaluate uncertainty` writes and `export` puts into a model's file."""
KNOTS = 20
_STEP = 3  # of the voxels along each axis, every so many: neighbours say the same


@dataclass(frozen=True)
class Sample:
    """Voxels of one case, (n,) each, in HU: spread, and error of the volume (prediction less truth)."""

    spread: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Reliability:
    """How well expected errors describe true ones.

    Attributes:
        spearman: rank correlation of expected and true absolute error, the mean over cases.
        expected, measured: in HU, one of each for as many groups of voxels of rising expected error: mean expected
            error, and root mean square of the true one.
        within_one, within_two: share of voxels whose error is below once and twice what was expected (a Gaussian: 0.68
            and 0.95).
    """

    spearman: float
    expected: np.ndarray
    measured: np.ndarray
    within_one: float
    within_two: float

    @property
    def gap(self) -> float:
        """Mean distance of both curves over the mean measured error: 0 is perfect."""
        return float(np.abs(self.expected - self.measured).mean() / self.measured.mean())


def sampled(generator: ReadyGenerator, cohort: Cohort, cases: Sequence[Case], samples: int) -> list[Sample]:
    """Spread and error of voxels on a coarse grid, of each case with a CT."""
    result = []
    size = generator.config.size
    grid = (slice(_STEP // 2, None, _STEP),) * 3
    for case in tqdm(cases, unit="case", mininterval=2):
        radiograph = radiograph_of(cohort, case, size)[None]
        spread = volume_spread(generator, radiograph, samples)
        with torch.no_grad():
            predicted = generator(radiograph)[0, 0].float().clamp(0, 1)
        error = (predicted - volume_of(cohort, case, size)[0]).numpy() * HU_RANGE
        result.append(Sample(spread[grid].ravel(), error[grid].ravel()))
    return result


def fit_calibration(samples: Sequence[Sample]) -> Calibration:
    """Root mean square error of voxels of about equal spread; made never to fall (isotonic regression).

    Raises:
        ValueError: the spread is the same everywhere.
    """
    spread, error = (np.concatenate([getattr(s, name) for s in samples]) for name in ("spread", "error"))
    groups = np.array_split(np.argsort(spread, kind="stable"), KNOTS)
    centres = np.array([spread[group].mean() for group in groups])
    squares = isotonic_regression([np.mean(error[group] ** 2) for group in groups]).x
    keep = np.concatenate([[True], np.diff(centres) > 1e-6])
    return Calibration(tuple(centres[keep]), tuple(np.sqrt(squares[keep])))


def reliability(samples: Sequence[Sample], calibration: Calibration) -> Reliability:
    """Of a calibration on cases that it was not fitted on."""
    ranks = [float(spearmanr(calibration(s.spread), np.abs(s.error)).statistic) for s in samples]
    expected = np.concatenate([calibration(s.spread) for s in samples])
    error = np.concatenate([s.error for s in samples])
    groups = np.array_split(np.argsort(expected, kind="stable"), KNOTS)
    return Reliability(
        float(np.mean(ranks)),
        np.array([expected[group].mean() for group in groups]),
        np.array([np.sqrt(np.mean(error[group] ** 2)) for group in groups]),
        float(np.mean(np.abs(error) <= expected)),
        float(np.mean(np.abs(error) <= 2 * expected)),
    )
