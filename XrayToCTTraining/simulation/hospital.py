"""A hospital: which patients a cohort has, and what is known of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.data.cohort import STRUCTURES, Case
from XrayToCTTraining.data.rendering import rendered
from XrayToCTTraining.simulation.acquisition import acquire
from XrayToCTTraining.simulation.atlas import Atlas, load_atlas
from XrayToCTTraining.simulation.cohort import SPECTRA, assign, cohort, sources_with
from XrayToCTTraining.simulation.devices import DOMAINS, device
from XrayToCTTraining.simulation.patient import Patient


@dataclass(frozen=True)
class CohortRequest:
    """A cohort in full: the same request always gives the same patients.

    Attributes:
        patients: how many; the last tenth is the validation split and the tenth before it the test split.
        domain: ``drr``, ``real-a`` or ``real-b``: who comes (:data:`cohort.SPECTRA`) and on what device
            (:func:`devices.device`).
        atlases: CT files whose anatomy is warped; without any, all patients are procedural.
        atlas_weight: with atlases, how many patients come from them for each procedural one.
        streamed: nothing is stored; each patient is simulated when it is asked for.
    """

    patients: int
    seed: int = 0
    size: int = 128
    side_mm: float = 320.0
    domain: str = "drr"
    atlases: tuple[str, ...] = ()
    streamed: bool = False
    atlas_weight: int = 1

    @property
    def geometry(self) -> Geometry:
        """X2CT's, with a detector that sees the same share of a volume of any size."""
        return Geometry(
            detector_mm=(500 * self.side_mm / 320,) * 2,
            detector_pixels=(self.size, self.size),
            volume_mm=(self.side_mm,) * 3,
        )


def split_of(index: int, patients: int) -> str:
    """The last tenth validates, the tenth before it tests, the rest trains."""
    tenths = 10 * (patients - 1 - index) // patients
    return {0: "validation", 1: "test"}.get(tenths, "training")


def case_of(request: CohortRequest, index: int, patient: Patient | None = None) -> Case:
    """The manifest's row of a patient; without the patient at hand, findings are unknown."""
    sources = sources_with(request.atlases, request.atlas_weight)
    who = assign(index, request.seed, sources, SPECTRA[request.domain].labels)
    name = f"{index:05d}"
    return Case(
        name,
        who.source,
        name,
        split_of(index, request.patients),
        who.label,
        "unknown" if patient is None else "+".join(sorted({lesion.kind for lesion in patient.lesions})),
        request.domain,
        side_mm=request.side_mm,
        geometry=json.dumps(request.geometry.to_dict()),
    )


@lru_cache(maxsize=2)
def patient_of(request: CohortRequest, index: int) -> Patient:
    """The patient of an index; the last two are kept, since CT, radiograph and structures are asked for in turn.

    Raises:
        UnsuitableInput: an atlas cannot be read.
    """
    atlases = _atlases(request.atlases, request.size, request.side_mm)
    who = SPECTRA[request.domain], request.atlas_weight
    ((_, patient),) = cohort(request.seed, [index], request.size, request.side_mm, atlases, *who)
    return patient


def radiograph_of(request: CohortRequest, index: int) -> np.ndarray:
    """Grey values in [0, 1], (rows, columns)."""
    hu = patient_of(request, index).hu
    if request.domain == "drr":
        return rendered(hu, request.geometry)
    rng = np.random.default_rng((request.seed, DOMAINS.index(request.domain), index))
    style, placement = device(request.domain, rng)
    volume = torch.from_numpy(np.asarray(hu, np.float32))[None, None]
    return normalise(acquire(volume, request.geometry, style, rng, placement)[0, 0].numpy())


def structures_of(patient: Patient) -> dict[str, np.ndarray]:
    """The masks that a cohort stores, each boolean (D, H, W)."""
    masks = {**patient.masks, "lesion": patient.lesion}
    return {name: masks[name] for name in STRUCTURES}


@cache
def _atlases(paths: tuple[str, ...], size: int, side_mm: float) -> tuple[Atlas, ...]:
    return tuple(load_atlas(Path(path), size, side_mm) for path in paths)
