"""Writing a simulated cohort to disk, in parallel and resumably."""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import torch
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import STRUCTURES, Case, write_case, write_manifest
from XrayToCTTraining.simulation.atlas import Atlas, load_atlas
from XrayToCTTraining.simulation.cohort import cohort


@dataclass(frozen=True)
class CohortRequest:
    """A cohort in full: the same request always gives the same patients.

    Attributes:
        patients: how many; the last tenth is the validation split and the tenth before it the test split.
        atlases: CT files whose anatomy is warped for half of the patients; without any, all are procedural.
    """

    patients: int
    seed: int = 0
    size: int = 128
    side_mm: float = 320.0
    atlases: tuple[str, ...] = ()


def write_cohort(folder: Path, request: CohortRequest, workers: int = 1) -> None:
    """Simulates what is not yet there, then writes the manifest.

    Raises:
        UnsuitableInput: ``folder`` holds a cohort of another request, or an atlas cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "cohort.json"
    wanted = json.loads(json.dumps(asdict(request)))
    if record.is_file() and json.loads(record.read_text()) != wanted:
        raise UnsuitableInput(f"{folder} holds a cohort made with other settings; choose another folder.")
    record.write_text(json.dumps(wanted, indent=2))
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        jobs = pool.map(_make, *zip(*((folder, request, i) for i in range(request.patients)), strict=True))
        cases = list(tqdm(jobs, total=request.patients, unit="patient", mininterval=2))
    write_manifest(folder, cases)


def split_of(index: int, patients: int) -> str:
    """The last tenth validates, the tenth before it tests, the rest trains."""
    tenths = 10 * (patients - 1 - index) // patients
    return {0: "validation", 1: "test"}.get(tenths, "training")


@cache
def _atlases(paths: tuple[str, ...], size: int, side_mm: float) -> tuple[Atlas, ...]:
    return tuple(load_atlas(Path(path), size, side_mm) for path in paths)


def _make(folder: Path, request: CohortRequest, index: int) -> Case:
    """Simulates one patient, or reads what is already known of it."""
    done = folder / f"{index:05d}.json"
    if done.is_file():
        return Case(**json.loads(done.read_text()))
    who, patient = _only(
        cohort(
            request.seed,
            [index],
            request.size,
            request.side_mm,
            _atlases(request.atlases, request.size, request.side_mm),
        )
    )
    findings = "+".join(sorted({lesion.kind for lesion in patient.lesions}))
    case = Case(f"{index:05d}", who.source, who.label, split_of(index, request.patients), findings, request.side_mm)
    structures = {**patient.masks, "lesion": patient.lesion}
    write_case(folder, case, patient.hu, {name: structures[name] for name in STRUCTURES})
    write_bytes_atomically(done, json.dumps(asdict(case)).encode())
    return case


def _only(patients: Iterator) -> tuple:
    (patient,) = patients
    return patient
