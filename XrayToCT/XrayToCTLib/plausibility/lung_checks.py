"""Checks of the lungs: how many there are and how large, the diaphragm below and the trachea between them."""

from __future__ import annotations

import numpy as np

from XrayToCTLib.plausibility.check import Check, Limits, judged, unmeasured
from XrayToCTLib.plausibility.chest import AIRWAY_HU, GRID_MM, Chest, Lungs
from XrayToCTLib.plausibility.lung_pieces import LUNG_ML, LungPiece

NO_LUNGS = "not measurable, because no two lungs were found"

_COUNT = Limits(2, 2)
_LITRES = Limits(0.8, 9.0)
_SYMMETRY = Limits(low=0.3)
_DOME_MM = Limits(5, 160)
_TRACHEA_MM = Limits(high=30)


def lung_count(chest: Chest) -> Check:
    name, count = "two lungs", len(chest.pieces)
    expected = f"expected 2, each above {LUNG_ML / 1000:.1f} litres"
    if not count:
        return judged(name, 0.0, _COUNT, f"No lung was found ({expected}).")
    litres = ", ".join(f"{piece.volume_ml / 1000:.1f}" for piece in chest.pieces)
    found = "is 1 lung" if count == 1 else f"are {count} lungs"
    beside = chest.lungs is None or not _lie_side_by_side(chest.lungs)
    note = ", and they do not lie side by side" if count == 2 and beside else ""
    message = f"There {found} of {litres} litres ({expected}){note}."
    place = _middle(chest, chest.pieces[2]) if count > 2 else None
    return judged(name, float(count), _COUNT, message, place, also=not beside)


def _middle(chest: Chest, piece: LungPiece) -> tuple[float, float, float]:
    d, h, w = (float(axis.mean()) for axis in np.nonzero(piece.mask))
    return chest.place_mm((d, h, w))


def _lie_side_by_side(lungs: Lungs) -> bool:
    apart = [float(np.nonzero(mask)[2].mean()) for mask in (lungs.right, lungs.left)]
    return apart[0] < lungs.middle < apart[1]


def lung_volume(chest: Chest) -> Check:
    name = "volume of the lungs"
    litres = sum(piece.volume_ml for piece in chest.pieces) / 1000
    expected = f"expected {_LITRES.low:.1f} to {_LITRES.high:.1f} litres"
    return judged(name, litres, _LITRES, f"The lungs hold {litres:.1f} litres ({expected}).")


def symmetry(chest: Chest) -> Check:
    name = "lungs of similar size"
    if chest.lungs is None:
        return unmeasured(name, _SYMMETRY, f"The ratio of the lungs' volumes is {NO_LUNGS}.")
    right, left = (float(mask.sum()) for mask in (chest.lungs.right, chest.lungs.left))
    ratio = min(right, left) / max(right, left)
    smaller = "left" if left < right else "right"
    message = f"The {smaller} lung has {ratio:.0%} of the other lung's air (at least {_SYMMETRY.low:.0%} expected)."
    return judged(name, ratio, _SYMMETRY, message)


def diaphragm(chest: Chest) -> Check:
    name = "diaphragm domed"
    if chest.lungs is None:
        return unmeasured(name, _DOME_MM, f"The shape of the diaphragm is {NO_LUNGS}.")
    heights = [_dome_height(mask, chest.lungs) for mask in (chest.lungs.right, chest.lungs.left)]
    lower = int(heights[1] < heights[0])
    side = ("right", "left")[lower]
    message = (
        f"The domes of the diaphragm stand {heights[0]:.0f} mm (right) and {heights[1]:.0f} mm (left) above the lowest "
        f"lung behind them; the {side} is the lower (expected {_DOME_MM.low:.0f} to {_DOME_MM.high:.0f} mm)."
    )
    return judged(name, heights[lower], _DOME_MM, message)


def _dome_height(mask: np.ndarray, lungs: Lungs) -> float:
    """From the row of the dome to the lowest lung behind it, in mm."""
    lowest = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)
    middle = (lungs.front + lungs.back) // 2 + 1
    behind, ahead = (lowest[half][mask[half].any(axis=1)] for half in (slice(middle, None), slice(None, middle)))
    if not (behind.size and ahead.size):
        return 0.0
    return float(np.percentile(behind, 90) - np.percentile(ahead, 25)) * GRID_MM


def trachea(chest: Chest) -> Check:
    """The airway between the upper lungs: in every row the emptiest place near the midline that is no lung."""
    name = "trachea in the midline"
    if chest.lungs is None:
        return unmeasured(name, _TRACHEA_MM, f"The place of the trachea is {NO_LUNGS}.")
    lungs = chest.lungs
    length = lungs.bottom - lungs.top
    rows = range(max(chest.rows[0], lungs.top - round(20 / GRID_MM)), lungs.top + round(0.3 * length))
    start = max(0, round(chest.midline) - round(40 / GRID_MM))
    columns = slice(start, round(chest.midline) + round(40 / GRID_MM) + 1)
    back = lungs.back if chest.spine is None else chest.spine.depth
    airway = (chest.hu < AIRWAY_HU) & chest.inside & ~lungs.both
    found = []
    for row in rows:
        d, w = np.nonzero(airway[lungs.front : back, row, columns])
        if d.size:
            found.append((float(d.mean()) + lungs.front, float(row), float(w.mean()) + start))
    if len(found) * GRID_MM < 15:
        return unmeasured(name, _TRACHEA_MM, "No trachea was found between the upper lungs, near the midline.")
    depth, height, across = (float(np.median(axis)) for axis in zip(*found, strict=True))
    offset = (across - chest.midline) * GRID_MM
    message = (
        f"The trachea lies {abs(offset):.0f} mm to the patient's {'left' if offset > 0 else 'right'} of the midline "
        f"(limit {_TRACHEA_MM.high:.0f} mm)."
    )
    return judged(name, abs(offset), _TRACHEA_MM, message, chest.place_mm((depth, height, across)))
