"""Faults planted into a good chest CT, to see whether the checks of anatomy find them.

A subject's lungs and body come from its simulation or its atlas, never from the checks that are being judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE

AIR = (-1000 + HU_OFFSET) / HU_RANGE

# Radii of a third lung: 0.2 to 0.36 litres.
_THIRD_MM = (36.0, 44.0)
_RIM_MM = 8.0  # of tissue around a third lung that is apart


@dataclass(frozen=True)
class Subject:
    """A good chest: network values (D, H, W) of cubic voxels, masks of its lungs and its body, the voxel's side."""

    volume: np.ndarray
    lungs: np.ndarray
    body: np.ndarray
    voxel_mm: float


Planter = Callable[[Subject, np.random.Generator], "np.ndarray | None"]


@dataclass(frozen=True)
class Fault:
    """A fault: how to plant it (None where a subject has no room for it), and the checks one of which must fail."""

    plant: Planter
    found_by: tuple[str, ...]


def faults() -> Mapping[str, Fault]:
    """All faults by name, in the order of a table."""
    wall, lungs, cut = ("chest wall closed",), ("two lungs",), ("body not cut off",)
    density = ("air outside", "density of the lungs", "density of soft tissue", "density of the spine")
    planted = {f"hole of {mm} mm in the wall": Fault(_hole(mm), wall) for mm in (15, 25, 40)}
    planted["third lung, apart"] = Fault(_third_lung(touching=False), lungs)
    planted["third lung, touching another"] = Fault(_third_lung(touching=True), lungs)
    planted["mirrored"] = Fault(_flipped(2), ("handedness",))
    planted["upside down"] = Fault(_flipped(1), ("head above",))
    planted["front and back swapped"] = Fault(_flipped(0), ("spine behind",))
    planted["grey scale inverted"] = Fault(lambda subject, rng: 1 - subject.volume, density)
    for hu in (-300, -150, 150, 300):
        planted[f"{hu:+d} HU"] = Fault(_shifted(hu), density)
    planted |= {f"cut off at the {name}": Fault(_cut(axis, at_end), cut) for name, axis, at_end in _FACES}
    planted |= {
        f"lungs cut off at the {name}": Fault(_lungs_cut(at_end), ("lungs not cut off",)) for name, at_end in _ENDS
    }
    return planted


_FACES = (("front", 0, False), ("back", 0, True), ("right", 2, False), ("left", 2, True))
_ENDS = (("top", False), ("bottom", True))


def _hole(diameter_mm: float) -> Planter:
    """A round hole from outside into a lung: from the front, the back or a flank, across the middle of the lungs."""

    def plant(subject: Subject, rng: np.random.Generator) -> np.ndarray | None:
        rows = np.flatnonzero(subject.lungs.any(axis=(0, 2)))
        length = rows[-1] - rows[0]
        allowed = slice(rows[0] + length // 4, rows[0] + 3 * length // 4)
        for axis, from_end in rng.permutation([(0, 0), (0, 1), (2, 0), (2, 1)]).tolist():
            # Always bored along increasing depth from the first plane.
            seen, lungs, body = (
                _turned(a, axis, bool(from_end)) for a in (subject.volume, subject.lungs, subject.body)
            )
            hit = lungs.any(axis=0) & ~body[0]
            room = ndimage.distance_transform_edt(np.pad(hit, 1), sampling=subject.voxel_mm)[1:-1, 1:-1]
            choice = np.zeros_like(hit)
            choice[allowed] = room[allowed] > diameter_mm / 2 + subject.voxel_mm
            places = np.argwhere(choice)
            if len(places):
                row, column = places[rng.integers(len(places))]
                grid = np.indices(hit.shape)
                away = np.hypot(grid[0] - row, grid[1] - column) * subject.voxel_mm
                # Two voxels into the lung, so that no pleura is left.
                before = np.arange(len(lungs))[:, None, None] <= np.argmax(lungs, axis=0) + 2
                seen = np.where(before & (away < diameter_mm / 2), np.float32(AIR), seen)
                return _turned_back(seen, axis, bool(from_end))
        return None

    return plant


def _turned(array: np.ndarray, axis: int, from_end: bool) -> np.ndarray:
    """Seen along an axis: (depth, H, the other axis)."""
    seen = array.swapaxes(0, axis)
    return seen[::-1] if from_end else seen


def _turned_back(seen: np.ndarray, axis: int, from_end: bool) -> np.ndarray:
    return np.ascontiguousarray((seen[::-1] if from_end else seen).swapaxes(0, axis))


def _third_lung(touching: bool) -> Planter:
    """A ball of lung in the soft tissue below or between the lungs."""

    def plant(subject: Subject, rng: np.random.Generator) -> np.ndarray | None:
        radius = float(rng.uniform(*_THIRD_MM))
        to_lung = ndimage.distance_transform_edt(~subject.lungs, sampling=subject.voxel_mm)
        # Above and below the volume the body goes on, beside it there is air.
        body = np.pad(np.pad(subject.body, ((1, 1), (0, 0), (1, 1))), ((0, 0), (1, 1), (0, 0)), mode="edge")
        to_skin = ndimage.distance_transform_edt(body, sampling=subject.voxel_mm)[1:-1, 1:-1, 1:-1]
        good = to_skin > radius + _RIM_MM
        low = radius + _RIM_MM
        # A ball whose centre is 0.85 to 0.95 radii off opens into the lung by a window of 0.3 to 0.5 radii.
        good &= (to_lung > 0.85 * radius) & (to_lung < 0.95 * radius) if touching else to_lung > low
        reach = int(0.5 * radius / subject.voxel_mm)
        good[:, :reach], good[:, good.shape[1] - reach :] = False, False
        places = np.argwhere(good)
        if not len(places):
            return None
        centre = places[rng.integers(len(places))]
        grid = np.ogrid[tuple(slice(n) for n in good.shape)]
        squares = sum(((g - c) * subject.voxel_mm) ** 2 for g, c in zip(grid, centre, strict=True))
        ball = np.asarray(squares) < radius**2
        volume = subject.volume.copy()
        lung = volume[ndimage.binary_erosion(subject.lungs, iterations=2)]
        volume[ball] = np.clip(np.median(lung) + rng.normal(0, 0.01, int(ball.sum())), 0, 1)
        return volume

    return plant


def _flipped(axis: int) -> Planter:
    return lambda subject, rng: np.flip(subject.volume, axis)


def _shifted(hu: float) -> Planter:
    return lambda subject, rng: np.clip(subject.volume + hu / HU_RANGE, 0, 1)


def _cut(axis: int, at_end: bool) -> Planter:
    """The body moved out of the volume until 50 to 80 mm of it, at the height of the lower lungs, are gone."""

    def plant(subject: Subject, rng: np.random.Generator) -> np.ndarray | None:
        volume, body, lungs = (_turned(a, axis, at_end) for a in (subject.volume, subject.body, subject.lungs))
        rows = np.flatnonzero(lungs.any(axis=(0, 2)))
        first = np.flatnonzero(body[:, (rows[0] + rows[-1]) // 2 : rows[-1] + 1].any(axis=(1, 2)))[0]
        cut = first + round(rng.uniform(50, 80) / subject.voxel_mm)
        moved = np.full_like(volume, AIR)
        moved[: len(volume) - cut] = volume[cut:]
        return _turned_back(moved, axis, at_end)

    return plant


def _lungs_cut(at_end: bool) -> Planter:
    """The body moved up or down until a quarter to a half of the lungs is gone; the last slice is repeated."""

    def plant(subject: Subject, rng: np.random.Generator) -> np.ndarray | None:
        volume, lungs = (np.flip(a, 1) if at_end else a for a in (subject.volume, subject.lungs))
        rows = np.flatnonzero(lungs.any(axis=(0, 2)))
        cut = rows[0] + int(rng.uniform(0.25, 0.5) * (rows[-1] - rows[0]))
        moved = np.concatenate([volume[:, cut:], np.repeat(volume[:, -1:], cut, axis=1)], axis=1)
        return np.ascontiguousarray(np.flip(moved, 1) if at_end else moved)

    return plant
