"""Writing a simulated cohort to disk, in parallel and resumably."""

import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.data.cohort import STRUCTURES, Case, write_ct, write_manifest, write_radiograph
from XrayToCTTraining.data.rendering import rendered
from XrayToCTTraining.simulation.acquisition import DOMAINS, acquire, device_style
from XrayToCTTraining.simulation.atlas import Atlas, load_atlas
from XrayToCTTraining.simulation.cohort import cohort
from XrayToCTTraining.simulation.patient import Lesion, Patient


@dataclass(frozen=True)
class CohortRequest:
    """A cohort in full: the same request always gives the same patients.

    Attributes:
        patients: how many; the last tenth is the validation split and the tenth before it the test split.
        domain: of the radiographs: ``drr``, or a device of :func:`acquisition.device_style`.
        atlases: CT files whose anatomy is warped for half of the patients; without any, all are procedural.
    """

    patients: int
    seed: int = 0
    size: int = 128
    side_mm: float = 320.0
    domain: str = "drr"
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
    volume_mm = (request.side_mm,) * 3
    geometry = Geometry(detector_pixels=(request.size, request.size), volume_mm=volume_mm)
    name = f"{index:05d}"
    case = Case(
        name,
        who.source,
        name,
        split_of(index, request.patients),
        who.label,
        findings,
        request.domain,
        side_mm=request.side_mm,
        geometry=json.dumps(geometry.to_dict()),
    )
    structures = {**patient.masks, "lesion": patient.lesion}
    write_ct(folder, name, patient.hu, {name: structures[name] for name in STRUCTURES})
    write_radiograph(folder, name, _radiograph(patient.hu, geometry, request.domain, who.seed))
    _write_lesions(folder, name, patient)
    write_bytes_atomically(done, json.dumps(asdict(case)).encode())
    return case


def has_lesions(folder: Path, name: str) -> bool:
    """Whether :func:`read_lesions` finds something to read."""
    return (folder / f"{name}-lesions.npz").is_file()


def read_lesions(folder: Path, name: str) -> tuple[np.ndarray, tuple[Lesion, ...]]:
    """The lesions of a simulated case, and which voxels are whose (see :attr:`Patient.lesion_numbers`).

    Raises:
        UnsuitableInput: the case is not of a simulated cohort, or its file is damaged.
    """
    path = folder / f"{name}-lesions.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = zip(stored["kinds"], stored["sizes_mm"], stored["centres"], strict=True)
            lesions = tuple(Lesion(str(k), float(mm), (float(d), float(h), float(w))) for k, mm, (d, h, w) in facts)
            return stored["numbers"], lesions
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UnsuitableInput(f"{path} is missing or damaged; simulate the cohort again.") from error


def _write_lesions(folder: Path, name: str, patient: Patient) -> None:
    file = io.BytesIO()
    np.savez_compressed(
        file,
        numbers=patient.lesion_numbers,
        kinds=np.array([lesion.kind for lesion in patient.lesions], dtype=np.str_),
        sizes_mm=np.array([lesion.size_mm for lesion in patient.lesions], dtype=float),
        centres=np.array([lesion.centre for lesion in patient.lesions], dtype=float).reshape(-1, 3),
    )
    write_bytes_atomically(folder / f"{name}-lesions.npz", file.getvalue())


def _radiograph(hu: np.ndarray, geometry: Geometry, domain: str, seed: int) -> np.ndarray:
    """Grey values in [0, 1], (rows, columns)."""
    if domain == "drr":
        return rendered(hu, geometry)
    rng = np.random.default_rng((seed, DOMAINS.index(domain)))
    volume = torch.from_numpy(np.asarray(hu, np.float32))[None, None]
    return normalise(acquire(volume, geometry, device_style(domain, rng), rng)[0, 0].numpy())


def _only(patients: Iterator) -> tuple:
    (patient,) = patients
    return patient
