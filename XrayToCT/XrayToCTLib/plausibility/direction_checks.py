"""Checks of direction: is left left, and up up?

No sign is certain: a consolidation turns the side of the soft tissue, a raised diaphragm the liver's, a spine that is
not there hides the aorta. So several signs are taken together, each from -1 (the other way round) over 0 (not to be
seen) to 1 (as it should be). Each changes its sign, or nearly, where the volume is flipped: so a share of good volumes
that fail is about the share of flipped ones that pass.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from XrayToCTLib.plausibility.check import Check, Limits, judged, unmeasured
from XrayToCTLib.plausibility.chest import AIRWAY_HU, GRID_MM, VOXEL_ML, Chest, Lungs
from XrayToCTLib.plausibility.lung_checks import NO_LUNGS

_AS_EXPECTED = Limits(0.0, 1.0)
_BONE_HU = 150.0


def handedness(chest: Chest) -> Check:
    name = "handedness"
    if chest.lungs is None:
        return unmeasured(name, _AS_EXPECTED, f"Which side is left is {NO_LUNGS}.")
    signs = {
        "heart": _sign(_heart_offset_mm(chest, chest.lungs), 12),
        "lung beside the heart's apex": _sign(_apex_ml(chest, chest.lungs), 60),
        "liver": _sign(_liver_difference_hu(chest, chest.lungs), 40),
        "aorta": _sign(_aorta_ml(chest, chest.lungs), 8),
    }
    return _together(name, signs, "mirrored")


def head_above(chest: Chest) -> Check:
    name = "head above"
    if chest.lungs is None:
        return unmeasured(name, _AS_EXPECTED, f"Which way is up is {NO_LUNGS}.")
    signs = {
        "heart": _sign(_heart_log_ratio(chest, chest.lungs), 0.4),
        "trachea": _sign(_airway_share(chest, chest.lungs), 0.3),
        "tapering of the lungs": _sign(_taper(chest.lungs), 0.3),
        "slope of the diaphragm": _sign(_slope(chest.lungs), 0.3),
        "shoulders": _sign(_bone_share(chest, chest.lungs), 0.1),
    }
    return _together(name, signs, "upside down")


def _sign(value: float, full: float) -> float:
    """``value`` over what counts as a full sign."""
    return float(np.clip(value / full, -1, 1))


def _together(name: str, signs: Mapping[str, float], otherwise: str) -> Check:
    score = sum(signs.values()) / len(signs)
    against = [sign for sign, value in signs.items() if value < 0]
    message = (
        f"The signs of {', '.join(signs)} together give {score:.2f} (expected 0 to 1; -1 is {otherwise}); "
        f"{'none' if not against else ', '.join(against)} against it."
    )
    return judged(name, score, _AS_EXPECTED, message)


# --- left and right ----------------------------------------------------------------------------------------------


def _heart_offset_mm(chest: Chest, lungs: Lungs) -> float:
    """By how much the soft tissue between the lower lungs lies to the left; sternum, spine, effusions are left out."""
    depth, rows = _part(lungs.front, lungs.back, 0.06, 0.6), _part(lungs.top, lungs.bottom, 0.45, 0.72)
    reach = round(70 / GRID_MM)
    start = max(0, round(chest.midline) - reach)
    heart = (chest.body & ~lungs.both)[depth, rows, start : round(chest.midline) + reach + 1]
    return float((np.nonzero(heart)[2].mean() + start - chest.midline) * GRID_MM) if heart.any() else 0.0


def _apex_ml(chest: Chest, lungs: Lungs) -> float:
    """How much more lung there is right of the heart than left of it, near its apex."""
    depth, rows = _part(lungs.front, lungs.back, 0, 0.55), _part(lungs.top, lungs.bottom, 0.4, 0.7)
    right, left = _beside(chest, lungs.both[depth, rows], 20, 75)
    return float(right.sum() - left.sum()) * VOXEL_ML


def _liver_difference_hu(chest: Chest, lungs: Lungs) -> float:
    """How much denser the abdomen is on the right, below the domes."""
    dome = _dome_row(lungs)
    depth = _part(lungs.front, lungs.back, 0, 0.85)
    rows = slice(dome + round(20 / GRID_MM), dome + round(80 / GRID_MM))
    tissue = np.where(chest.inside & ~lungs.both, np.clip(chest.hu, -150, 100), np.nan)[depth, rows]
    right, left = (half[np.isfinite(half)] for half in _beside(chest, tissue, 20, 110))
    # Too little of the abdomen says nothing.
    if min(right.size, left.size) * VOXEL_ML < 100:
        return 0.0
    return float(right.mean() - left.mean())


def _aorta_ml(chest: Chest, lungs: Lungs) -> float:
    """Soft tissue before and beside the spine: the descending aorta lies on its left."""
    if chest.spine is None:
        return 0.0
    depth = slice(max(0, chest.spine.depth - round(40 / GRID_MM)), chest.spine.depth)
    soft = (chest.body & ~lungs.both)[depth, _part(lungs.top, lungs.bottom, 0.3, 0.7)]
    right, left = _beside(chest, soft, 5, 35)
    return float(left.sum() - right.sum()) * VOXEL_ML


def _beside(chest: Chest, box: np.ndarray, near_mm: float, far_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """What lies at some distance from the midline, right and left, of an array (d, h, W)."""
    middle, near, far = chest.midline, near_mm / GRID_MM, far_mm / GRID_MM
    right = box[:, :, max(0, round(middle - far)) : max(0, round(middle - near))]
    return right, box[:, :, round(middle + near) + 1 : round(middle + far) + 1]


def _part(first: int, last: int, low: float, high: float) -> slice:
    """From one share of the way to another."""
    return slice(first + int(low * (last - first)), first + round(high * (last - first)))


def _dome_row(lungs: Lungs) -> int:
    """Row of the diaphragm's domes, the mean of both sides, in the front half of the lungs."""
    domes = []
    for mask in (lungs.right, lungs.left):
        half = mask[lungs.front : (lungs.front + lungs.back) // 2 + 2]
        lowest = half.shape[1] - 1 - np.argmax(half[:, ::-1], axis=1)
        below = lowest[half.any(axis=1)]
        domes.append(float(np.median(below)) if below.size else float(lungs.bottom))
    return round(sum(domes) / 2)


# --- up and down -------------------------------------------------------------------------------------------------


def _heart_log_ratio(chest: Chest, lungs: Lungs) -> float:
    """Logarithm of the soft tissue between the lungs in their lower half over that in their upper, without the ends."""
    reach = round(60 / GRID_MM)
    columns = slice(max(0, round(chest.midline) - reach), round(chest.midline) + reach + 1)
    soft = (chest.body & ~lungs.both)[_part(lungs.front, lungs.back, 0, 0.6), :, columns].sum(axis=(0, 2))
    lower, upper = (soft[_part(lungs.top, lungs.bottom, *share)].mean() for share in ((0.5, 0.8), (0.2, 0.5)))
    return float(np.log(max(lower, 1.0) / max(upper, 1.0)))


def _airway_share(chest: Chest, lungs: Lungs) -> float:
    """Share of rows with air before the spine that is no lung, at the lungs' upper end less that at their lower."""
    reach, beyond = round(40 / GRID_MM), round(10 / GRID_MM)
    columns = slice(max(0, round(chest.midline) - reach), round(chest.midline) + reach + 1)
    back = lungs.back if chest.spine is None else chest.spine.depth
    air = ((chest.hu < AIRWAY_HU) & chest.inside & ~lungs.both)[lungs.front : back, :, columns].any(axis=(0, 2))
    length = round(0.3 * (lungs.bottom - lungs.top))
    above, below = (
        air[max(0, lungs.top - beyond) : lungs.top + length],
        air[lungs.bottom - length : lungs.bottom + beyond],
    )
    return float(above.mean() - below.mean())


def _taper(lungs: Lungs) -> float:
    """Logarithm of the lungs' width and depth at their lower end over those at their upper."""
    length = max(1, round(0.15 * (lungs.bottom - lungs.top)))
    spans = []
    for rows in (slice(lungs.top, lungs.top + length), slice(lungs.bottom - length + 1, lungs.bottom + 1)):
        d, _, w = np.nonzero(lungs.both[:, rows])
        spans.append(float((np.ptp(d) + 1) * (np.ptp(w) + 1)) if d.size else 1.0)
    return float(np.log(spans[1] / spans[0])) / 2


def _slope(lungs: Lungs) -> float:
    """How much more steeply the lungs' lower end falls towards the back than their upper end rises."""
    air = lungs.both
    columns = air.any(axis=1)
    depth = np.nonzero(columns)[0]
    lowest = (air.shape[1] - 1 - np.argmax(air[:, ::-1], axis=1))[columns]
    highest = np.argmax(air, axis=1)[columns]
    return float(np.polyfit(depth, lowest, 1)[0] + np.polyfit(depth, highest, 1)[0])


def _bone_share(chest: Chest, lungs: Lungs) -> float:
    """Bone within 30 mm above the lungs (clavicles, shoulder blades, spine) less that within 30 mm below."""
    air, reach = lungs.both, round(30 / GRID_MM)
    columns = np.expand_dims(air.any(axis=1), 1)
    highest, lowest = np.argmax(air, axis=1)[:, None], (air.shape[1] - 1 - np.argmax(air[:, ::-1], axis=1))[:, None]
    rows = np.arange(air.shape[1])[None, :, None]
    above = columns & (rows < highest) & (rows >= highest - reach)
    below = columns & (rows > lowest) & (rows <= lowest + reach)
    bone = np.asarray(chest.hu > _BONE_HU)
    return float(bone[above].mean() if above.any() else 0) - float(bone[below].mean() if below.any() else 0)
