"""Writing a simulated cohort to disk, in parallel and resumably, or only what is needed to stream it."""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import Case, write_ct, write_manifest, write_radiograph
from XrayToCTTraining.simulation.data_card import CARD, data_card
from XrayToCTTraining.simulation.hospital import CohortRequest, case_of, patient_of, radiograph_of, structures_of
from XrayToCTTraining.simulation.stored_lesions import write_lesions
from XrayToCTTraining.simulation.streamed import RECORD


def write_cohort(folder: Path, request: CohortRequest, workers: int = 1) -> None:
    """Simulates what is not yet there, then writes the data card and the manifest.

    Raises:
        UnsuitableInput: ``folder`` holds a cohort of another request, or an atlas cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / RECORD
    wanted = json.loads(json.dumps(asdict(request)))
    if record.is_file() and json.loads(record.read_text()) != wanted:
        raise UnsuitableInput(f"{folder} holds a cohort made with other settings; choose another folder.")
    write_bytes_atomically(record, json.dumps(wanted, indent=2).encode())
    if request.streamed:
        cases = [case_of(request, index) for index in range(request.patients)]
    else:
        with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            jobs = pool.map(_make, *zip(*((folder, request, i) for i in range(request.patients)), strict=True))
            cases = list(tqdm(jobs, total=request.patients, unit="patient", mininterval=2))
    write_bytes_atomically(folder / CARD, data_card(request, cases).encode())
    write_manifest(folder, cases)


def _make(folder: Path, request: CohortRequest, index: int) -> Case:
    """Simulates one patient, or reads what is already known of it."""
    done = folder / f"{index:05d}.json"
    if done.is_file():
        return Case(**json.loads(done.read_text()))
    patient = patient_of(request, index)
    case = case_of(request, index, patient)
    write_ct(folder, case.name, patient.hu, structures_of(patient))
    write_radiograph(folder, case.name, radiograph_of(request, index))
    write_lesions(folder, case.name, patient)
    write_bytes_atomically(done, json.dumps(asdict(case)).encode())
    return case
