"""The walls of the chest: body surface, rib cage, diaphragm, mediastinum and heart as level sets.

Lengths are millimetres of canonical space (see ``space``): y posterior, z inferior, x left. Numbers are typical adult
values read from anatomy texts and atlases; ``habitus`` varies them between patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from XrayToCTTraining.simulation.habitus import Habitus
from XrayToCTTraining.simulation.space import Frame, Volume, smooth_min

# Profile of the chest along z. CENTRE is where each lung's own axis lies, OUTER the half-width of the cage at its inner
# surface, INNER how far a lung would reach medially from CENTRE if there were no mediastinum.
_Z = (-136, -132, -126, -115, -100, -80, -50, -20, 20, 60, 100, 150, 200)
_CENTRE = (44, 44, 45, 47, 51, 54, 56, 56, 56, 55, 55, 54, 53)
_OUTER = (44.5, 56, 65, 77, 91, 104, 117, 126, 132, 134, 133, 128, 122)
_INNER = (1, 12, 19, 25, 33, 43, 62, 78, 88, 90, 90, 90, 90)
_HALF_DEPTH = (2, 11, 19, 29, 42, 57, 73, 83, 90, 94, 95, 92, 88)
_MIDDLE = (32, 31, 30, 27, 22, 14, 6, 2, 0, 0, 1, 3, 5)

# Profile of the skin without fat and without the arms: it narrows towards the neck.
_SKIN_Z = (-200, -165, -148, -132, -112, -90, -60, -30, 20, 60, 100, 150, 200)
_SKIN_HALF_WIDTH = (58, 64, 84, 122, 146, 152, 150, 147, 144, 146, 144, 140, 138)
_SKIN_HALF_DEPTH = (58, 58, 60, 66, 76, 88, 100, 107, 110, 112, 112, 110, 106)
_SKIN_MIDDLE = (22, 22, 22, 21, 17, 11, 7, 6, 6, 6, 6, 6, 6)

_SPINE_Z = (-200, -165, -130, -80, -20, 40, 100, 160, 200)
_SPINE_Y = (14, 22, 36, 56, 66, 66, 58, 44, 38)

_MEDIASTINUM_Z = (-200, -128, -100, -75, -45, -10, 30, 200)
_MEDIASTINUM_HALF_WIDTH = (20, 23, 24, 22, 19, 17, 12, 12)

# The middle line of the left upper arm with its shoulder muscles, as (y, z, x) of both ends; radius without fat.
ARM_UP = ((-4, -122, 130), (-18, -270, 152))
ARM_DOWN = ((2, -97, 140), (12, 90, 234))
_ARM_MM = 40

# How much fuller than an ellipse the corners of a section are, 0 to 1.
_FULLNESS = 0.3

_LUT_START, _LUT_PER_MM = -260, 4


@dataclass(frozen=True)
class Chest:
    """Signed distances in mm (negative inside), float32 (D, H, W), and the coordinates that they were made from."""

    y: Volume
    z: Volume
    x: Volume
    body: Volume
    cage: Volume
    diaphragm: Volume  # negative above it, where the lungs are
    mediastinum: Volume
    heart: Volume


def profile(z: np.ndarray, at: tuple[float, ...], values: tuple[float, ...]) -> np.ndarray:
    """Piecewise linear profile along z, float32; by table, since ``np.interp`` on a whole volume is slow."""
    table = np.interp(np.arange(-_LUT_START * 2 * _LUT_PER_MM) / _LUT_PER_MM + _LUT_START, at, values)
    index = ((z - _LUT_START) * _LUT_PER_MM + 0.5).astype(np.int32)
    return np.take(table.astype(np.float32), index, mode="clip")


def spine_y(z: np.ndarray) -> np.ndarray:
    """y of the centres of the vertebral bodies at height z."""
    return profile(np.asarray(z, dtype=np.float32), _SPINE_Z, _SPINE_Y)


def cage_wall(z: np.ndarray, angle: np.ndarray, outside_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Left half of the cage's inner surface: (y, x) at height z in a direction seen from the lung's axis.

    ``angle`` in radians: 0 lateral, pi/2 posterior, -pi/2 anterior, beyond them medial; the point lies ``outside_mm``
    outside the surface.
    """
    z = np.asarray(z, dtype=np.float32)
    centre, outer, inner, depth, middle = _cage_profiles(z)
    lateral = np.cos(angle)
    u = lateral / np.where(lateral > 0, outer - centre, inner)
    v = np.sin(angle) / depth
    quadratic, quartic = (1 - _FULLNESS) * (u**2 + v**2), _FULLNESS * (u**4 + v**4)
    radius = np.sqrt((np.sqrt(quadratic**2 + 4 * quartic) - quadratic) / (2 * quartic)) + outside_mm
    return middle + radius * np.sin(angle), centre + radius * lateral


def build_chest(frame: Frame, habitus: Habitus) -> Chest:
    """All surfaces of one patient on the frame's grid."""
    y, z, x = frame.grid()
    centre, outer, inner, depth, middle = _cage_profiles(z)
    across = np.abs(x) - centre
    cage = _rounded(across, y - middle, np.where(across > 0, outer - centre, inner), depth)
    cage = np.maximum(cage, _Z[0] - z)
    diaphragm = (z - _diaphragm_height(y, x, habitus)) * np.float32(0.75)
    # However large, the heart stays inside the ribs.
    heart = np.maximum(_heart(y, z, x, habitus), cage + 3)
    return Chest(y, z, x, _body(y, z, x, cage, habitus), cage, diaphragm, _mediastinum(y, z, x, heart), heart)


def _cage_profiles(z: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(profile(z, _Z, values) for values in (_CENTRE, _OUTER, _INNER, _HALF_DEPTH, _MIDDLE))


def _rounded(x: Volume, y: Volume, half_width: Volume, half_depth: Volume) -> Volume:
    """Signed distance in mm, along the ray from the centre, to an ellipse with fuller corners."""
    x2, y2 = x * x, y * y
    u2, v2 = x2 / (half_width * half_width), y2 / (half_depth * half_depth)
    # The contour is (1 - f) (u^2 + v^2) + f (u^4 + v^4) = 1, along a ray a quadratic; share is its root: the squared
    # radius in units of the contour's.
    quadratic, quartic = np.float32((1 - _FULLNESS) / 2) * (u2 + v2), np.float32(_FULLNESS) * (u2 * u2 + v2 * v2)
    share = quadratic + np.sqrt(quadratic * quadratic + quartic)
    return np.sqrt(x2 + y2) * (1 - 1 / np.sqrt(np.maximum(share, 1e-4)))


def _ellipsoid(
    y: Volume, z: Volume, x: Volume, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Volume:
    """Approximate signed distance to an axis-aligned ellipsoid; centre and radii in (y, z, x) order."""
    dy, dz, dx = ((c - np.float32(m)) / np.float32(r) for c, m, r in zip((y, z, x), centre, radii, strict=True))
    return (np.sqrt(dy * dy + dz * dz + dx * dx) - 1) * np.float32(np.cbrt(np.prod(radii)))


def _capsule(
    y: Volume, z: Volume, x: Volume, start: tuple[int, ...], end: tuple[int, ...], radius: np.float32
) -> Volume:
    """Signed distance to a rod with round ends, given by its ends in (y, z, x) order."""
    axis = np.subtract(end, start).astype(np.float32)
    offset = [c - np.float32(s) for c, s in zip((y, z, x), start, strict=True)]
    share = np.clip(sum(o * a for o, a in zip(offset, axis / (axis @ axis), strict=True)), 0, 1)
    return np.sqrt(sum((o - share * a) ** 2 for o, a in zip(offset, axis, strict=True))) - radius


def _body(y: Volume, z: Volume, x: Volume, cage: Volume, habitus: Habitus) -> Volume:
    fat = np.float32(habitus.fat_mm)
    width, depth, middle = (
        profile(z, _SKIN_Z, values) for values in (_SKIN_HALF_WIDTH, _SKIN_HALF_DEPTH, _SKIN_MIDDLE)
    )
    skin = _rounded(x, y - middle, width + fat, depth + fat)
    if habitus.female:
        for side in (-1, 1):
            size = habitus.breast_mm
            breast = _ellipsoid(y, z, x, (-88 - fat, 22 + size / 3, side * 68), (size + fat * 0.3, 46 + size / 3, 54))
            skin = smooth_min(skin, breast, 24)
    arm = _capsule(y, z, np.abs(x), *(ARM_UP if habitus.are_arms_up else ARM_DOWN), _ARM_MM + 0.5 * fat)
    skin = smooth_min(skin, arm, 24)
    # The wall is never thinner than ribs, intercostal muscles, the fat and the skin.
    return smooth_min(skin, cage - (14 + fat), 12)


def _diaphragm_height(y: Volume, x: Volume, habitus: Habitus) -> Volume:
    """z of the diaphragm: two domes, steeper behind than in front, a saddle under the heart."""
    ahead = np.where(y < -15, np.float32(1 / 95), np.float32(1 / 88)) * (y + 15)
    across = (np.abs(x) - 58) / np.where(np.abs(x) > 58, np.float32(82), np.float32(125))
    fall = 52 * (ahead * ahead + across * across)
    left = np.clip(x / 40 + 0.5, 0, 1)
    return np.float32(habitus.right_dome) + np.float32(habitus.left_drop) * left + fall


def _heart(y: Volume, z: Volume, x: Volume, habitus: Habitus) -> Volume:
    """Ventricles (a tilted ellipsoid with the apex to the left, in front and below) joined with both atria."""
    s = habitus.heart_scale
    # The heart rides on the diaphragm, so a high diaphragm lifts it and lays it down.
    lift = 0.75 * (habitus.right_dome + habitus.left_drop / 2 - 55)
    base = np.array([-24.0, 22.0 + lift + 45 * (1 - s), 33.0])
    tilt = 0.55 + habitus.heart_turn + lift / 120
    axis = np.array([-0.34, np.sin(tilt) * 0.94, np.cos(tilt) * 0.94])
    axis /= np.linalg.norm(axis)
    dy, dz, dx = (c - np.float32(m) for c, m in zip((y, z, x), base, strict=True))
    along = dy * np.float32(axis[0]) + dz * np.float32(axis[1]) + dx * np.float32(axis[2])
    across2 = np.maximum(dy * dy + dz * dz + dx * dx - along * along, 0)
    ventricles = (np.sqrt((along / np.float32(60 * s)) ** 2 + across2 / np.float32((41 * s) ** 2)) - 1) * np.float32(
        45 * s
    )
    right_atrium = _ellipsoid(y, z, x, (-18, 14 + lift, -9 * s), (29 * s, 36 * s, 26 * s))
    left_atrium = _ellipsoid(y, z, x, (14, -4 + lift, 4), (21 * s, 23 * s, 34 * s))
    return smooth_min(smooth_min(ventricles, right_atrium, 10), left_atrium, 8)


def _mediastinum(y: Volume, z: Volume, x: Volume, heart: Volume) -> Volume:
    """Everything between the lungs but the great vessels: the fatty septum, the heart and the bed of the spine."""
    half_width = profile(z, _MEDIASTINUM_Z, _MEDIASTINUM_HALF_WIDTH)
    # In front of the vessels the two pleurae almost touch.
    half_width = np.maximum(half_width * np.clip(1.0 + (y + 20) / 55, 0, 1), 5)
    septum = np.abs(x) - half_width
    behind = y - (spine_y(z) + 6)
    spine = np.sqrt(x * x + behind * behind) - 24
    return smooth_min(smooth_min(septum, spine, 10), heart - 2, 20)
