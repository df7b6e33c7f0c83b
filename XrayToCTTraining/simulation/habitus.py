"""What differs between patients: build, age, posture and breathing, and how they stand before the device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from XrayToCTTraining.simulation.space import Frame


@dataclass(frozen=True)
class Habitus:
    """One adult. Lengths in mm of canonical space, densities in HU.

    Attributes:
        age: years; the fields below are drawn with it in mind, nothing else reads it.
        right_dome: height z of the right diaphragm, larger in deeper inspiration.
        left_drop: by how much the left dome is lower; negative where a raised diaphragm makes it the higher.
        heart_scale: 1 is usual; from about 1.25 the cardiothoracic ratio exceeds one half.
        heart_turn: of the heart's axis in the frontal plane, radians.
        aorta_mm: radius of the ascending aorta. unfolding: 0 young, 1 an aorta that bulges out on both sides.
        scoliosis_mm: lateral deviation of the spine at ``scoliosis_z``, positive to the patient's left.
        kyphosis_mm: by how much the middle of the spine stands back from its ends, beyond the usual.
        are_arms_up: as for a CT; else held away from the trunk, as before a detector.
        bone_scale: density of bone, 1 is usual, 0.6 is osteopenic. cartilage_hu: of the ribs' cartilages; they calcify.
        noise_hu: standard deviation of the scanner's noise.
    """

    age: float
    female: bool
    fat_mm: float
    breast_mm: float
    right_dome: float
    left_drop: float
    heart_scale: float
    heart_turn: float
    aorta_mm: float
    unfolding: float
    scoliosis_mm: float
    scoliosis_z: float
    kyphosis_mm: float
    are_arms_up: bool
    lung_hu: float
    bone_scale: float
    cartilage_hu: float
    blood_hu: float
    noise_hu: float


def random_habitus(rng: np.random.Generator) -> Habitus:
    """A random adult of a clinic.

    One in seven has a large heart, one in ten a scoliosis that is seen at once, one in twelve a raised diaphragm; half
    hold their arms up.
    """
    age, female = float(rng.uniform(18, 90)), bool(rng.random() < 0.5)
    ageing = float(np.clip((age - 45) / 45, 0, 1)) * rng.uniform(0.4, 1.2)
    inspiration = float(rng.beta(5, 2.2))
    right_dome, left_drop = 16 + 50 * inspiration, float(rng.uniform(6, 18))
    if rng.random() < 1 / 12:
        lift = float(rng.uniform(20, 42))
        on_right = rng.random() < 0.6
        right_dome, left_drop = (right_dome - lift, left_drop + lift) if on_right else (right_dome, left_drop - lift)
    large_heart, bent = rng.random() < 1 / 7, rng.random() < 0.1
    return Habitus(
        age=age,
        female=female,
        fat_mm=float(np.clip(rng.lognormal(2.3, 0.6), 2.5, 45)),
        breast_mm=float(rng.uniform(8, 32)),
        right_dome=right_dome,
        left_drop=left_drop,
        heart_scale=float(rng.uniform(1.28, 1.5) if large_heart else np.clip(rng.normal(1.0, 0.08), 0.82, 1.2)),
        heart_turn=float(rng.normal(0, 0.15)),
        aorta_mm=float(rng.uniform(11, 14.5) + 3 * ageing),
        unfolding=min(ageing, 1.0),
        scoliosis_mm=float(rng.choice((-1, 1)) * rng.uniform(12, 30) if bent else rng.normal(0, 2.5)),
        scoliosis_z=float(rng.uniform(-50, 60)),
        kyphosis_mm=float(abs(rng.normal(0, 3)) + 14 * ageing),
        are_arms_up=bool(rng.random() < 0.5),
        lung_hu=float(-912 + 70 * (1 - inspiration) + rng.uniform(-10, 50)),
        bone_scale=float(rng.uniform(0.85, 1.2) * (1 - (0.42 if female else 0.3) * ageing)),
        cartilage_hu=float(95 + 260 * ageing * rng.random()),
        blood_hu=float(rng.uniform(38, 52)),
        noise_hu=float(rng.uniform(8, 28)),
    )


def random_frame(rng: np.random.Generator, size: int, side_mm: float, habitus: Habitus) -> Frame:
    """A random body size, a few degrees of rotation and tilt, some millimetres of bending, and the spine's curves."""
    scale = np.array([rng.uniform(0.84, 1.1), rng.uniform(0.84, 1.06), rng.uniform(0.84, 1.06)])
    scale *= 0.97 if habitus.female else 1.02
    turns = rng.normal(0, [0.03, 0.06, 0.04])  # about the y (roll), z (yaw) and x (pitch) axes, radians
    matrix = np.diag(scale)
    for angle, (a, b) in zip(turns, ((1, 2), (0, 2), (0, 1)), strict=True):
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    shift = rng.normal([-6, -4, 0], [8, 5, 4])  # in depth as in scans, whose table is set by eye
    bend = rng.normal(0, 5.0, (3, 5, 5, 5)) + _spinal_curves(habitus, side_mm)
    return Frame(size, side_mm, matrix, shift, bend.astype(np.float32))


def _spinal_curves(habitus: Habitus, side_mm: float) -> np.ndarray:
    """Control values (3, 5, 5, 5) in mm of a ``Frame.bend`` that gives the trunk its scoliosis and kyphosis."""
    z = np.linspace(-side_mm / 2, side_mm / 2, 5)[None, :, None]
    # The spline smooths the curve's crest away by about a fifth.
    sideways = -1.25 * habitus.scoliosis_mm * np.cos(np.pi * (z - habitus.scoliosis_z) / 230)
    backwards = -1.25 * habitus.kyphosis_mm * np.cos(np.pi * (z + 10) / 260)
    # The spine moves; the breastbone and the flanks follow only in part.
    behind = np.array([0.35, 0.45, 0.7, 1.0, 1.0])[:, None, None]
    across = np.array([0.5, 0.85, 1.0, 0.85, 0.5])[None, None, :]
    curves = np.zeros((3, 5, 5, 5))
    curves[0], curves[2] = backwards * behind * across, sideways * behind * across
    return curves
