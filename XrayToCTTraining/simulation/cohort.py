"""Streams of simulated patients in which the class cannot be guessed from where a patient came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from XrayToCTTraining.simulation.atlas import Atlas, warp_atlas
from XrayToCTTraining.simulation.patient import LABELS, Label, Patient
from XrayToCTTraining.simulation.phantom import simulate_chest

Source = Literal["procedural", "atlas"]
SOURCES: tuple[Source, ...] = get_args(Source)


@dataclass(frozen=True)
class Spectrum:
    """Who comes to a hospital.

    Attributes:
        labels: classes in their proportion: one that occurs twice is twice as frequent.
        burden: range of the diseased share of the lungs that is preferred in patients who are not healthy.
        rare: kinds of lesions that seldom come here.
    """

    labels: tuple[Label, ...] = LABELS
    burden: tuple[float, float] = (0.0, 1.0)
    rare: tuple[str, ...] = ()


# real-a: people who walk into a clinic, mostly healthy or with early disease. real-b: a ward of the very sick.
SPECTRA: Mapping[str, Spectrum] = MappingProxyType(
    {
        "drr": Spectrum(),
        "real-a": Spectrum(
            ("healthy", "healthy", "healthy", "sick", "sick", "tb"), (0.0, 0.06), ("oedema", "effusion")
        ),
        "real-b": Spectrum(("healthy", "sick", "sick", "tb", "tb"), (0.08, 1.0), ("nodule", "apical_cap")),
    }
)
_CANDIDATES = 4  # patients among whom a hospital's patient is chosen


@dataclass(frozen=True)
class Assignment:
    """What the patient of one index is: seeds, source, which atlas (counting round the list at hand), and class.

    ``seeds``: of the patient and of the candidates who come in its place where a spectrum does not want it.
    """

    index: int
    seeds: tuple[int, ...]
    source: Source
    atlas_turn: int
    label: Label

    @property
    def seed(self) -> int:
        """The patient's, where every patient is welcome."""
        return self.seeds[0]


def assign(
    index: int, cohort_seed: int, sources: Sequence[Source] = SOURCES, labels: Sequence[Label] = LABELS
) -> Assignment:
    """The patient of an index, without looking at any other.

    Indices come in blocks of ``len(sources) * len(labels)``: within a block every entry of ``labels`` meets every entry
    of ``sources`` once, in random order, and all atlas patients of a block share one atlas, so class is independent of
    source and of atlas. An entry may occur repeatedly to weight it.
    """
    pairs = [(source, label) for source in sources for label in labels]
    block, place = divmod(index, len(pairs))
    order = np.random.default_rng([cohort_seed, 101, block]).permutation(len(pairs))
    source, label = pairs[int(order[place])]
    seeds = np.random.default_rng([cohort_seed, 102, index]).integers(2**31, size=_CANDIDATES)
    return Assignment(index, tuple(map(int, seeds)), source, block, label)


def sources_with(atlases: Sequence[object], atlas_weight: int = 1) -> tuple[Source, ...]:
    """Sources as :func:`assign` takes them: ``atlas_weight`` atlas patients for each procedural one, if any atlas."""
    return SOURCES[:1] + (SOURCES[1:] * atlas_weight if atlases else ())


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
    cohort_seed: int,
    indices: Sequence[int],
    size: int = 128,
    side_mm: float = 320.0,
    atlases: Sequence[Atlas] = (),
    spectrum: Spectrum = SPECTRA["drr"],
    atlas_weight: int = 1,
) -> Iterator[tuple[Assignment, Patient]]:
    """The patients of these indices, one after another, from :func:`sources_with`."""
    sources = sources_with(atlases, atlas_weight)
    for index in indices:
        who = assign(index, cohort_seed, sources, spectrum.labels)
        atlas = atlases[who.atlas_turn % len(atlases)] if atlases else None
        candidates = (make_patient(seed, size, side_mm, who.source, who.label, atlas) for seed in who.seeds)
        yield who, choose(candidates, spectrum)


def choose(candidates: Iterable[Patient], spectrum: Spectrum) -> Patient:
    """The first candidate whom a spectrum wants without reserve, else the one it minds least.

    Raises:
        ValueError: there are no candidates.
    """
    best: tuple[tuple[int, float], Patient] | None = None
    for patient in candidates:
        reserve = _reserve(patient, spectrum)
        if best is None or reserve < best[0]:
            best = reserve, patient
        if best[0] == (0, 0.0):
            break
    if best is None:
        raise ValueError("There are no candidates to choose from.")
    return best[1]


def burden(patient: Patient) -> float:
    """Diseased share of the lungs, 0 to 1."""
    return float((patient.lesion & patient.masks["lungs"]).sum() / max(1, int(patient.masks["lungs"].sum())))


def _reserve(patient: Patient, spectrum: Spectrum) -> tuple[int, float]:
    """Number of rare kinds, and how far the burden lies outside the preferred range; (0, 0) where all is well."""
    if patient.label == "healthy":
        return 0, 0.0
    low, high = spectrum.burden
    diseased = burden(patient)
    return len({lesion.kind for lesion in patient.lesions} & set(spectrum.rare)), max(
        low - diseased, diseased - high, 0.0
    )
