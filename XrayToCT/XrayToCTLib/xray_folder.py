"""A folder of X-rays: which files are worked on, and what the folder of each result is called."""

from __future__ import annotations

import secrets
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


def result_folders(files: list[Path], anonymise: bool = False) -> list[str]:
    """A folder's name for each file: its stem, or its whole name where two files share a stem; or pseudonyms."""
    if anonymise:
        return [pseudonym() for _ in files]
    stems = [path.stem for path in files]
    return [path.name if stems.count(path.stem) > 1 else path.stem for path in files]


def pseudonym() -> str:
    """A new name for a case, at random: a number made from the patient's could be found by trying."""
    return f"ANON-{secrets.token_hex(4)}"
