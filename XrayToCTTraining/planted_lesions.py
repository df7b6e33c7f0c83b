"""Chests without known disease, and findings of every kind planted into them one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.simulation.atlas import load_atlas
from XrayToCTTraining.simulation.lesions import KINDS, plant_one, split_lungs
from XrayToCTTraining.simulation.patient import Lesion

ALL_KINDS = tuple(dict.fromkeys(kind for kinds in KINDS.values() for kind in kinds))


@dataclass(frozen=True)
class Chest:
    """A CT to plant into: HU (D, H, W), float32; its lungs, boolean; the voxels' side; whether a scanner made it."""

    name: str
    hu: np.ndarray
    lungs: np.ndarray
    voxel_mm: float
    real: bool


@dataclass(frozen=True)
class Finding:
    """A planted finding: its number among those of its kind, what it is, the HU (D, H, W) with it, its own voxels."""

    number: int
    lesion: Lesion
    hu: np.ndarray
    own: np.ndarray


def chest_of_ct(path: Path, size: int, side_mm: float) -> Chest:
    """A real CT in a cube around the middle of its lungs, its bed removed; beyond the scan its edge is repeated.

    Raises:
        UnsuitableInput: it cannot be read, or shows no chest.
    """
    atlas = load_atlas(path, size, side_mm)
    starts = [round(centre - (size - 1) / 2) for centre in atlas.centre]
    index = [np.clip(np.arange(start, start + size), 0, n - 1) for start, n in zip(starts, atlas.hu.shape, strict=True)]
    grid = np.ix_(*index)
    return Chest(path.name, atlas.hu[grid].astype(np.float32), atlas.lungs[grid], atlas.voxel_mm, True)


def chests_of_cohort(cohort: Cohort, split: str, limit: int, size: int) -> list[Chest]:
    """The first healthy patients of a split whose lungs are known; 0: all of them.

    Raises:
        UnsuitableInput: there is none, or their CTs have another size.
    """
    chests: list[Chest] = []
    for case in cohort.of_split(split):
        if limit and len(chests) == limit:
            break
        if case.has_ct and case.label == "healthy" and (lungs := cohort.structures(case).get("lungs")) is not None:
            chests.append(_simulated(cohort, case, lungs, size))
    if not chests:
        raise UnsuitableInput(f"{cohort.folder} has no healthy {split} patient with a CT and lungs; simulate some.")
    return chests


def _simulated(cohort: Cohort, case: Case, lungs: np.ndarray, size: int) -> Chest:
    hu = cohort.hu(case).astype(np.float32)
    if hu.shape[0] != size:
        raise UnsuitableInput(f"{cohort.folder} has CTs of {hu.shape[0]} voxels a side; simulate patients of {size}.")
    return Chest(case.name, hu, lungs, case.side_mm / size, False)


def findings(chest: Chest, count: int, seed: int = 0) -> Iterator[Finding]:
    """``count`` findings of each kind, each alone in the chest; those that would vanish between the voxels left out."""
    for kind in ALL_KINDS:
        for number in range(count):
            finding = planted(chest, kind, number, seed)
            if finding is not None:
                yield finding


def planted(chest: Chest, kind: str, number: int, seed: int = 0) -> Finding | None:
    """The finding of a kind and number, in the right lung where the number is even, else in the left.

    The same arguments give the same finding. None where it would vanish between the voxels, or there is no lung.
    """
    sites = split_lungs(chest.lungs, chest.voxel_mm)
    if not sites:
        return None
    rng = np.random.default_rng([seed, crc32(f"{chest.name} {kind}".encode()), number])
    hu, numbers = chest.hu.copy(), np.zeros(chest.hu.shape, np.uint8)
    lesion = plant_one(hu, numbers, 1, kind, sites[number % len(sites)], rng, chest.voxel_mm)
    return None if lesion is None else Finding(number, lesion, hu, numbers > 0)
