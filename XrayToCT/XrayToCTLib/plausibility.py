"""Anatomical checks of a chest CT volume: is it built the way a chest is?

They find gross faults of a predicted volume: gaps in the chest wall, a missing or a third lung, a body that is cut off,
a mirrored or turned volume, tissue of impossible density. They are no proof of truth: a plausible chest may still be
the wrong patient's, and nothing is said about lesions, ribs, vessels or airways.

Limits of this version. All checks work on a grid of 5 mm, so that gaps in the wall below about 10 mm are not seen; gaps
wider than 40 mm join the lung with the room and may be reported as a missing lung instead. The thresholds were chosen
on simulated chests and on warps of very few real CTs: they are round numbers with a margin, not confidence limits, and
want a finer calibration on real patients. They are wrong by nature for a person with situs inversus, after the removal
of a lung, with an effusion that fills a whole side, and for a scan that leaves out the bases of the lungs. Where the
body leaves the field of view at the shoulders or the flanks, the check for truncation allows a share of the side.
Gas counts as bowel gas, not as lung, where it is both nearly empty and small; a bubble of 100 ml or more whose
rim is blurred may count as a third lung, and a third lung that touches another on its side counts as part of that.
No check looks for a volume that is upside down. A check that needs lungs, or a spine,
fails with no value where there are none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .errors import UnsuitableInput

GRID_MM = 5.0

_MAX_SIDE_MM = 1000.0
_TISSUE_HU = -350.0  # denser than this is body, lighter is air or lung
_AIR_HU = -400.0
_CLOSING_MM = 20.0  # gaps up to twice this wide are bridged to find where the chest wall should be
# Air spaces that only passages of this radius join (airways, the junction line) are separate; the wider ones are for
# blurred volumes, where the lungs run into each other.
_NECKS_MM = (9.0, 14.0, 19.0)
_LUNG_ML = 100.0
_EMPTY_HU, _BUBBLE_ML = -900.0, 300.0  # emptier and smaller: a bubble of gas in stomach or bowel
_VOXEL_ML = GRID_MM**3 / 1000
_FACE_MM2 = GRID_MM**2

# Limits, both ends allowed.
_BACKGROUND = (0.15, 0.85)
_MAX_CUT = (0.10, 0.65)  # share of the front and back faces; share of the right and left faces
_MAX_GAP_MM2 = 75.0
_MIN_SYMMETRY = 0.3
_MIN_SPINE_DEPTH = 0.6  # of the way from the front to the back of the lungs
_MAX_SPINE_OFFSET_MM = 35.0
_MIN_SPINE_HU = 65.0
_MARROW_HU = 300.0  # brighter tissue counts no more than this: contrast medium outshines the spine
_LUNG_HU = (-920.0, -550.0)
_SOFT_HU = (-110.0, 110.0)
_OUTSIDE_HU = (-1024.0, -940.0)

_NO_LUNGS = "not measurable, because no two lungs were found"


@dataclass(frozen=True)
class Check:
    """One check: whether the volume passed, the measured value (None: not measurable) and one sentence about it."""

    name: str
    passed: bool
    value: float | None
    message: str


@dataclass(frozen=True)
class _Lungs:
    """The two largest lungs, right then left: masks (D, H, W), and what the other checks measure from."""

    right: np.ndarray
    left: np.ndarray
    front: int  # first and last index along D, H; midpoint of the outer borders along W
    back: int
    top: int
    bottom: int
    middle: float


@dataclass(frozen=True)
class _Spine:
    """Index along D and W of the densest column that runs along the lungs, and its density."""

    depth: int
    across: int
    hu: float


@dataclass(frozen=True)
class _Chest:
    """What all checks share; arrays (D, H, W) on the 5 mm grid.

    hu: float32; body: tissue, the largest piece; inside: body with everything that its skin, gaps bridged, encloses;
    air: labels of the connected air spaces inside; pieces: volume in ml and mask of each lung, largest first.
    """

    hu: np.ndarray
    body: np.ndarray
    inside: np.ndarray
    air: np.ndarray
    pieces: tuple[tuple[float, np.ndarray], ...]
    lungs: _Lungs | None
    spine: _Spine | None


def check_volume(volume: np.ndarray, side_mm: tuple[float, float, float]) -> tuple[Check, ...]:
    """Check whether a volume is built like a chest.

    Args:
        volume: (D, H, W) from front to back, top to bottom, the patient's right to left; values
            clip(HU + 1024, 0, 2500) / 2500 in [0, 1]; values outside are clipped, NaN counts as air.
        side_mm: physical extent along (D, H, W), of up to 1000 mm each.

    Returns:
        The checks, always the same and in the same order; a check that cannot be measured has failed.

    Raises:
        UnsuitableInput: the volume has not three axes of two or more voxels, or its size is not that of a body.
    """
    volume = np.asarray(volume)
    if volume.ndim != 3 or min(volume.shape) < 2:
        raise UnsuitableInput(f"A volume of shape {volume.shape} cannot be checked; give one with three axes.")
    if len(side_mm) != 3 or not all(8 * GRID_MM <= side <= _MAX_SIDE_MM for side in side_mm):
        raise UnsuitableInput(
            f"A volume of {side_mm} mm cannot be checked as a chest; give its size in mm, at most {_MAX_SIDE_MM:.0f}."
        )
    chest = _measure(volume, side_mm)
    return tuple(check(chest) for check in _CHECKS)


def _measure(volume: np.ndarray, side_mm: tuple[float, float, float]) -> _Chest:
    clean = np.clip(np.nan_to_num(volume.astype(np.float32)), 0, 1)
    hu = _on_grid(clean, side_mm) * np.float32(2500) - np.float32(1024)
    body = _largest(hu > _TISSUE_HU)
    inside = _bridge(body)
    air, _ = ndimage.label(inside & (hu < _AIR_HU))
    depth = ndimage.distance_transform_edt(air > 0, sampling=GRID_MM)
    tries = (_lung_pieces(hu, air, depth, neck) for neck in _NECKS_MM)
    pieces = next((found for found in tries if len(found) >= 2), None) or _lung_pieces(hu, air, depth, _NECKS_MM[0])
    lungs = _two_lungs(pieces)
    return _Chest(hu, body, inside, air, pieces, lungs, _find_spine(hu, inside, lungs) if lungs else None)


def _on_grid(volume: np.ndarray, side_mm: tuple[float, float, float]) -> np.ndarray:
    """Resample (D, H, W) to the working grid; every voxel is the mean over its own extent."""
    for axis, side in enumerate(side_mm):
        count, target = volume.shape[axis], max(2, round(side / GRID_MM))
        edges = np.linspace(0, count, target + 1)[:, None]
        overlap = np.minimum(edges[1:], np.arange(1, count + 1)) - np.maximum(edges[:-1], np.arange(count))
        weights = (np.maximum(overlap, 0) * (target / count)).astype(np.float32)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return np.ascontiguousarray(volume)


def _largest(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask)
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])) if count else mask


def _bridge(body: np.ndarray) -> np.ndarray:
    """The body closed by a ball, then with the holes of each axial slice filled."""
    if not body.any():
        return body
    r = round(_CLOSING_MM / GRID_MM) + 1
    # Body goes on above and below the volume; at the other faces it ends.
    padded = np.pad(np.pad(body, ((r, r), (0, 0), (r, r))), ((0, 0), (r, r), (0, 0)), mode="edge")
    beyond = ndimage.distance_transform_edt(~padded, sampling=GRID_MM) > _CLOSING_MM
    if not beyond.any():
        return np.ones_like(body)
    closed = ndimage.distance_transform_edt(~beyond, sampling=GRID_MM) > _CLOSING_MM
    closed = closed[r:-r, r:-r, r:-r] | body
    return np.stack([ndimage.binary_fill_holes(closed[:, row]) for row in range(body.shape[1])], axis=1)


def _lung_pieces(
    hu: np.ndarray, air: np.ndarray, depth: np.ndarray, neck_mm: float
) -> tuple[tuple[float, np.ndarray], ...]:
    """Volumes in ml and masks of the lungs, largest first, without airways, bubbles and pockets.

    Air spaces, of which ``depth`` is the distance to tissue in mm, are cut where a ball of ``neck_mm`` cannot pass.
    What such a cut takes off a lung on the same side (a lobe behind a consolidation) goes back to it.
    """
    seeds, count = ndimage.label(depth > neck_mm)
    if not count:
        return ()
    distance, nearest = ndimage.distance_transform_edt(seeds == 0, sampling=GRID_MM, return_indices=True)
    owner = np.where((air > 0) & (distance < neck_mm + 2 * GRID_MM), seeds[tuple(nearest)], 0)
    volumes = np.bincount(owner.ravel(), minlength=count + 1)[1:] * _VOXEL_ML
    lungs: dict[tuple[int, bool], np.ndarray] = {}
    for i in np.flatnonzero(volumes >= _LUNG_ML / 2):
        piece = owner == i + 1
        if volumes[i] < _BUBBLE_ML and np.median(hu[piece]) < _EMPTY_HU:
            continue
        on_left = bool(np.nonzero(piece)[2].mean() > (hu.shape[2] - 1) / 2)
        space = int(air[piece][0])
        lungs[space, on_left] = piece | lungs.get((space, on_left), False)
    sized = [(float(mask.sum() * _VOXEL_ML), mask) for mask in lungs.values()]
    return tuple(sorted((lung for lung in sized if lung[0] >= _LUNG_ML), key=lambda lung: -lung[0]))


def _two_lungs(pieces: tuple[tuple[float, np.ndarray], ...]) -> _Lungs | None:
    if len(pieces) < 2:
        return None
    right, left = sorted((mask for _, mask in pieces[:2]), key=lambda mask: np.nonzero(mask)[2].mean())
    d, h, w = np.nonzero(right | left)
    front, back, top, bottom = (int(np.percentile(c, q)) for c in (d, h) for q in (1, 99))
    if back - front < 4 or bottom - top < 8:
        return None
    return _Lungs(right, left, front, back, top, bottom, float(np.percentile(w, 1) + np.percentile(w, 99)) / 2)


def _find_spine(hu: np.ndarray, inside: np.ndarray, lungs: _Lungs) -> _Spine | None:
    """The most persistent dense column: a low percentile over the rows leaves out the heart, also with contrast."""
    dense = np.where(inside, np.clip(hu, 0, _MARROW_HU), 0)[:, lungs.top : lungs.bottom + 1]
    column = np.percentile(ndimage.gaussian_filter(dense, (3, 3, 2)), 20, axis=1)
    reach = round(45 / GRID_MM)
    start = max(0, round(lungs.middle) - reach)
    column = column[:, start : round(lungs.middle) + reach + 1]
    depth, across = np.unravel_index(int(np.argmax(column)), column.shape)
    peak = float(column[depth, across])
    return _Spine(int(depth), int(across) + start, peak) if peak >= _MIN_SPINE_HU else None


# --- the checks --------------------------------------------------------------------------------------------------


def _body_and_air(chest: _Chest) -> Check:
    name = "body and air"
    share = float(1 - chest.inside.mean())
    low, high = _BACKGROUND
    outside = float(np.median(chest.hu[~chest.inside])) if share > 0 else None
    good = outside is not None and low <= share <= high and _OUTSIDE_HU[0] <= outside <= _OUTSIDE_HU[1]
    room = "there is nothing" if outside is None else f"the density is {outside:.0f} HU"
    return Check(
        name,
        good,
        share,
        f"{share:.0%} of the volume lies outside the body (expected {low:.0%} to {high:.0%}), and {room} there "
        f"(expected {_OUTSIDE_HU[0]:.0f} to {_OUTSIDE_HU[1]:.0f} HU).",
    )


def _not_cut_off(chest: _Chest) -> Check:
    faces = {
        "front": (chest.body[0], _MAX_CUT[0]),
        "back": (chest.body[-1], _MAX_CUT[0]),
        "right side": (chest.body[:, :, 0], _MAX_CUT[1]),
        "left side": (chest.body[:, :, -1], _MAX_CUT[1]),
    }
    shares = {where: (float(face.mean()), limit) for where, (face, limit) in faces.items()}
    worst = max(shares, key=lambda where: shares[where][0] / shares[where][1])
    share, limit = shares[worst]
    if not chest.body.any():
        return Check("body not cut off", False, None, "Truncation is not measurable, because no body was found.")
    return Check(
        "body not cut off",
        share <= limit,
        share,
        f"The body reaches the {worst} of the volume over {share:.0%} of that face (limit {limit:.0%}).",
    )


def _chest_wall(chest: _Chest) -> Check:
    name = "chest wall closed"
    if not chest.pieces:
        return Check(name, False, None, "The closure of the chest wall is not measurable, because no lung was found.")
    spaces = {int(chest.air[mask][0]) for _, mask in chest.pieces}
    lung_air = np.pad(np.isin(chest.air, list(spaces)), 1)
    # Air above and below the volume is no gap: the airways and, in a short scan, the lungs go on there.
    outside = np.pad(np.pad(~chest.inside, ((1, 1), (0, 0), (1, 1)), constant_values=True), ((0, 0), (1, 1), (0, 0)))
    contact = np.zeros(lung_air.shape, dtype=np.int16)
    for axis in range(3):
        for step in (1, -1):
            contact += lung_air & np.roll(outside, step, axis)
    labels, count = ndimage.label(contact > 0, np.ones((3, 3, 3)))
    areas = [float(a) * _FACE_MM2 for a in ndimage.sum_labels(contact, labels, range(1, count + 1))]
    gaps = [(area, i + 1) for i, area in enumerate(areas) if area > _MAX_GAP_MM2]
    if not gaps:
        largest = max(areas, default=0.0)
        return Check(name, True, largest, f"No gap above {_MAX_GAP_MM2:.0f} mm² opens the lungs to the outside air.")
    area, label = max(gaps)
    where = _place(chest, ndimage.center_of_mass(labels == label))
    gap_word = "1 gap" if len(gaps) == 1 else f"{len(gaps)} gaps"
    return Check(
        name,
        False,
        area,
        f"The chest wall has {gap_word} through which lung meets outside air, the largest of {area:.0f} mm² {where} "
        f"(limit {_MAX_GAP_MM2:.0f} mm²).",
    )


def _place(chest: _Chest, padded: tuple[float, ...]) -> str:
    """Words for a place given as indices of an array that is padded by one voxel."""
    (d, h, w), middle = (p - 1 for p in padded), [(n - 1) / 2 for n in chest.hu.shape]
    side = "right" if w < middle[2] else "left"
    return f"at the patient's {side} {'front' if d < middle[0] else 'back'}, {h * GRID_MM:.0f} mm below the top"


def _lung_count(chest: _Chest) -> Check:
    name = "two lungs"
    count = len(chest.pieces)
    expected = f"expected 2, each above {_LUNG_ML / 1000:.1f} litres"
    if not count:
        return Check(name, False, 0.0, f"No lung was found ({expected}).")
    litres = ", ".join(f"{volume / 1000:.1f}" for volume, _ in chest.pieces)
    found = "1 separate lung" if count == 1 else f"{count} separate lungs"
    beside = chest.lungs is None or not _lie_side_by_side(chest.lungs)
    note = ", and they do not lie side by side" if count == 2 and beside else ""
    return Check(
        name, count == 2 and not beside, float(count), f"There are {found} of {litres} litres ({expected}){note}."
    )


def _lie_side_by_side(lungs: _Lungs) -> bool:
    apart = [float(np.nonzero(mask)[2].mean()) for mask in (lungs.right, lungs.left)]
    return apart[0] < lungs.middle < apart[1]


def _symmetry(chest: _Chest) -> Check:
    name = "lungs of similar size"
    if chest.lungs is None:
        return Check(name, False, None, f"The ratio of the lungs' volumes is {_NO_LUNGS}.")
    right, left = (float(mask.sum()) for mask in (chest.lungs.right, chest.lungs.left))
    ratio = min(right, left) / max(right, left)
    smaller = "left" if left < right else "right"
    return Check(
        name,
        ratio >= _MIN_SYMMETRY,
        ratio,
        f"The {smaller} lung has {ratio:.0%} of the other lung's air (at least {_MIN_SYMMETRY:.0%} expected).",
    )


def _spine_behind(chest: _Chest) -> Check:
    name = "spine behind"
    if chest.lungs is None:
        return Check(name, False, None, f"The place of the spine is {_NO_LUNGS}.")
    if chest.spine is None:
        return Check(name, False, None, f"No spine (a column above {_MIN_SPINE_HU:.0f} HU) was found near the midline.")
    depth = (chest.spine.depth - chest.lungs.front) / (chest.lungs.back - chest.lungs.front)
    offset = abs(chest.spine.across - chest.lungs.middle) * GRID_MM
    return Check(
        name,
        depth >= _MIN_SPINE_DEPTH and offset <= _MAX_SPINE_OFFSET_MM,
        depth,
        f"The spine lies {depth:.0%} of the way from the front to the back of the lungs (at least "
        f"{_MIN_SPINE_DEPTH:.0%} expected) and {offset:.0f} mm off the midline (limit {_MAX_SPINE_OFFSET_MM:.0f} mm).",
    )


def _heart_left(chest: _Chest) -> Check:
    name = "heart on the left"
    if chest.lungs is None:
        return Check(name, False, None, f"The side of the heart is {_NO_LUNGS}.")
    lungs = chest.lungs
    length, reach = lungs.bottom - lungs.top, round(75 / GRID_MM)
    soft = chest.body & ~(lungs.right | lungs.left)
    # The sternum, the spine and what lies beside them say nothing about the side.
    back = lungs.front + round(0.7 * (lungs.back - lungs.front))
    start = max(0, round(lungs.middle) - reach)
    rows = slice(lungs.top + int(0.4 * length), lungs.top + int(0.75 * length))
    heart = soft[lungs.front + 2 : back, rows, start : round(lungs.middle) + reach + 1]
    if not heart.any():
        return Check(name, False, None, "No soft tissue was found between the lower lungs, where the heart should be.")
    offset = float((np.nonzero(heart)[2].mean() + start - lungs.middle) * GRID_MM)
    return Check(
        name,
        offset > 0,
        offset,
        f"The soft tissue between the lower lungs lies {abs(offset):.0f} mm to the patient's "
        f"{'left' if offset > 0 else 'right'} of the midline (left expected).",
    )


def _liver_right(chest: _Chest) -> Check:
    name = "liver on the right"
    if chest.lungs is None:
        return Check(name, False, None, f"The side of the liver is {_NO_LUNGS}.")
    lungs = chest.lungs
    front, back = lungs.front, lungs.front + round(0.85 * (lungs.back - lungs.front))
    middle, reach, gap = round(lungs.middle), round(110 / GRID_MM), round(20 / GRID_MM)
    dome = _dome_row(lungs)
    rows = slice(dome + round(20 / GRID_MM), dome + round(80 / GRID_MM))
    tissue = np.where(chest.inside & ~(lungs.right | lungs.left), np.clip(chest.hu, -150, 100), np.nan)
    right = tissue[front:back, rows, max(0, middle - reach) : max(0, middle - gap)]
    left = tissue[front:back, rows, middle + gap + 1 : middle + reach + 1]
    if min(np.isfinite(right).sum(), np.isfinite(left).sum()) * _VOXEL_ML < _LUNG_ML:
        return Check(name, False, None, "The volume shows too little of the abdomen to tell the side of the liver.")
    difference = float(np.nanmean(right) - np.nanmean(left))
    return Check(
        name,
        difference > 0,
        difference,
        f"Below the diaphragm the right side is {abs(difference):.0f} HU "
        f"{'denser' if difference > 0 else 'lighter'} than the left (denser expected, where the liver lies).",
    )


def _dome_row(lungs: _Lungs) -> int:
    """Row of the diaphragm's domes, the mean of both sides, in the front half of the lungs."""
    domes = []
    for mask in (lungs.right, lungs.left):
        half = mask[lungs.front : (lungs.front + lungs.back) // 2 + 2]
        lowest = half.shape[1] - 1 - np.argmax(half[:, ::-1], axis=1)
        below = lowest[half.any(axis=1)]
        domes.append(float(np.median(below)) if below.size else float(lungs.bottom))
    return round(sum(domes) / 2)


def _range_check(name: str, what: str, values: np.ndarray, limits: tuple[float, float]) -> Check:
    if values.size * _VOXEL_ML < _LUNG_ML:
        return Check(name, False, None, f"The density of {what} is not measurable, because there is too little of it.")
    median = float(np.median(values))
    return Check(
        name,
        limits[0] <= median <= limits[1],
        median,
        f"The median density of {what} is {median:.0f} HU (expected {limits[0]:.0f} to {limits[1]:.0f} HU).",
    )


def _lung_density(chest: _Chest) -> Check:
    lungs = np.zeros_like(chest.body)
    for _, mask in chest.pieces:
        lungs |= mask
    return _range_check("density of the lungs", "the lungs", chest.hu[lungs], _LUNG_HU)


def _soft_density(chest: _Chest) -> Check:
    # Voxels at the border of the body mix tissue and air.
    core = ndimage.binary_erosion(chest.body)
    return _range_check("density of soft tissue", "soft tissue", chest.hu[core], _SOFT_HU)


_CHECKS: tuple[Callable[[_Chest], Check], ...] = (
    _body_and_air,
    _not_cut_off,
    _chest_wall,
    _lung_count,
    _symmetry,
    _spine_behind,
    _heart_left,
    _liver_right,
    _lung_density,
    _soft_density,
)
