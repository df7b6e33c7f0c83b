"""Checks of the skeleton: the spine behind and in the midline, ribs on both sides."""

from __future__ import annotations

import numpy as np

from XrayToCTLib.plausibility.check import Check, Limits, judged, unmeasured
from XrayToCTLib.plausibility.chest import GRID_MM, MIN_SPINE_HU, Chest
from XrayToCTLib.plausibility.lung_checks import NO_LUNGS

_NO_SPINE = f"No spine (a column above {MIN_SPINE_HU:.0f} HU) was found near the midline."
_SPINE_DEPTH = Limits(low=0.6)
_SPINE_OFFSET_MM = Limits(high=35)
_RIBS = Limits(low=3)
_UNPAIRED = 4.0
_RIB_HU, _RIB_PROMINENCE_HU = 60.0, 20.0
_WALL_VOXELS = round(25 / GRID_MM)


def spine_behind(chest: Chest) -> Check:
    name = "spine behind"
    if chest.lungs is None:
        return unmeasured(name, _SPINE_DEPTH, f"The depth of the spine is {NO_LUNGS}.")
    if chest.spine is None:
        return unmeasured(name, _SPINE_DEPTH, _NO_SPINE)
    depth = (chest.spine.depth - chest.lungs.front) / (chest.lungs.back - chest.lungs.front)
    message = (
        f"The spine lies {depth:.0%} of the way from the front to the back of the lungs (at least "
        f"{_SPINE_DEPTH.low:.0%} expected)."
    )
    return judged(name, depth, _SPINE_DEPTH, message, _spine_place(chest))


def spine_in_the_midline(chest: Chest) -> Check:
    name = "spine in the midline"
    if chest.lungs is None:
        return unmeasured(name, _SPINE_OFFSET_MM, f"The side of the spine is {NO_LUNGS}.")
    if chest.spine is None:
        return unmeasured(name, _SPINE_OFFSET_MM, _NO_SPINE)
    offset = abs(chest.spine.across - chest.lungs.middle) * GRID_MM
    message = f"The spine lies {offset:.0f} mm off the middle of the lungs (limit {_SPINE_OFFSET_MM.high:.0f} mm)."
    return judged(name, offset, _SPINE_OFFSET_MM, message, _spine_place(chest))


def _spine_place(chest: Chest) -> tuple[float, float, float]:
    assert chest.lungs is not None
    assert chest.spine is not None
    return chest.place_mm((chest.spine.depth, (chest.lungs.top + chest.lungs.bottom) / 2, chest.spine.across))


def ribs(chest: Chest) -> Check:
    name = "ribs in pairs"
    if chest.lungs is None:
        return unmeasured(name, _RIBS, f"The number of ribs is {NO_LUNGS}.")
    right, left = (_rib_count(chest, on_left) for on_left in (False, True))
    message = (
        f"Beside the lungs there are {right:.0f} ribs on the right and {left:.0f} on the left (expected at least "
        f"{_RIBS.low:.0f} on each side, and a difference of at most {_UNPAIRED:.0f})."
    )
    return judged(name, min(right, left), _RIBS, message, also=abs(right - left) <= _UNPAIRED)


def _rib_count(chest: Chest, on_left: bool) -> float:
    """Peaks of the wall's density from top to bottom along a flank: the median over the middle half of its depth."""
    assert chest.lungs is not None
    lungs = chest.lungs
    mask, hu = lungs.left if on_left else lungs.right, chest.hu
    if on_left:
        mask, hu = mask[:, :, ::-1], hu[:, :, ::-1]
    quarter = (lungs.back - lungs.front) // 4
    counts = []
    for depth in range(lungs.front + quarter, lungs.back - quarter + 1):
        plane, rows = mask[depth], np.flatnonzero(mask[depth].any(axis=1))
        if rows.size < 8:
            continue
        border = np.argmax(plane[rows], axis=1)
        profile = np.full(rows.size + 2, -1000.0)  # a rib at either end is a peak too
        for i, (row, edge) in enumerate(zip(rows, border, strict=True)):
            profile[i + 1] = hu[depth, row, max(0, edge - _WALL_VOXELS) : edge].max(initial=-1000.0)
        counts.append(count_peaks(profile, _RIB_HU, _RIB_PROMINENCE_HU))
    return float(np.median(counts)) if counts else 0.0


def count_peaks(profile: np.ndarray, height: float, prominence: float) -> int:
    """Peaks of a profile (n,) that reach ``height`` and rise ``prominence`` above the valleys beside them.

    As ``scipy.signal.find_peaks``, which takes a second to import; peaks of one height without a valley are one here.
    """
    count, climbs, turn = 0, False, profile[0]  # the highest value since the last valley, or the lowest since a peak
    for value in profile[1:]:
        if climbs and turn - value >= prominence:
            count += int(turn >= height)
            climbs, turn = False, value
        elif not climbs and value - turn >= prominence:
            climbs, turn = True, value
        else:
            turn = max(turn, value) if climbs else min(turn, value)
    return count
