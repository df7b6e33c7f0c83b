"""The air around the patient, told from the air inside: lungs, airways, bowel. And masks, widened."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

HAZE = (1024 - 874) / 2500
"""Network value of -874 HU: below it there is no fat, and little of any lung."""


def outside_air(volume: np.ndarray, below: float) -> np.ndarray:
    """Where there is air that reaches the front, the back or a side, boolean (D, H, W).

    Top and bottom do not count: the windpipe ends there, and lungs that are cut off.

    Args:
        volume: (D, H, W), anterior to posterior, superior to inferior, right to left, in any unit.
        below: what is air.
    """
    from scipy import ndimage  # a model can be loaded without it

    pieces, count = ndimage.label(volume < below)
    sides = (pieces[0], pieces[-1], pieces[:, :, 0], pieces[:, :, -1])
    is_outside = np.zeros(count + 1, bool)
    for side in sides:
        is_outside[np.unique(side)] = True
    is_outside[0] = False
    return is_outside[pieces]


def without_haze(volume: Tensor) -> Tensor:
    """A generated volume (N, 1, D, H, W) in network values, whose outside air is air: exactly 0.

    A network that is unsure where the skin is leaves a veil of a few HU to a few dozen around the patient. In the CTs
    that it learned from everything outside the body is air. Differentiable, but for where the air is.
    """
    with torch.no_grad():
        masks = [outside_air(case.float().cpu().numpy(), HAZE) for case in volume[:, 0]]
        kept = ~torch.from_numpy(np.stack(masks))[:, None]
    return volume * kept.to(volume)


def widened(mask: np.ndarray, voxels: tuple[int, int, int]) -> np.ndarray:
    """A mask, boolean (D, H, W), wider by so many voxels each way along each axis."""
    from scipy import ndimage

    return ndimage.maximum_filter(mask.view(np.uint8), [2 * count + 1 for count in voxels], mode="constant").view(bool)
