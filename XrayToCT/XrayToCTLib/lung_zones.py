"""The zones of the lungs that findings are reported by: upper, middle and lower third of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from XrayToCTLib.plausibility.chest import GRID_MM, Lungs

MARGIN_MM = 5.0
SIDES = ("right", "left")
THIRDS = ("upper", "middle", "lower")


@dataclass(frozen=True)
class LungZones:
    """Masks (D, H, W) on a volume's voxels.

    inside: the lungs and what is within MARGIN_MM of them. zones: its parts, by side and third of the height that both
    lungs have together, such as "right_upper"; the side is the patient's.
    """

    inside: np.ndarray
    zones: dict[str, np.ndarray]


def lung_zones(lungs: Lungs, shape: tuple[int, int, int]) -> LungZones:
    """The zones of lungs found on the grid of the checks, on the voxels of a volume of this shape and extent.

    A lung holds what it encloses in an axial slice (vessels, a nodule). Disease as dense as tissue at a lung's border
    is outside but for the margin.
    """
    distances = np.stack([_distance_mm(mask) for mask in (lungs.right, lungs.left)])
    on_voxels = F.interpolate(torch.from_numpy(distances)[None], shape, mode="trilinear")[0].numpy()
    inside = on_voxels.min(0) <= MARGIN_MM
    is_left = on_voxels[1] < on_voxels[0]
    rows = (np.arange(shape[1]) + 0.5) / shape[1] * lungs.right.shape[1]  # of the grid, its borders at whole numbers
    height = lungs.bottom + 1 - lungs.top
    third = np.clip((rows - lungs.top) / height * len(THIRDS), 0, len(THIRDS) - 1).astype(int)[None, :, None]
    return LungZones(
        inside,
        {
            f"{side}_{name}": inside & (is_left == bool(i)) & (third == j)
            for i, side in enumerate(SIDES)
            for j, name in enumerate(THIRDS)
        },
    )


def _distance_mm(mask: np.ndarray) -> np.ndarray:
    """Distance from the border of a lung without holes, negative inside, (D, H, W) float32."""
    filled = np.stack([ndimage.binary_fill_holes(mask[:, row]) for row in range(mask.shape[1])], axis=1)
    half = GRID_MM / 2  # from a voxel's centre to its side
    outside, within = (ndimage.distance_transform_edt(part, sampling=GRID_MM) for part in (~filled, filled))
    return np.where(filled, half - within, outside - half).astype(np.float32)
