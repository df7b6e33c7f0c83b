"""Ribs, sternum, clavicles, scapulae, humeri and spine, painted as cortical and cancellous bone.

Curved bones are swept along a centre line and rendered as clouds of points (``Frame.splat``); the spine is a level set
on a small box about the midline.
"""

from __future__ import annotations

import numpy as np

from XrayToCTTraining.simulation.anatomy import ARM_DOWN, ARM_UP, Chest, cage_wall, profile, spine_y
from XrayToCTTraining.simulation.habitus import Habitus
from XrayToCTTraining.simulation.space import Frame, Volume, fill, paint

CORTICAL_HU, CANCELLOUS_HU, DISC_HU = 950.0, 260.0, 75.0

# z of the middle of T1 to T12, then L1 to L3.
_VERTEBRA_Z = np.array(
    [-131, -113, -94.5, -75.5, -56, -36, -15.5, 5.5, 27, 49, 72, 96, 122, 150, 179], dtype=np.float32
)

# For ribs 1 to 12: the direction in which the bony rib ends, seen from the lung's axis (degrees; -90 is ahead),
# and how much lower its front end is than its head (mm).
_RIB_END = (-98, -92, -84, -78, -74, -70, -64, -54, -40, -24, 14, 48)
_RIB_DROP = (30, 50, 66, 78, 88, 95, 100, 102, 98, 88, 58, 36)


def sweep(
    centre: np.ndarray, half_width: np.ndarray, half_height: np.ndarray, shell_mm: float, per_mm: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill a curved rod of elliptic section with points.

    ``centre`` (N, 3) in mm; ``half_width`` and ``half_height`` (N,) across the rod, the height lying along z. Returns
    points (M, 3), the volume in mm3 that each stands for (M,), and whether it lies in the outer shell (M,).
    """
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(centre, axis=0), axis=1))])
    count = max(3, int(length[-1] * per_mm))
    at = (np.arange(count) + 0.5) / count * length[-1]
    line = np.stack([np.interp(at, length, centre[:, i]) for i in range(3)], axis=1)
    width, height = np.interp(at, length, half_width), np.interp(at, length, half_height)
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    up = np.array([0.0, 1.0, 0.0]) - tangent * tangent[:, 1:2]
    flat = np.linalg.norm(up, axis=1, keepdims=True) < 0.3
    up = np.where(flat, np.array([1.0, 0.0, 0.0]) - tangent * tangent[:, 0:1], up)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    side = np.cross(tangent, up)
    # Sunflower points cover a disc evenly; turning them from section to section avoids rows.
    n = int(np.clip(np.pi * half_width.max() * half_height.max() * 0.4, 10, 400))
    k = np.arange(n)
    radius = np.sqrt((k + 0.5) / n)
    angle = k * 2.399963 + (np.arange(count) * 1.7)[:, None]
    across, along = radius * np.cos(angle), radius * np.sin(angle)
    offset = side[:, None] * (across * width[:, None])[..., None] + up[:, None] * (along * height[:, None])[..., None]
    points = (line[:, None] + offset).reshape(-1, 3).astype(np.float32)
    each = np.pi * width * height * (length[-1] / count) / n
    shell = (1 - radius[None, :]) * np.minimum(width, height)[:, None] < shell_mm
    return points, np.repeat(each, n).astype(np.float32), shell.reshape(-1)


def paint_skeleton(hu: Volume, chest: Chest, frame: Frame, habitus: Habitus, rng: np.random.Generator) -> Volume:
    """Paint all bones into ``hu`` in place; returns the fraction of each voxel that is bone, float32 (D, H, W)."""
    up = habitus.are_arms_up
    rods = [*rib_rods(), *_sternum(), *_clavicles(up), *_scapulae(up), *_humeri(up)]
    parts = [sweep(*rod) for rod in rods]
    points, each, shell = (np.concatenate([p[i] for p in parts]) for i in range(3))
    cartilage = [sweep(*rod) for rod in _cartilages()]
    paint(
        hu,
        frame.splat(np.concatenate([c[0] for c in cartilage]), np.concatenate([c[1] for c in cartilage])),
        habitus.cartilage_hu,
    )
    cortical = frame.splat(points[shell], each[shell])
    marrow = frame.splat(points[~shell], each[~shell])
    # Ribs are smaller than a few voxels: shell and marrow share voxels and must not add up to more than one.
    total = np.minimum(cortical + marrow, 1)
    tone = (cortical * CORTICAL_HU + marrow * CANCELLOUS_HU) / np.maximum(cortical + marrow, 1e-3)
    paint(hu, total, tone * np.float32(habitus.bone_scale))
    return np.maximum(total, _paint_spine(hu, chest, frame, habitus, rng))


def _mirrored(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return centre, centre * np.array([1, 1, -1])


def rib_line(number: int, start: float = 0.0, end: float = 1.0) -> np.ndarray:
    """Centre line (60, 3), as (y, z, x), of the left rib ``number`` (0 to 11) between two shares of its length."""
    t = np.linspace(start, end, 60)
    angle = np.deg2rad(118 + (_RIB_END[number] - 118) * t)
    z = _VERTEBRA_Z[number] - 6 + _RIB_DROP[number] * t**1.25
    # The first rib is nearly flat and lies on top of the lung.
    y, x = cage_wall(np.maximum(z, -122), angle, 5.5)
    neck = np.clip(1 - t / 0.09, 0, 1)[:, None] ** 1.5
    joint = np.array([float(spine_y(np.array(_VERTEBRA_Z[number]))) + 10, _VERTEBRA_Z[number] - 7, 16.0])
    return np.stack([y, z, x], axis=1) * (1 - neck) + joint * neck


def rib_rods() -> list[tuple]:
    """What :func:`sweep` takes for each of the 24 ribs: left and right of the first, of the second, and so on."""
    rods: list[tuple] = []
    for number in range(12):
        line = rib_line(number, 0, 1)
        taper = np.interp(np.linspace(0, 1, 60), (0, 0.15, 0.8, 1), (0.75, 1, 1, 0.85))
        size = 0.8 if number in (0, 10, 11) else 1.0
        rods += [(side, 3.4 * size * taper, 6.2 * size * taper, 1.4) for side in _mirrored(line)]
    return rods


def _sternum_y(z: np.ndarray) -> np.ndarray:
    """y of the middle of the sternum: just ahead of the cage's front beside the midline."""
    y, _ = cage_wall(np.maximum(z, -88), np.full(np.shape(z), np.deg2rad(-118)), 9.0)
    return y


def _sternum() -> list[tuple]:
    z = np.linspace(-92, 52, 50)
    line = np.stack([_sternum_y(z), z, np.zeros_like(z)], axis=1)
    half_width = np.interp(z, (-92, -60, -45, -20, 25, 52), (23, 17, 11, 14, 17, 6))
    # The sweep's height runs along z or, for a rod that is itself vertical, along y: the thickness.
    return [(line, half_width, np.full(50, 5.0), 1.4)]


def _cartilages() -> list[tuple]:
    rods: list[tuple] = []
    attach = np.linspace(-82, 42, 7)
    for number in range(10):
        front = rib_line(number, 0.9, 1)[-1]
        z = float(attach[min(number, 6)]) + (8 * (number - 6) if number > 6 else 0)
        inner = np.array([float(_sternum_y(np.array([z]))[0]) + 2, z, 14 + max(0, number - 6) * 12.0])
        t = np.linspace(0, 1, 12)[:, None]
        sag = np.array([-4.0, 8.0, 0.0]) * np.sin(np.pi * t)
        rods += [
            (side, np.full(12, 4.0), np.full(12, 5.5), 0.0) for side in _mirrored(front + t * (inner - front) + sag)
        ]
    return rods


def _clavicles(are_arms_up: bool) -> list[tuple]:
    t = np.linspace(0, 1, 40)
    y = np.interp(t, (0, 0.35, 0.7, 1), (-50, -52, -32, -14))
    rise = 32 if are_arms_up else 15
    line = np.stack([y, -95 - rise * t**1.2 - 5 * np.sin(np.pi * t), 17 + 110 * t], axis=1)
    thick = np.interp(t, (0, 0.15, 0.5, 1), (8.5, 6.5, 5.5, 6.5))
    return [(side, thick, thick, 2.0) for side in _mirrored(line)]


def _scapulae(are_arms_up: bool) -> list[tuple]:
    """Blade (rows of flat rods across a triangle on the ribs), spine with the acromion, and coracoid.

    With the arms up the shoulder blade turns about its upper corner: its lower one moves out to the flank.
    """
    rods: list[tuple] = []
    t = np.linspace(0, 1, 14)
    swing = 34 if are_arms_up else 0
    for z in np.arange(-100, 26, 3.0):
        down = (z + 100) / 125
        medial, lateral = np.deg2rad(82 - (4 + swing) * down), np.deg2rad(20 + (46 - swing) * down)
        y, x = cage_wall(np.full(14, z), medial + (lateral - medial) * t, 17.0)
        thick = np.interp(t, (0, 0.1, 0.75, 1), (2.2, 1.2, 1.2, 4.5))
        rods += [(side, thick, np.full(14, 1.5), 0.9) for side in _mirrored(np.stack([y, np.full(14, z), x], axis=1))]
    tip = np.array([-6.0, -132.0 if are_arms_up else -121.0, 134.0])
    y, x = cage_wall(np.linspace(-78, -112, 16), np.deg2rad(np.linspace(82, 14, 16)), 24.0)
    ridge = np.stack([y, np.linspace(-78, -112, 16), x], axis=1)
    ridge = np.concatenate([ridge, ridge[-1] + np.linspace(0.2, 1, 5)[:, None] * (tip - ridge[-1])])
    rods += [(side, np.linspace(3, 6, 21), np.linspace(4, 7, 21), 1.5) for side in _mirrored(ridge)]
    y, x = cage_wall(np.full(8, -104.0), np.deg2rad(np.linspace(20, -25, 8)), 20.0)
    hook = np.stack([y, np.linspace(-102, -112, 8), x], axis=1)
    rods += [(side, np.linspace(8, 5, 8), np.linspace(11, 5, 8), 1.5) for side in _mirrored(hook)]
    return rods


def _humeri(are_arms_up: bool) -> list[tuple]:
    """Head and shaft along the middle of the upper arm."""
    start, end = (np.array(p, dtype=float) for p in (ARM_UP if are_arms_up else ARM_DOWN))
    t = np.linspace(-0.06, 1, 60)
    thick = np.interp(t, (-0.06, -0.02, 0.04, 0.12, 0.25, 1), (10, 20, 22, 16, 11.5, 11))
    return [(side, thick, thick, 3.0) for side in _mirrored(start + t[:, None] * (end - start))]


def _paint_spine(hu: Volume, chest: Chest, frame: Frame, habitus: Habitus, rng: np.random.Generator) -> Volume:
    # Corners alone would miss the bulge of a curved spine.
    heights = np.linspace(-190, 200, 7)
    corners = np.array([[p, i, le] for p in (-10, 130) for i in heights for le in (-48, 48)], dtype=np.float32)
    index = frame.voxels(corners)
    box = tuple(
        slice(int(np.clip(a - 3, 0, frame.size - 2)), int(np.clip(b + 4, 2, frame.size)))
        for a, b in zip(index.min(0), index.max(0), strict=True)
    )
    y, z, x = chest.y[box], chest.z[box], chest.x[box]
    mm = frame.voxel_mm
    number = np.interp(z, _VERTEBRA_Z, np.arange(len(_VERTEBRA_Z))).astype(np.float32)
    number += np.where(z < _VERTEBRA_Z[0], (z - _VERTEBRA_Z[0]) / 16, 0)
    along = number - np.round(number)  # -0.5 to 0.5 from the upper to the lower edge of a segment
    pitch = profile(z, (-130, 0, 180), (17.5, 21, 29))
    half_width, half_depth = (
        profile(z, (-200, -130, 0, 180), (12, 14, 15, 22)),
        profile(z, (-200, -130, 0, 180), (8, 9, 14, 16)),
    )
    back = y - spine_y(z)
    waist = 1 - 0.10 * np.cos(along * 2 * np.pi)
    ring = np.sqrt((x / (half_width * waist)) ** 2 + (back / (half_depth * waist)) ** 2)
    column = (ring - 1) * half_depth
    body = np.maximum(column, (np.abs(along) - 0.40) * pitch)
    bone = np.zeros_like(hu)
    local, part = hu[box], bone[box]

    def add(distance: Volume, value: Volume | float, is_bone: bool = True) -> None:
        share = fill(distance, mm)
        paint(local, share, value)
        if is_bone:
            np.maximum(part, share, out=part)

    tone = np.float32(habitus.bone_scale) * np.float32(rng.uniform(0.85, 1.15))
    add(column, DISC_HU, is_bone=False)
    add(body, np.where(body > -1.6, CORTICAL_HU * 0.6, CANCELLOUS_HU * 0.8).astype(np.float32) * tone)
    # The arch: lamina around the canal, pedicles, transverse processes and the sloping spinous process.
    canal_y = back - (half_depth + 9)
    canal = np.sqrt(x * x + canal_y * canal_y)
    arch = np.maximum(np.abs(canal - 11.5) - 2.6, (np.abs(along + 0.05) - 0.3) * pitch)
    long = profile(z, (-200, -120, -60, 180), (6, 8, 15, 14))  # half the length of the spinous process
    slope = (canal_y - 24) * 0.35 / pitch
    spinous = np.maximum(
        np.maximum(np.abs(x) - 3.2, np.abs(canal_y - 11 - long) - long),
        (np.abs(np.mod(along - slope + 0.5, 1) - 0.5) - 0.2) * pitch,
    )
    reach = np.abs(x) - 22
    transverse = np.maximum(
        np.maximum(np.abs(reach) - 12, np.abs(canal_y - 4 - reach * 0.35) - 4), (np.abs(along + 0.1) - 0.2) * pitch
    )
    for shape in (arch, spinous, transverse):
        add(shape, np.where(shape > -1.4, CORTICAL_HU * 0.7, CANCELLOUS_HU).astype(np.float32) * tone)
    add(canal - 9, 25.0, is_bone=False)
    part[fill(canal - 9, mm) > 0.5] = 0
    return bone
