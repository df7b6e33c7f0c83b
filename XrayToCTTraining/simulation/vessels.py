"""Tubes of the chest: great vessels, airways, and the branching vessels of the lungs."""

from __future__ import annotations

import numpy as np

from XrayToCTTraining.simulation.habitus import Habitus
from XrayToCTTraining.simulation.skeleton import sweep
from XrayToCTTraining.simulation.space import Frame, Volume, deposit

# Centre lines in canonical (y, z, x) and radii in mm.
TRACHEA = (((2, -200, 0), (6, -160, 0), (12, -110, -1), (22, -52, -2)), (8.5, 8.5, 8.5, 8.5))
RIGHT_BRONCHUS = (((22, -53, -3), (24, -36, -24), (22, -26, -44)), (7.5, 7, 5.5))
LEFT_BRONCHUS = (((22, -53, 0), (26, -38, 22), (26, -28, 48)), (7, 6, 5))
OESOPHAGUS = (((34, -200, 0), (38, -60, 3), (40, 20, 4), (18, 70, 14)), (8, 8, 8, 9))
AORTA = (
    (
        (-22, 0, 0),
        (-30, -36, -14),
        (-24, -68, -12),
        (-4, -86, 4),
        (18, -86, 19),
        (36, -72, 25),
        (42, -40, 25),
        (42, 30, 20),
        (36, 110, 8),
        (28, 200, 2),
    ),
    (1.1, 1.15, 1.1, 1.0, 0.97, 0.95, 0.9, 0.85, 0.8, 0.7),
)
# Where those points go, in mm, once age has unfolded the aorta: a higher and wider arch, a bowed descending part.
UNFOLDED = (
    (0, 0, -3),
    (0, 0, -10),
    (0, -6, -8),
    (-2, -11, 2),
    (3, -11, 6),
    (5, -8, 8),
    (5, 0, 9),
    (5, 0, 10),
    (0, 0, 6),
    (0, 0, 0),
)
VENA_CAVA = (((-14, -112, -22), (-20, -70, -26), (-14, -8, -28)), (8, 10, 11))
PULMONARY_TRUNK = (((-46, -2, 14), (-30, -30, 24), (-8, -40, 26)), (14, 14, 13))
PULMONARY_ARTERIES = (
    (((-8, -38, 24), (0, -36, -8), (4, -29, -36)), (11, 11, 8)),
    (((-8, -40, 24), (8, -46, 38), (14, -38, 46)), (11, 10, 8)),
)
NECK_VESSELS = (
    (((-10, -84, -10), (-8, -112, -20), (0, -200, -26)), (6, 5, 4)),
    (((0, -86, 6), (2, -120, 16), (2, -200, 26)), (5, 4, 4)),
    (((14, -86, 18), (14, -116, 26), (4, -132, 50)), (5, 5, 4)),
)
HILA = ((2.0, -26.0, -46.0), (12.0, -34.0, 50.0))
VEIN_GATES = ((12.0, -4.0, -38.0), (16.0, -2.0, 40.0))


def tube(
    line: tuple | np.ndarray, radii: tuple, scale: float = 1.0, extra_mm: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, 3) and volumes (N,) of a smooth round tube through the given centres."""
    knots = np.array(line, dtype=float)
    at, fine = np.arange(len(knots)), np.linspace(0, len(knots) - 1, 12 * len(knots))
    centre = np.stack([_smooth(np.interp(fine, at, knots[:, i])) for i in range(3)], axis=1)
    radius = np.interp(fine, at, np.array(radii, dtype=float)) * scale + extra_mm
    points, each, _ = sweep(centre, radius, radius, 0.0)
    return points, each


def render(frame: Frame, tubes: list[tuple[np.ndarray, np.ndarray]]) -> Volume:
    """Fraction of each voxel filled by the tubes."""
    return frame.splat(np.concatenate([t[0] for t in tubes]), np.concatenate([t[1] for t in tubes]))


def great_vessels(frame: Frame, habitus: Habitus) -> Volume:
    """Aorta, caval vein, pulmonary trunk and arteries, neck vessels."""
    line, radii = AORTA
    tubes = [tube(np.array(line) + habitus.unfolding * np.array(UNFOLDED), radii, scale=habitus.aorta_mm)]
    tubes += [tube(*t) for t in (VENA_CAVA, PULMONARY_TRUNK, *PULMONARY_ARTERIES, *NECK_VESSELS)]
    return render(frame, tubes)


def airways(frame: Frame) -> tuple[Volume, Volume]:
    """Lumen and lumen with wall of the trachea and the main bronchi."""
    tubes = (TRACHEA, RIGHT_BRONCHUS, LEFT_BRONCHUS)
    return render(frame, [tube(*t) for t in tubes]), render(
        frame, [tube(line, radii, extra_mm=2.0) for line, radii in tubes]
    )


def lung_tree(
    root: np.ndarray, lung: np.ndarray, voxel_mm: float, rng: np.random.Generator, tips: int, tip_mm: float
) -> Volume:
    """Fraction of each voxel filled by a vessel tree that fills one lung.

    ``root`` (3,) and the tree are in voxel indices; ``lung`` is boolean (D, H, W). Random points of the lung are
    joined, nearest to the root first, to the node that keeps both the new branch and the way back to the root short.
    Radii follow Murray's law (r^2.7 of a parent is the sum of its children's) from ``tip_mm`` at the tips.
    """
    candidates = np.argwhere(lung)
    if len(candidates) < 10:
        return np.zeros(lung.shape, dtype=np.float32)
    nodes = candidates[rng.integers(len(candidates), size=tips)] + rng.random((tips, 3)) - 0.5
    nodes = np.concatenate([root[None], nodes[np.argsort(((nodes - root) ** 2).sum(1))]]).astype(np.float32)
    parent = np.zeros(len(nodes), dtype=int)
    travelled = np.zeros(len(nodes), dtype=np.float32)
    for i in range(1, len(nodes)):
        step = np.sqrt(((nodes[:i] - nodes[i]) ** 2).sum(1))
        parent[i] = int(np.argmin(step + 0.45 * travelled[:i]))
        travelled[i] = travelled[parent[i]] + step[parent[i]]
    load = np.ones(len(nodes))
    for i in range(len(nodes) - 1, 0, -1):
        load[parent[i]] += load[i]
    radius = np.minimum(tip_mm * load ** (1 / 2.7), 8.0)
    return _render_branches(nodes[1:], nodes[parent[1:]], radius[1:], lung.shape, voxel_mm, rng)


def _render_branches(
    tip: np.ndarray,
    base: np.ndarray,
    radius_mm: np.ndarray,
    shape: tuple[int, ...],
    voxel_mm: float,
    rng: np.random.Generator,
) -> Volume:
    length = np.linalg.norm(tip - base, axis=1)
    steps = np.maximum(1, np.ceil(length * 1.6).astype(int))
    rays = np.maximum(1, np.ceil((radius_mm / voxel_mm) ** 2 * 12).astype(int))
    branch = np.repeat(np.arange(len(tip)), steps * rays)
    along = rng.random(len(branch)).astype(np.float32)
    direction = (tip - base) / np.maximum(length, 1e-6)[:, None]
    spread = rng.standard_normal((len(branch), 3)).astype(np.float32)
    spread -= (spread * direction[branch]).sum(1, keepdims=True) * direction[branch]
    spread *= (np.sqrt(rng.random(len(branch))) * radius_mm[branch] / voxel_mm / np.linalg.norm(spread, axis=1))[
        :, None
    ]
    # Branches sag a little, so that they are not drawn with a ruler.
    bow = rng.normal(0, 0.10, (len(tip), 3)) * length[:, None]
    points = (
        base[branch] + (tip - base)[branch] * along[:, None] + spread + bow[branch] * np.sin(np.pi * along)[:, None]
    )
    each = np.pi * (radius_mm / voxel_mm) ** 2 * length / (steps * rays)
    return np.minimum(deposit(points, each[branch].astype(np.float32), (shape[0], shape[1], shape[2])), 1)


def _smooth(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, 4, mode="reflect", reflect_type="odd")
    return np.convolve(padded, np.ones(9) / 9, mode="valid")
