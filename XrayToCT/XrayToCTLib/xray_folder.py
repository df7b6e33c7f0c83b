"""A folder of X-rays: which files are worked on, what the folder of each result is called, and its patient."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from XrayToCTLib.errors import UnsuitableInput

#: How far a folder is searched for X-rays to choose from: media have patients, studies and series below each other.
MOST_LEVELS, MOST_FOLDERS, MOST_FILES = 4, 200, 500


def files_in(folder: Path) -> list[Path]:
    """The files of a folder in the order of their names, without hidden ones and subfolders.

    Raises:
        UnsuitableInput: the folder cannot be read or holds no files.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not files:
        raise _without_files(folder)
    return files


def files_below(folder: Path) -> tuple[list[str], bool]:
    """The files of a folder and of its subfolders, as DICOM media have them: their paths from there on, those nearer to
    the folder first, without hidden ones; and whether these are all.

    The search ends after MOST_FILES files or MOST_FOLDERS folders, and goes MOST_LEVELS down; links to folders are not
    followed.

    Raises:
        UnsuitableInput: the folder cannot be read or holds no files.
    """
    found: list[Path] = []
    level, seen = [folder], 1
    is_all = True
    for depth in range(MOST_LEVELS + 1):
        below: list[Path] = []
        for one in level:
            try:
                entries = sorted(path for path in one.iterdir() if not path.name.startswith("."))
            except OSError as error:
                if one == folder:
                    raise _unreadable(folder, error) from error
                continue
            found += [path for path in entries if path.is_file()]
            below += [path for path in entries if path.is_dir() and not path.is_symlink()]
            if len(found) > MOST_FILES:
                return [path.relative_to(folder).as_posix() for path in found[:MOST_FILES]], False
        is_all &= not below or (depth < MOST_LEVELS and seen + len(below) <= MOST_FOLDERS)
        level = below[: MOST_FOLDERS - seen]
        seen += len(level)
    if not found:
        raise _without_files(folder)
    return [path.relative_to(folder).as_posix() for path in found], is_all


def _unreadable(folder: Path, error: OSError) -> UnsuitableInput:
    return UnsuitableInput(f"{folder} cannot be read ({error.strerror}); check the path and its rights.")


def _without_files(folder: Path) -> UnsuitableInput:
    return UnsuitableInput(f"{folder} holds no files; give a radiograph or a folder of them.")


@dataclass(frozen=True)
class Case:
    """What one X-ray's results are called: the name of their folder, and the patient's pseudonym and the study's UID,
    each empty for none."""

    folder: str
    pseudonym: str = ""
    study_uid: str = ""


class CaseNames:
    """Names for the X-rays of one batch.

    A folder is called as its file is: the stem, or the whole name where two files share a stem. Anonymised, it has the
    patient's pseudonym, numbered from the second X-ray on. A patient keeps one pseudonym through the batch, by the
    header's Patient ID and who issued it, without one by the study; a file that tells neither counts as a patient of
    its own. Films of one study of a patient share a new UID of the study. Who is behind a pseudonym is held in memory,
    for this batch, and nowhere else.
    """

    def __init__(self, files: list[Path], anonymise: bool) -> None:
        self._stems = Counter(path.stem for path in files)
        self._anonymise = anonymise
        self._pseudonyms: dict[tuple[str, ...], str] = {}
        self._films: Counter[str] = Counter()
        self._studies: dict[tuple[str, str], str] = {}

    def of(self, file: Path) -> Case:
        """The names for the next file; anonymised, its header is read."""
        if not self._anonymise:
            return Case(file.name if self._stems[file.stem] > 1 else file.stem)
        patient, study = _patient_and_study(file)
        name = self._pseudonyms.setdefault(patient, pseudonym()) if patient else pseudonym()
        self._films[name] += 1
        number = self._films[name]
        # At random, too: an UID made from the old one could be found by trying.
        study_uid = self._studies.setdefault((name, study), f"2.25.{uuid4().int}") if study else ""
        return Case(name if number == 1 else f"{name}-{number}", name, study_uid)


def _patient_and_study(file: Path) -> tuple[tuple[str, ...], str]:
    """What tells a patient, and a study, from others within a batch; each empty where the file does not tell."""
    from XrayToCTLib.radiograph_dicom import read_header  # a viewer that never anonymises does not wait for pydicom

    header = read_header(file)
    number, issuer, study = (
        "" if header is None else str(header.get(keyword) or "").strip()
        for keyword in ("PatientID", "IssuerOfPatientID", "StudyInstanceUID")
    )
    if number:
        return ("patient", issuer, number), study
    return (("study", study) if study else ()), study


def pseudonym() -> str:
    """A new name for a case, at random: a number made from the patient's could be found by trying."""
    return f"ANON-{secrets.token_hex(4)}"
