"""What a reader's screen needs of a study: codes, checksums and each reader's order, and nothing of what a case is."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from XrayToCTLib.errors import UnsuitableInput

STUDY_FILE = "study.json"
LARGEST_FILE = 64 << 20
MOST_CASES = 10_000
MOST_READERS = 100

#: What a reader may mark on a slice: the faults that the paper's readers found, and anything else, with a note.
ARTEFACTS = {
    "missing chest wall": "Part of the chest wall is absent or broken through.",
    "pleural gap": "A gap in the pleura: the lung's border is open.",
    "third lung": "Air-filled lung where there is none in a chest.",
    "other": "Anything else that cannot be; say what in the note.",
}
PLANES = ("axial", "coronal", "sagittal")
CONDITIONS = ("healthy", "sick", "tb")

_FORMAT, _VERSION = "XrayToCT reader study", 1
_CODE = re.compile(r"[A-Z0-9]{6}")
_READER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Case:
    """A case under its code, and the SHA-256 of its file."""

    code: str
    sha256: str


@dataclass(frozen=True)
class Reader:
    """A reader's pseudonym, and all codes in the order in which this reader sees the cases."""

    name: str
    order: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """A study as its readers may know it; ``cases`` are sorted by code.

    Raises:
        UnsuitableInput: on creation, where it contradicts itself or its names could not be those of files.
    """

    title: str
    cases: tuple[Case, ...]
    readers: tuple[Reader, ...]

    def __post_init__(self) -> None:
        codes = sorted(case.code for case in self.cases)
        names = [reader.name.lower() for reader in self.readers]  # not every file system tells a from A
        if not 1 <= len(self.cases) <= MOST_CASES or not 1 <= len(self.readers) <= MOST_READERS:
            raise UnsuitableInput(
                f"A study has 1 to {MOST_CASES} cases and 1 to {MOST_READERS} readers, "
                f"not {len(self.cases)} and {len(self.readers)}; change the list."
            )
        if len(set(codes)) < len(codes) or not all(_CODE.fullmatch(code) for code in codes):
            raise UnsuitableInput("The study's codes are damaged; copy the study's folder again.")
        if not all(_SHA256.fullmatch(case.sha256) for case in self.cases):
            raise UnsuitableInput("The study's checksums are damaged; copy the study's folder again.")
        check_reader_names([reader.name for reader in self.readers])
        if len(set(names)) < len(names) or any(sorted(reader.order) != codes for reader in self.readers):
            raise UnsuitableInput("A reader's order of cases is damaged; copy the study's folder again.")

    def reader(self, name: str) -> Reader:
        """Raises UnsuitableInput where there is none of that name."""
        for reader in self.readers:
            if reader.name == name:
                return reader
        known = ", ".join(reader.name for reader in self.readers)
        raise UnsuitableInput(f"{name!r} is no reader of this study; choose one of {known}.")

    @property
    def sha256(self) -> str:
        """Of the study's file: answers and key name it, so that they cannot be mixed up with another study's."""
        return hashlib.sha256(study_bytes(self)).hexdigest()


def check_reader_names(names: list[str]) -> None:
    """Raises UnsuitableInput unless each may be part of a file's name."""
    for name in names:
        if not _READER.fullmatch(name):
            raise UnsuitableInput(
                f"{name!r} cannot name a reader; take up to 32 letters, digits, hyphens and underscores."
            )
    if len({name.lower() for name in names}) < len(names):
        raise UnsuitableInput("Two readers have the same name; give each a name of their own.")


def study_bytes(study: Study) -> bytes:
    """The content of the study's file."""
    text = json.dumps({"format": _FORMAT, "version": _VERSION, **asdict(study)}, ensure_ascii=False, indent=1)
    return text.encode()


def read_study(folder: Path) -> Study:
    """The study in a folder.

    Raises:
        UnsuitableInput: there is none, or its file is damaged, too large or of a later version.
    """
    path = folder / STUDY_FILE
    content = read_json(path, _FORMAT, _VERSION)
    try:
        return Study(
            text_of(content["title"]),
            tuple(Case(text_of(case["code"]), text_of(case["sha256"])) for case in content["cases"]),
            tuple(
                Reader(text_of(reader["name"]), tuple(text_of(code) for code in reader["order"]))
                for reader in content["readers"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error


def case_path(folder: Path, code: str) -> Path:
    """Where a case lies: by its code alone, so that no study can point out of its folder."""
    return folder / "cases" / f"{code}.nrrd"


def verified_case(folder: Path, study: Study, code: str) -> Path:
    """The path of a case whose file is the one that the study was made with.

    Raises:
        UnsuitableInput: it is missing or another.
    """
    path = case_path(folder, code)
    (expected,) = [case.sha256 for case in study.cases if case.code == code]
    if not path.is_file() or file_sha256(path) != expected:
        raise UnsuitableInput(f"{path.name!r} is missing or was changed; copy the study's folder again.")
    return path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def read_json(path: Path, file_format: str, version: int) -> dict[str, Any]:
    """The object in a JSON file of a known format.

    Raises:
        UnsuitableInput: the file is missing, larger than 64 MB, damaged, of another format or of another version.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UnsuitableInput(f"{str(path)!r} cannot be read; choose the folder of a reader study.") from error
    try:
        content = json.loads(raw) if len(raw) <= LARGEST_FILE else None
    except (ValueError, RecursionError) as error:
        raise damaged(path) from error
    if not isinstance(content, dict) or content.get("format") != file_format:
        raise UnsuitableInput(f"{path.name!r} is no file of the format {file_format!r}; choose another.")
    if content.get("version") != version:
        raise UnsuitableInput(f"{path.name!r} was written by another version of XrayToCT; install that version.")
    return content


def text_of(value: object) -> str:
    """The value itself where it is text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def damaged(path: Path) -> UnsuitableInput:
    """The error for a file of a study that cannot be understood."""
    return UnsuitableInput(f"{path.name!r} is damaged; copy the study's folder again.")
