"""The lesions of a stored patient: what each is, and which voxels are whose."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.simulation.patient import Lesion, Patient


def write_lesions(folder: Path, name: str, patient: Patient) -> None:
    """Writes ``<name>-lesions.npz``."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        numbers=patient.lesion_numbers,
        kinds=np.array([lesion.kind for lesion in patient.lesions], dtype=np.str_),
        sizes_mm=np.array([lesion.size_mm for lesion in patient.lesions], dtype=float),
        centres=np.array([lesion.centre for lesion in patient.lesions], dtype=float).reshape(-1, 3),
    )
    write_bytes_atomically(_path(folder, name), file.getvalue())


def has_lesions(folder: Path, name: str) -> bool:
    """Whether :func:`read_lesions` finds something to read."""
    return _path(folder, name).is_file()


def read_lesions(folder: Path, name: str) -> tuple[np.ndarray, tuple[Lesion, ...]]:
    """The lesions of a simulated case, and which voxels are whose (see :attr:`Patient.lesion_numbers`).

    Raises:
        UnsuitableInput: the case is not of a stored simulated cohort, or its file is damaged.
    """
    path = _path(folder, name)
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = zip(stored["kinds"], stored["sizes_mm"], stored["centres"], strict=True)
            lesions = tuple(Lesion(str(k), float(mm), (float(d), float(h), float(w))) for k, mm, (d, h, w) in facts)
            return stored["numbers"], lesions
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UnsuitableInput(f"{path} is missing or damaged; simulate the cohort again.") from error


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}-lesions.npz"
