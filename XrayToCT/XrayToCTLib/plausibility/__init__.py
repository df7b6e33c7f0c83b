"""Anatomical checks of a chest CT volume: is it built the way a chest is?

They find gross faults of a predicted volume: gaps in the chest wall, a missing or a third lung, a body or lungs that
are cut off, a mirrored or turned volume, no spine, ribs or trachea, tissue of impossible density. They are no proof of
truth: a plausible chest may still be the wrong patient's, and nothing is said about lesions or vessels.

Limits of this version. All checks work on a grid of 5 mm, so that gaps in the wall below about 10 mm are not seen; the
area of gaps wider than 40 mm is that of the lung that they lay open. The limits were chosen on simulated chests and on
warps of two real CTs: they are round numbers with a margin, not confidence limits, and want a finer calibration on real
patients (``python -m XrayToCTTraining evaluate checks`` measures how often they are wrong). They are wrong by nature
for a person with situs inversus, after the removal of a lung, and with an effusion that fills a whole side. Arms and
shoulders may leave the field of view. Gas counts as bowel gas, not as lung, where it is both emptier than the lungs and
small. A third lung that touches another is found from 180 ml on, and only where the other side has no lung. A check
that needs lungs, or a spine, fails with no value where there are none.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.plausibility import body_checks, direction_checks, lung_checks, skeleton_checks
from XrayToCTLib.plausibility.check import Check
from XrayToCTLib.plausibility.chest import GRID_MM, Chest, Lungs, measure

__all__ = ["CHECKS", "Check", "Chest", "Lungs", "check_chest", "check_volume", "measure_chest"]

_MAX_SIDE_MM = 1000.0

CHECKS: tuple[Callable[[Chest], Check], ...] = (
    body_checks.body_and_air,
    body_checks.not_cut_off,
    body_checks.lungs_not_cut_off,
    body_checks.chest_wall,
    lung_checks.lung_count,
    lung_checks.lung_volume,
    lung_checks.symmetry,
    lung_checks.diaphragm,
    lung_checks.trachea,
    skeleton_checks.spine_behind,
    skeleton_checks.spine_in_the_midline,
    skeleton_checks.ribs,
    direction_checks.handedness,
    direction_checks.head_above,
    body_checks.lung_density,
    body_checks.soft_density,
    body_checks.spine_density,
    body_checks.air_outside,
)


def check_volume(volume: np.ndarray, side_mm: tuple[float, float, float]) -> tuple[Check, ...]:
    """Check whether a volume is built like a chest: :func:`check_chest` of :func:`measure_chest`."""
    return check_chest(measure_chest(volume, side_mm))


def check_chest(chest: Chest) -> tuple[Check, ...]:
    """The checks, always the same and in the same order; a check that cannot be measured has failed."""
    return tuple(check(chest) for check in CHECKS)


def measure_chest(volume: np.ndarray, side_mm: tuple[float, float, float]) -> Chest:
    """Find body, lungs and spine of a volume.

    Args:
        volume: (D, H, W) from front to back, top to bottom, the patient's right to left; values
            clip(HU + 1024, 0, 2500) / 2500 in [0, 1]; values outside are clipped, NaN counts as air.
        side_mm: physical extent along (D, H, W), of up to 1000 mm each.

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
    return measure(volume, side_mm)
