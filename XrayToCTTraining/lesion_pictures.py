"""Planted lesions as a picture: radiograph, truth, generated volume, and what the lesion changes in each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTLib.orientation import display_slice
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.evaluation import Predict
from XrayToCTTraining.lesion_effect import LesionEffect, View, view_of
from XrayToCTTraining.picture_grid import LabelledRows, labelled_grid, windowed
from XrayToCTTraining.planted_lesions import Chest, Finding, planted

_LIMIT_HU = 300.0  # of an effect that is drawn in full black or white
_COLUMNS = (
    "X-ray",
    "true shadow",
    "generated shadow",
    "true, axial",
    "generated, axial",
    "true effect",
    "generated effect",
    "true effect, side",
    "gen. effect, side",
)


def typical(effects: Sequence[LesionEffect]) -> list[LesionEffect]:
    """Of each kind the lesion of which, by its effect kept, the middle share survived."""
    chosen = []
    for kind in sorted({effect.kind for effect in effects}):
        members = sorted((effect for effect in effects if effect.kind == kind), key=lambda one: one.effect.kept)
        chosen.append(members[len(members) // 2])
    return chosen


def effects_picture(
    predict: Predict,
    chests: Sequence[Chest],
    effects: Sequence[LesionEffect],
    geometry: Geometry,
    seed: int,
) -> np.ndarray:
    """A row for each lesion, slices through its middle: (rows, columns, 3) uint8.

    Effects are grey where nothing changes, white from +300 HU on and black from -300 HU. Shadows are on the scale of
    the true one. Of the two views from the side, anterior is on the left.

    Args:
        seed: with which :func:`lesion_effect.evaluate_chest` planted them.
    """
    rows: LabelledRows = []
    for chest in chests:
        own = [effect for effect in effects if effect.chest == chest.name]
        without = view_of(predict, chest.hu, geometry) if own else None
        for effect in own:
            finding = planted(chest, effect.kind, effect.number, seed)
            if finding is not None and without is not None:
                rows.append((_label(effect), _tiles(finding, without, view_of(predict, finding.hu, geometry))))
    return labelled_grid(_COLUMNS, rows)


def _label(effect: LesionEffect) -> str:
    depth = "nowhere" if np.isnan(effect.depth_mm) else f"{abs(effect.depth_mm):.0f} mm {_side(effect.depth_mm)}"
    what = f"{effect.kind.replace('_', ' ')} of {effect.size_mm:.0f} mm in {effect.chest}"
    kept = f"{effect.effect.kept:.0%} of its effect kept, {effect.shadow_kept:.0%} of its shadow"
    return f"{what}: {kept}; came out {depth}"


def _side(depth_mm: float) -> str:
    return "too far back" if depth_mm > 0 else "too far forward"


def _tiles(finding: Finding, without: View, with_it: View) -> list[np.ndarray]:
    _, height, width = (round(place) for place in finding.lesion.centre)
    shadows = [with_it.shadow - without.shadow, with_it.generated_shadow - without.generated_shadow]
    strongest = max(float(np.abs(shadows[0]).max()), 1e-6)
    effects = [(view - base) * (HU_RANGE / _LIMIT_HU) for view, base in _pairs(without, with_it)]
    return [
        with_it.radiograph,
        *(_signed(shadow / strongest) for shadow in shadows),
        *(windowed(display_slice(volume, "axial", height)) for volume in (with_it.truth, with_it.generated)),
        *(_signed(display_slice(effect, "axial", height)) for effect in effects),
        *(_signed(display_slice(effect, "sagittal", width)) for effect in effects),
    ]


def _pairs(without: View, with_it: View) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return (with_it.truth, without.truth), (with_it.generated, without.generated)


def _signed(values: np.ndarray) -> np.ndarray:
    """-1 to 1 as black to white."""
    return np.clip(0.5 + values / 2, 0, 1)
