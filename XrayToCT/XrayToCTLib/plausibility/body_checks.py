"""Checks of the body: its size, what is cut off, gaps in the chest wall, the density of each tissue."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from XrayToCTLib.plausibility.check import Check, Limits, judged, unmeasured
from XrayToCTLib.plausibility.chest import GRID_MM, VOXEL_ML, Chest

_FACE_MM2 = GRID_MM**2
_OUTSIDE_SHARE = Limits(0.15, 0.85)
_REACH_MM = Limits(high=150)  # an arm is less deep, the trunk is not
_SHARED = 0.7  # of right and left together: where both sides are cut off, each may be less deep
_CUT_LUNG_CM2 = Limits(high=60)
_GAP_MM2 = Limits(high=75)
_OPEN_HU = -600.0  # a blurred or thin wall is denser than that; a gap is not
_MEASURABLE_ML = 100.0
_OUTSIDE_HU = Limits(-1024, -940)
_LUNG_HU = Limits(-945, -550)
_SOFT_HU = Limits(-110, 90)
_SPINE_HU = Limits(65, 300)


def body_and_air(chest: Chest) -> Check:
    share = float(1 - chest.inside.mean())
    low, high = _OUTSIDE_SHARE.low, _OUTSIDE_SHARE.high
    message = f"{share:.0%} of the volume lies outside the body (expected {low:.0%} to {high:.0%})."
    return judged("body and air", share, _OUTSIDE_SHARE, message)


def air_outside(chest: Chest) -> Check:
    return _density("air outside", "the air around the body", chest.hu[~chest.inside], _OUTSIDE_HU)


def not_cut_off(chest: Chest) -> Check:
    """By the lower half of the lungs' rows: arms and shoulders may leave a field of 320 mm, the trunk may not."""
    name = "body not cut off"
    if not chest.body.any():
        return unmeasured(name, _REACH_MM, "Truncation is not measurable, because no body was found.")
    top, bottom = chest.rows if chest.lungs is None else (chest.lungs.top, chest.lungs.bottom)
    rows = slice((top + bottom) // 2, bottom + 1)
    reaches = [float(np.median(face.reach_mm[rows])) for face in chest.faces]
    worst = int(np.argmax(reaches))
    both = _SHARED * sum(reaches[2:])
    reach, where = max((reaches[worst], chest.faces[worst].name), (both, "right and left sides"))
    face = chest.faces[worst]
    place = [(chest.hu.shape[0] - 1) / 2, (rows.start + rows.stop - 1) / 2, (chest.hu.shape[2] - 1) / 2]
    place[0 if worst < 2 else 2] = face.index
    message = (
        f"At the height of the lower lungs the body reaches the {where} of what was scanned over {reach:.0f} mm "
        f"(limit {_REACH_MM.high:.0f} mm)."
    )
    return judged(name, reach, _REACH_MM, message, chest.place_mm((place[0], place[1], place[2])) if reach else None)


def lungs_not_cut_off(chest: Chest) -> Check:
    name = "lungs not cut off"
    if chest.lungs is None:
        return unmeasured(name, _CUT_LUNG_CM2, "Whether the lungs are cut off is not measurable: there are no two.")
    areas = [float(chest.lungs.both[:, row].sum()) * _FACE_MM2 / 100 for row in chest.rows]
    worst = int(areas[1] > areas[0])
    message = (
        f"At the {('top', 'bottom')[worst]} of what was scanned the lungs have a section of {areas[worst]:.0f} cm² "
        f"(limit {_CUT_LUNG_CM2.high:.0f} cm²)."
    )
    place = None
    if areas[worst]:
        d, w = ndimage.center_of_mass(chest.lungs.both[:, chest.rows[worst]])
        place = chest.place_mm((d, chest.rows[worst], w))
    return judged(name, areas[worst], _CUT_LUNG_CM2, message, place)


def chest_wall(chest: Chest) -> Check:
    name = "chest wall closed"
    if not chest.pieces:
        why = "The closure of the chest wall is not measurable, because no lung was found."
        return unmeasured(name, _GAP_MM2, why)
    spaces = {int(chest.air[piece.mask][0]) for piece in chest.pieces}
    lung_air = np.pad(np.isin(chest.air, list(spaces)), 1)
    # Only front and back end in air: lung that is cut off at the other faces is no gap.
    outside = np.pad(np.pad(~chest.inside, ((1, 1), (0, 0), (0, 0)), constant_values=True), ((0, 0), (1, 1), (1, 1)))
    empty = np.pad(chest.hu < _OPEN_HU, 1, constant_values=True)
    contact, wide_open = np.zeros(lung_air.shape, np.int16), np.zeros(lung_air.shape, bool)
    for axis in range(3):
        for step in (1, -1):
            faces = lung_air & np.roll(outside, step, axis)
            contact += faces
            wide_open |= faces & empty & np.roll(empty, step, axis)
    labels, count = ndimage.label(contact > 0, np.ones((3, 3, 3)))
    areas = np.zeros(count + 1)
    areas[1:] = ndimage.sum_labels(contact, labels, range(1, count + 1))
    areas *= _FACE_MM2
    gaps = [int(i) for i in np.unique(labels[wide_open]) if not _GAP_MM2.hold(areas[i])]
    if not gaps:
        area = float(max((areas[i] for i in np.unique(labels[wide_open])), default=0.0))
        message = f"No gap above {_GAP_MM2.high:.0f} mm² opens the lungs to the outside air."
        return judged(name, area, _GAP_MM2, message)
    widest = max(gaps, key=lambda i: areas[i])
    index = tuple(float(i) - 1 for i in ndimage.center_of_mass(labels == widest))
    word = "1 gap" if len(gaps) == 1 else f"{len(gaps)} gaps"
    message = (
        f"The chest wall has {word} through which lung meets outside air, the largest of {areas[widest]:.0f} mm² "
        f"{_where(chest, index)} (limit {_GAP_MM2.high:.0f} mm²)."
    )
    return judged(name, areas[widest], _GAP_MM2, message, chest.place_mm((index[0], index[1], index[2])))


def _where(chest: Chest, index: tuple[float, ...]) -> str:
    """In words, from the middle of the lungs, else of the volume."""
    d, h, w = index
    lungs = chest.lungs
    depth = (chest.hu.shape[0] - 1) / 2 if lungs is None else (lungs.front + lungs.back) / 2
    across = (chest.hu.shape[2] - 1) / 2 if lungs is None else lungs.middle
    side, face = "left" if w > across else "right", "front" if d < depth else "back"
    return f"at the patient's {side} {face}, {h * GRID_MM:.0f} mm below the top"


def _density(name: str, what: str, values: np.ndarray, limits: Limits) -> Check:
    if values.size * VOXEL_ML < _MEASURABLE_ML:
        why = f"The density of {what} is not measurable, because there is too little of it."
        return unmeasured(name, limits, why)
    median = float(np.median(values))
    expected = f"expected {limits.low:.0f} to {limits.high:.0f} HU"
    return judged(name, median, limits, f"The median density of {what} is {median:.0f} HU ({expected}).")


def lung_density(chest: Chest) -> Check:
    lungs = np.zeros_like(chest.body)
    for piece in chest.pieces:
        lungs |= piece.mask
    return _density("density of the lungs", "the lungs", chest.hu[lungs], _LUNG_HU)


def soft_density(chest: Chest) -> Check:
    # Voxels at the border of the body mix tissue and air.
    return _density("density of soft tissue", "soft tissue", chest.hu[ndimage.binary_erosion(chest.body)], _SOFT_HU)


def spine_density(chest: Chest) -> Check:
    name = "density of the spine"
    if chest.spine is None:
        return unmeasured(name, _SPINE_HU, f"No column above {_SPINE_HU.low:.0f} HU was found near the midline.")
    message = f"The spine has {chest.spine.hu:.0f} HU (expected {_SPINE_HU.low:.0f} to {_SPINE_HU.high:.0f} HU)."
    return judged(name, chest.spine.hu, _SPINE_HU, message)
