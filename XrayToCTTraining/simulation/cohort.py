"""Streams of simulated patients in which the class cannot be guessed from where a patient came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from XrayToCTTraining.simulation.atlas import Atlas, warp_atlas
from XrayToCTTraining.simulation.patient import LABELS, Label, Patient
from XrayToCTTraining.simulation.phantom import simulate_chest

Source = Literal["procedural", "atlas"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True)
class Assignment:
    """What the patient of one index is: seed, source, which atlas (counting round the list at hand), and class."""

    index: int
    seed: int
    source: Source
    atlas_turn: int
    label: Label


def assign(index: int, cohort_seed: int, sources: Sequence[Source] = SOURCES) -> Assignment:
    """The patient of an index, without looking at any other.

    Indices come in blocks of ``len(sources) * 3``: within a block every class meets every entry of ``sources`` once, in
    random order, and all atlas patients of a block share one atlas, so class is independent of source and of atlas. An
    entry may occur repeatedly to weight it.
    """
    pairs = [(source, label) for source in sources for label in LABELS]
    block, place = divmod(index, len(pairs))
    order = np.random.default_rng([cohort_seed, 101, block]).permutation(len(pairs))
    source, label = pairs[int(order[place])]
    seed = int(np.random.default_rng([cohort_seed, 102, index]).integers(2**31))
    return Assignment(index, seed, source, block, label)


def make_patient(
    seed: int,
    size: int = 128,
    side_mm: float = 320.0,
    source: Source = "procedural",
    label: Label = "healthy",
    atlas: Atlas | None = None,
) -> Patient:
    """One patient from either source; raises ``ValueError`` where the source is ``atlas`` and none is given."""
    if source == "procedural":
        return simulate_chest(seed, size, side_mm, label)
    if atlas is None:
        raise ValueError("A patient of source 'atlas' needs an atlas.")
    return warp_atlas(atlas, seed, size, side_mm, label)


def cohort(
    cohort_seed: int, indices: Sequence[int], size: int = 128, side_mm: float = 320.0, atlases: Sequence[Atlas] = ()
) -> Iterator[tuple[Assignment, Patient]]:
    """The patients of these indices, one after another; without atlases all are procedural."""
    sources: tuple[Source, ...] = SOURCES if atlases else ("procedural",)
    for index in indices:
        who = assign(index, cohort_seed, sources)
        atlas = atlases[who.atlas_turn % len(atlases)] if atlases else None
        yield who, make_patient(who.seed, size, side_mm, who.source, who.label, atlas)
