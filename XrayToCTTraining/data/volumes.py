"""Volumes that a generator makes of the radiographs of a cohort, written once and read by every classifier."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import Case, Cohort, save_array
from XrayToCTTraining.data.samples import radiograph_of

RECORD = "volumes.json"


def write_volumes(cohort: Cohort, predict: Callable[[Tensor], Tensor], size: int, folder: Path, identity: str) -> None:
    """Writes what ``predict`` makes of every radiograph: ``<name>.npy``, float16 network values (D, H, W). Resumable.

    Args:
        predict: radiographs (N, 1, size, size) to volumes (N, 1, D, H, W).
        identity: of the generator and all that comes before it; a folder written with another one is refused.

    Raises:
        UnsuitableInput: ``folder`` holds the volumes of another generator.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record, wanted = folder / RECORD, {"identity": identity, "size": size}
    if record.is_file() and json.loads(record.read_text()) != wanted:
        raise UnsuitableInput(f"{folder} holds the volumes of another generator; remove it, or give another --run.")
    write_bytes_atomically(record, json.dumps(wanted).encode())
    for case in tqdm(cohort.cases, unit="volume", mininterval=2):
        path = folder / f"{case.name}.npy"
        if not path.is_file():
            with torch.no_grad():
                volume = predict(radiograph_of(cohort, case, size)[None])[0, 0].clamp(0, 1)
            save_array(path, volume.float().cpu().numpy().astype(np.float16))


def read_volume(folder: Path, case: Case) -> Tensor:
    """(1, D, H, W) float32.

    Raises:
        UnsuitableInput: there is none.
    """
    try:
        volume = np.load(folder / f"{case.name}.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UnsuitableInput(f"{folder / case.name}.npy is missing or damaged; write the volumes again.") from error
    return torch.from_numpy(volume.astype(np.float32))[None]


def identity_of(*files: Path) -> str:
    """SHA-256 over the contents of files, such as the checkpoints that made the volumes."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
