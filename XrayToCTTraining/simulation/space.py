"""Patient space, its coordinates on a voxel grid, and the two ways in which shapes become voxels.

Canonical space is a standing adult in millimetres, origin at the centre of the chest, axes (posterior, inferior, left)
positive, so that it shares the order and the sense of the (D, H, W) grid. Solid organs are level sets evaluated on the
grid; thin curved structures (ribs, vessels) are clouds of points that each carry a volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

Volume = np.ndarray
"""float32 (D, H, W)."""


@dataclass(frozen=True)
class Frame:
    """How canonical space sits in the voxel grid.

    ``matrix`` (3, 3) maps canonical to world millimetres, ``shift_mm`` (3,) is added after it, and ``bend``
    (3, k, k, k) is a smooth displacement in millimetres over the whole field, subtracted from canonical positions.
    """

    size: int
    side_mm: float
    matrix: np.ndarray
    shift_mm: np.ndarray
    bend: np.ndarray

    @property
    def voxel_mm(self) -> float:
        return self.side_mm / self.size

    def grid(self) -> tuple[Volume, Volume, Volume]:
        """Canonical (posterior, inferior, left) position of every voxel centre, three float32 (D, H, W) arrays."""
        axis = ((np.arange(self.size) + 0.5) * self.voxel_mm - self.side_mm / 2).astype(np.float32)
        inverse = np.linalg.inv(self.matrix).astype(np.float32)
        offset = inverse @ self.shift_mm.astype(np.float32)
        d, h, w = axis[:, None, None], axis[None, :, None], axis[None, None, :]
        result = []
        for row, origin, bend in zip(inverse, offset, self.bend, strict=True):
            result.append((row[0] * d - origin) + row[1] * h + row[2] * w + upsample(bend, (self.size,) * 3))
        return result[0], result[1], result[2]

    def voxels(self, points: np.ndarray) -> np.ndarray:
        """Fractional voxel indices (N, 3) of canonical points (N, 3) in millimetres."""
        fields = [upsample(b, (33,) * 3) for b in self.bend]
        index = self._indices(points)
        # The bend is known where a point ends up: two rounds find that to a fraction of a millimetre.
        for _ in range(2):
            coarse = index.T / (self.size - 1) * 32
            bend = [ndimage.map_coordinates(field, coarse, order=1, mode="nearest") for field in fields]
            index = self._indices(points - np.stack(bend, axis=1))
        return index

    def _indices(self, points: np.ndarray) -> np.ndarray:
        world = points @ self.matrix.T.astype(np.float32) + self.shift_mm.astype(np.float32)
        return (world + np.float32(self.side_mm / 2)) / np.float32(self.voxel_mm) - np.float32(0.5)

    def splat(self, points: np.ndarray, volume_mm3: np.ndarray | float) -> Volume:
        """Fraction of each voxel, 0 to 1, filled by canonical points (N, 3) that carry ``volume_mm3`` each."""
        index = self.voxels(points.astype(np.float32))
        carried = np.asarray(volume_mm3, dtype=np.float32) * np.float32(
            abs(np.linalg.det(self.matrix)) / self.voxel_mm**3
        )
        return np.minimum(deposit(index, np.broadcast_to(carried, len(index)), (self.size,) * 3), 1.0)


def deposit(index: np.ndarray, amount: np.ndarray, shape: tuple[int, int, int]) -> Volume:
    """Share ``amount`` (N,) at fractional ``index`` (N, 3) among the eight voxels around it, those inside."""
    base = np.floor(index).astype(np.int32)
    part = (index - base).astype(np.float32)
    padded = tuple(n + 2 for n in shape)
    inside = np.all((base >= -1) & (base < np.array(shape)), axis=1)
    base, part, amount = base[inside] + 1, part[inside], amount[inside]
    flat = (base[:, 0] * padded[1] + base[:, 1]) * padded[2] + base[:, 2]
    total = np.zeros(int(np.prod(padded)))
    for d in (0, 1):
        wd = amount * (part[:, 0] if d else 1 - part[:, 0])
        for h in (0, 1):
            wh = wd * (part[:, 1] if h else 1 - part[:, 1])
            for w in (0, 1):
                share = wh * (part[:, 2] if w else 1 - part[:, 2])
                total += np.bincount(flat + (d * padded[1] + h) * padded[2] + w, share, minlength=total.size)
    return total.reshape(padded)[1:-1, 1:-1, 1:-1].astype(np.float32)


@lru_cache(maxsize=64)
def _spline_weights(nodes: int, n: int) -> np.ndarray:
    """(n, nodes) weights of a uniform cubic B-spline from ``nodes`` control values to ``n`` samples; ends repeated."""
    position = np.linspace(0, nodes - 1, n)
    low = np.minimum(position.astype(int), max(nodes - 2, 0))
    t = position - low
    basis = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    weights = np.zeros((n, nodes), dtype=np.float32)
    for step, weight in enumerate(basis):
        np.add.at(weights, (np.arange(n), np.clip(low + step - 1, 0, nodes - 1)), weight / 6)
    return weights


def upsample(coarse: np.ndarray, shape: tuple[int, ...]) -> Volume:
    """Enlarge a small 3-D array to ``shape`` by a cubic B-spline (it smooths, it does not interpolate), float32."""
    result = coarse.astype(np.float32)
    for n in shape:
        # Contracting the first axis and appending the new one cycles through the three axes.
        result = np.tensordot(result, _spline_weights(result.shape[0], n), axes=(0, 1))
    return np.ascontiguousarray(result)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], nodes: int | tuple[int, ...]) -> Volume:
    """Random field over ``shape`` that varies over about ``shape / nodes`` voxels; roughly unit variance."""
    counts = (nodes,) * 3 if isinstance(nodes, int) else nodes
    counts = tuple(max(2, c) for c in counts)
    return upsample(rng.standard_normal(counts, dtype=np.float32) * np.float32(2.5), shape)


def fill(distance_mm: Volume, voxel_mm: float) -> Volume:
    """Fraction of each voxel inside a shape (0 to 1) from its signed distance, negative inside."""
    return np.clip(np.float32(0.5) - distance_mm * np.float32(1 / voxel_mm), 0, 1)


def smooth_min(a: Volume, b: Volume, radius_mm: float) -> Volume:
    """Union of two signed distances whose junction is rounded over ``radius_mm`` (polynomial smooth minimum)."""
    overlap = np.maximum(np.float32(radius_mm) - np.abs(a - b), 0)
    return np.minimum(a, b) - overlap * overlap * np.float32(0.25 / radius_mm)


def paint(hu: Volume, part: Volume, value: Volume | float) -> None:
    """Mix ``value`` into ``hu`` in place, in proportion ``part`` (0 to 1)."""
    hu += part * (value - hu)
