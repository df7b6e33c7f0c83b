"""A folder of X-rays: which files are worked on, what the folder of each result is called, and its patient."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput


def files_in(folder: Path) -> list[Path]:
    """The files of a folder in the order of their names, without hidden ones and subfolders.

    Raises:
        UnsuitableInput: the folder cannot be read or holds no files.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise UnsuitableInput(f"{folder} cannot be read ({error.strerror}); check the path and its rights.") from error
    if not files:
        raise UnsuitableInput(f"{folder} holds no files; give a radiograph or a folder of them.")
    return files


@dataclass(frozen=True)
class Case:
    """What one X-ray's results are called: the name of their folder, and the patient's pseudonym, empty for none."""

    folder: str
    pseudonym: str = ""


class CaseNames:
    """Names for the X-rays of one batch.

    A folder is called as its file is: the stem, or the whole name where two files share a stem. Anonymised, it has the
    patient's pseudonym, numbered from the second X-ray on. A patient keeps one pseudonym through the batch, by the
    header's Patient ID and who issued it, without one by the study; a file that tells neither counts as a patient of
    its own. Who is behind a pseudonym is held in memory, for this batch, and nowhere else.
    """

    def __init__(self, files: list[Path], anonymise: bool) -> None:
        self._stems = Counter(path.stem for path in files)
        self._anonymise = anonymise
        self._pseudonyms: dict[tuple[str, ...], str] = {}
        self._films: Counter[str] = Counter()

    def of(self, file: Path) -> Case:
        """The names for the next file; anonymised, its header is read."""
        if not self._anonymise:
            return Case(file.name if self._stems[file.stem] > 1 else file.stem)
        patient = _patient(file)
        name = self._pseudonyms.setdefault(patient, pseudonym()) if patient else pseudonym()
        self._films[name] += 1
        number = self._films[name]
        return Case(name if number == 1 else f"{name}-{number}", name)


def _patient(file: Path) -> tuple[str, ...]:
    """What tells a patient from others within a batch; empty where the file does not tell."""
    from XrayToCTLib.radiograph_dicom import read_header  # a viewer that never anonymises does not wait for pydicom

    header = read_header(file)
    number, issuer, study = (
        "" if header is None else str(header.get(keyword) or "").strip()
        for keyword in ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")
    )
    if number:
        return "patient", issuer, number
    return ("study", study) if study else ()


def pseudonym() -> str:
    """A new name for a case, at random: a number made from the patient's could be found by trying."""
    return f"ANON-{secrets.token_hex(4)}"
