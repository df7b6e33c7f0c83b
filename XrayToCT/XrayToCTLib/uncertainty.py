"""Uncertainty: how much a generated volume changes when nothing that matters does.

The same radiograph is given to the network several times, each time moved, turned, scaled, retoned and with noise by
little, and with the network's dropout on; every volume is brought back to where the radiograph was. Voxels that vary
are those the network does not know. What it always gets wrong in the same way (depth, above all) does not vary: the
spread is therefore turned into an expected error by a :class:`Calibration` that was measured where the truth is known.

Dropout as sampling: Gal and Ghahramani 2016; augmentation at test time: Wang et al. 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn

from XrayToCTLib.hounsfield import HU_RANGE

SAMPLES = 8
NOT_COVERED = (
    "It does not cover what the network gets wrong in the same way every time: depth, unusual anatomy, pictures unlike "
    "those in training, and lesions that it never draws."
)
_SHIFT, _SCALE, _DEGREES = 0.01, 0.015, 1.0  # standard deviations: shares of the side, and an angle
_GAMMA, _NOISE = 0.1, 0.01
_BODY = (1024 - 400) / HU_RANGE  # network value; air inside is taken for lung


@dataclass(frozen=True)
class Calibration:
    """Expected error for a spread, both in HU: linear between the knots, constant beyond the first and the last.

    Measured on patients whose truth is known; the knots of ``spread_hu`` rise, those of ``error_hu`` never fall.

    Raises:
        ValueError: fewer than two knots, not as many of one as of the other, or in no such order.
    """

    spread_hu: tuple[float, ...]
    error_hu: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("spread_hu", "error_hu"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        spread, error = np.array(self.spread_hu), np.array(self.error_hu)
        if spread.size < 2 or spread.size != error.size or not np.isfinite([spread, error]).all():
            raise ValueError("a calibration needs two or more knots, each with a spread and an error")
        if (np.diff(spread) <= 0).any() or (np.diff(error) < 0).any() or error[0] < 0:
            raise ValueError("the knots of a calibration must rise")

    def __call__(self, spread_hu: np.ndarray) -> np.ndarray:
        """Standard deviation of the error in HU, float32, of any shape."""
        return np.interp(spread_hu, self.spread_hu, self.error_hu).astype(np.float32)


def calibration_of(metadata: Mapping[str, Any]) -> Calibration | None:
    """What a model's file says of its calibration; None where it says nothing that can be used."""
    stored = metadata.get("uncertainty")
    try:
        return Calibration(stored["spread_hu"], stored["error_hu"]) if isinstance(stored, dict) else None
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Uncertainty:
    """What to expect of a volume's error.

    Attributes:
        deviation_hu: (D, H, W) float32, standard deviation of the error in HU; the bare spread without a calibration.
        is_calibrated: whether it was turned into an expected error.
        samples: volumes it comes from.
        in_lungs_hu, in_body_hu: its root mean square in the volume's lungs (not a number without any) and body.
    """

    deviation_hu: np.ndarray
    is_calibrated: bool
    samples: int
    in_lungs_hu: float
    in_body_hu: float

    def sentence(self) -> str:
        """What it says, and what it does not."""
        error = "expected error" if self.is_calibrated else "spread, not calibrated for this model,"
        lungs = "" if math.isnan(self.in_lungs_hu) else f" and {self.in_lungs_hu:.0f} HU in its lungs"
        return f"The {error} is {self.in_body_hu:.0f} HU in the volume's body{lungs}. {NOT_COVERED}"


def estimate(
    generator: nn.Module,
    radiograph: Tensor,
    volume: np.ndarray,
    metadata: Mapping[str, Any],
    samples: int = SAMPLES,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Uncertainty:
    """The uncertainty of ``volume`` (D, H, W), which the network of a model with this metadata made of ``radiograph``.

    Other arguments as for :func:`volume_spread`.
    """
    spread = volume_spread(generator, radiograph, samples, progress=progress)
    calibration = calibration_of(metadata)
    deviation = spread if calibration is None else calibration(spread)
    body = volume > _BODY
    lungs = ndimage.binary_fill_holes(body) & ~body
    means = [
        float(np.sqrt(np.mean(deviation[mask] ** 2))) if mask.any() else math.nan for mask in (lungs, body | lungs)
    ]
    return Uncertainty(deviation, calibration is not None, samples, means[0], means[1])


def volume_spread(
    generator: nn.Module,
    radiograph: Tensor,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Standard deviation over samples of each voxel, in HU: (D, H, W) float32.

    Args:
        generator: radiographs (1, 1, S, S) in [0, 1] to volumes (1, 1, D, S, S). radiograph: one such.
        samples: two or more. seed: the same one gives the same map on the same machine.
        progress: called with the fraction done; may raise to cancel.

    Raises:
        ValueError: fewer than two samples.
    """
    if samples < 2:
        raise ValueError("a spread needs two samples or more")
    rng = np.random.default_rng(seed)
    mean: Tensor | float = 0.0
    squares: Tensor | float = 0.0
    with _dropping(generator, seed), torch.no_grad():
        for done in range(samples):  # Welford's recurrence: no volume but these two is kept
            progress(done / samples)
            there, back = _motion(rng)
            seen = _moved(radiograph, there)
            seen = seen.clamp(0, 1) ** math.exp(rng.normal(0, _GAMMA))
            noise = torch.from_numpy(rng.standard_normal(tuple(seen.shape), dtype=np.float32)).to(seen)
            volume = generator((seen + _NOISE * noise).clamp(0, 1))[:, 0].clamp(0, 1)  # depths as channels
            volume = _moved(volume.float(), back)
            step = volume - mean
            mean = mean + step / (done + 1)
            squares = squares + step * (volume - mean)
    assert isinstance(squares, Tensor)
    return ((squares[0] / (samples - 1)).sqrt() * HU_RANGE).cpu().numpy()


@contextmanager
def _dropping(generator: nn.Module, seed: int) -> Iterator[None]:
    """Dropout on, seeded, and afterwards everything as it was."""
    trained_before = {module: module.training for module in generator.modules()}  # parts may differ
    devices = [parameter.device for parameter in generator.parameters() if parameter.is_cuda][:1]
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        generator.train()
        try:
            yield
        finally:
            for module, was_training in trained_before.items():
                module.training = was_training


def _motion(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A small motion of the picture and its inverse, each (2, 3) as ``affine_grid`` takes it."""
    angle, scale = math.radians(rng.normal(0, _DEGREES)), math.exp(rng.normal(0, _SCALE))
    matrix = np.eye(3)
    matrix[:2, :2] = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix[:2, 2] = 2 * rng.normal(0, _SHIFT, 2)
    there, back = (torch.tensor(m[:2], dtype=torch.float32) for m in (matrix, np.linalg.inv(matrix)))
    return there, back


def _moved(pictures: Tensor, theta: Tensor) -> Tensor:
    """(1, C, H, W) sampled at the positions of an affine map; the edge goes on outside."""
    grid = F.affine_grid(theta.to(pictures)[None], list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
