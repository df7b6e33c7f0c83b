"""The lungs among the air spaces of a body: which air is a lung, how many there are, and what is one too many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

LUNG_ML = 100.0

# Air spaces that only passages of this radius join (airways, the junction line) are separate; the wider ones are for
# blurred volumes, where the lungs run into each other.
_NECKS_MM = (9.0, 14.0, 19.0)
_EMPTY_HU, _GAS_BELOW_HU, _BUBBLE_ML = -900.0, 40.0, 300.0  # emptier and smaller: a bubble of gas in stomach or bowel
_SHIFT_MM = 15.0  # by how much the two sides of a chest may differ in shape
_BULGE_ML = 180.0  # smaller: a bulge of a lung
_LOBE_SHARE = 0.45  # of a piece that lies where the other side has lung: a part of that side's lung, cut off by disease
# At a neck (mm), a third lung that touches another has less than this share there. Lungs fall apart at the widest neck.
_THIRD_SHARES = ((14.0, 0.67), (19.0, 0.67), (24.0, 0.67), (29.0, 0.45))


@dataclass(frozen=True)
class LungPiece:
    """A lung: its volume in ml and its mask (D, H, W)."""

    volume_ml: float
    mask: np.ndarray


def find_lungs(hu: np.ndarray, air: np.ndarray, voxel_mm: float) -> tuple[LungPiece, ...]:
    """The lungs of 100 ml and more, one of each side first, then what is too many; no airways, bubbles, pockets.

    Args:
        hu: (D, H, W), cubic voxels of ``voxel_mm``.
        air: labels of the connected air spaces in the body, 0 elsewhere.

    A part of a lung that disease has cut off belongs to the lung of its side: the mirrored other side has lung there.
    A third lung lies where neither side has any.
    """
    depth = ndimage.distance_transform_edt(air > 0, sampling=voxel_mm)
    found: tuple[LungPiece, ...] = ()
    for neck in _NECKS_MM:
        tried = _lungs(hu, _cut(hu, air, depth, neck, voxel_mm), voxel_mm)
        found = found or tried
        if len(tried) >= 2:
            found = tried
            break
    if len(found) == 2:
        for neck, share in _THIRD_SHARES:
            third = _third_lungs(_cut(hu, air, depth, neck, voxel_mm), found, share, voxel_mm)
            if third:
                rest = [LungPiece(_ml(p.mask & ~third[0].mask, voxel_mm), p.mask & ~third[0].mask) for p in found]
                return (*rest, *third)
    return found


def _ml(mask: np.ndarray, voxel_mm: float) -> float:
    return float(mask.sum() * voxel_mm**3 / 1000)


def _cut(hu: np.ndarray, air: np.ndarray, depth: np.ndarray, neck_mm: float, voxel_mm: float) -> list[np.ndarray]:
    """Masks of the air spaces, cut where a ball of ``neck_mm`` cannot pass, without small ones and bubbles.

    ``depth`` is the distance to tissue in mm. Largest first.
    """
    seeds, count = ndimage.label(depth > neck_mm)
    if not count:
        return []
    distance, nearest = ndimage.distance_transform_edt(seeds == 0, sampling=voxel_mm, return_indices=True)
    owner = np.where((air > 0) & (distance < neck_mm + 2 * voxel_mm), seeds[tuple(nearest)], 0)
    volumes = np.bincount(owner.ravel(), minlength=count + 1)[1:] * voxel_mm**3 / 1000
    pieces: list[np.ndarray] = []
    empty_hu = _EMPTY_HU
    for i in np.argsort(-volumes):
        if volumes[i] < LUNG_ML / 2:
            break
        piece = owner == i + 1
        density = float(np.median(hu[piece]))
        if volumes[i] >= _BUBBLE_ML or density >= empty_hu:
            # What is as dense as the largest lung is no gas, however empty that lung is.
            empty_hu = empty_hu if pieces else min(_EMPTY_HU, density - _GAS_BELOW_HU)
            pieces.append(piece)
    return pieces


def _centre(mask: np.ndarray) -> float:
    return float(np.nonzero(mask)[2].mean())


def _lungs(hu: np.ndarray, pieces: list[np.ndarray], voxel_mm: float) -> tuple[LungPiece, ...]:
    middle = (hu.shape[2] - 1) / 2
    sides = [[p for p in pieces if (_centre(p) > middle) == on_left] for on_left in (False, True)]
    mains = [side[0].copy() for side in sides if side]
    if len(mains) < 2:
        others = [LungPiece(_ml(p, voxel_mm), p) for p in pieces]
        return tuple(p for p in others if p.volume_ml >= LUNG_ML)
    reflected = [_near_mirror(main, mains, voxel_mm) for main in mains[::-1]]
    extra = []
    for side, (own, mirror) in enumerate(zip(sides, reflected, strict=True)):
        for piece in own[1:]:
            if piece[mirror].size and piece[mirror].sum() >= _LOBE_SHARE * piece.sum():
                mains[side] |= piece
            else:
                extra.append(piece)
    lungs = [LungPiece(_ml(p, voxel_mm), p) for p in mains] + [LungPiece(_ml(p, voxel_mm), p) for p in extra]
    return tuple(lung for lung in lungs if lung.volume_ml >= LUNG_ML)


def _near_mirror(mask: np.ndarray, mains: list[np.ndarray], voxel_mm: float) -> np.ndarray:
    """``mask`` reflected at the middle of the two lungs' outer borders, and what is near it."""
    across = np.nonzero(mains[0] | mains[1])[2]
    twice = round(float(np.percentile(across, 1) + np.percentile(across, 99)))
    reflected = np.zeros_like(mask)
    columns = np.arange(mask.shape[2])
    inside = (twice - columns >= 0) & (twice - columns < mask.shape[2])
    reflected[:, :, columns[inside]] = mask[:, :, twice - columns[inside]]
    return ndimage.distance_transform_edt(~reflected, sampling=voxel_mm) <= _SHIFT_MM


def _third_lungs(
    pieces: list[np.ndarray], lungs: tuple[LungPiece, ...], share: float, voxel_mm: float
) -> list[LungPiece]:
    """Of the pieces into which the two lungs fall at a neck, those of which less than ``share`` has lung opposite."""
    mains = [lung.mask for lung in lungs]
    mirrors = [_near_mirror(mains[1], mains, voxel_mm), _near_mirror(mains[0], mains, voxel_mm)]
    third = []
    largest: set[int] = set()
    for piece in pieces:
        side = int((piece & mains[1]).sum() > (piece & mains[0]).sum())
        if not (piece & mains[side]).any():
            continue
        if side not in largest:
            largest.add(side)
        elif _ml(piece, voxel_mm) >= _BULGE_ML and (piece & mirrors[side]).sum() < share * piece.sum():
            third.append(LungPiece(_ml(piece, voxel_mm), piece))
    return third
