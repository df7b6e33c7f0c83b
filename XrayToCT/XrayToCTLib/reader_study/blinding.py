"""Making a study: CTs from anywhere become cases that differ in nothing but their voxels.

All cases are brought to one grid, one range of values, one header and one size of file, under random codes; the files'
times are alike. What the picture itself shows (sharpness, a round field of view) is what readers are asked about.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import STUDY_NOTICE
from XrayToCTLib.reader_study.key import KeyEntry, StudyKey, key_bytes
from XrayToCTLib.reader_study.study import (
    CONDITIONS,
    STUDY_FILE,
    Case,
    Reader,
    Study,
    case_path,
    check_reader_names,
    file_sha256,
    study_bytes,
)
from XrayToCTLib.volume import ct_from_network, network_from_ct

SIZE, SIDE_MM = 128, 320.0

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without those that are taken for one another
_CODE_LENGTH = 6
_MARKS = {
    "XrayToCT.Synthetic": "BLINDED",
    "XrayToCT.Notice": STUDY_NOTICE,
    "XrayToCT.ContentQualification": "RESEARCH",
}
_ONE_TIME = 946684800  # 1 January 2000: the time of every case's file
_ORDERS_TRIED = 50
_BORDER_MM = 5.0  # of air that a case may have on a side before there is a warning


@dataclass(frozen=True)
class ListedCase:
    """A line of the list from which a study is made.

    Attributes:
        path: a CT file, or a folder of DICOM files.
        arm: where it comes from: "real", or the name of a model or strategy.
        condition: healthy, sick or tb where the truth is known, else "".
        patient: whose it is, so that a patient's cases are kept apart; the file's name where not given.
    """

    path: Path
    arm: str
    condition: str
    patient: str


@dataclass(frozen=True)
class Blinding:
    """How cases are made alike: voxels along each side, and the side in mm of the cube around a CT's centre."""

    size: int = SIZE
    side_mm: float = SIDE_MM


def read_list(path: Path) -> list[ListedCase]:
    """The cases of a CSV file with the columns ``file``, ``arm`` and, where known, ``class`` and ``patient``.

    Files are relative to the list's folder.

    Raises:
        UnsuitableInput: it cannot be read, lacks a column, or a line is incomplete or names an unknown class.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnsuitableInput(
            f"{path.name!r} cannot be read; give a CSV file with the columns file and arm."
        ) from error
    if not rows:
        raise UnsuitableInput(f"{path.name!r} lists no cases; give a CSV file with the columns file and arm.")
    return [_listed(path, number, row) for number, row in enumerate(rows, start=2)]


def make_study(
    cases: Sequence[ListedCase],
    readers: Sequence[str],
    folder: Path,
    key_path: Path,
    title: str,
    repeats: int = 0,
    seed: int | None = None,
    blinding: Blinding = Blinding(),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Study, list[str]]:
    """Write a study, the readers' folder and the key: both or neither.

    Args:
        cases: from `read_list`.
        readers: pseudonyms; each gets the cases in an order of its own.
        folder: for the readers; must not exist, or be empty.
        key_path: outside of ``folder``; must not exist.
        title: what readers see above the cases; do not name the arms.
        repeats: how many cases each reader sees twice, drawn at random, for the agreement of readers with themselves.
        seed: None draws one. A small number could be guessed by a reader who has the list.
        blinding: what is done to every case.
        progress: called with cases done, and all.

    Returns:
        The study, and warnings about cases that a border of air may give away.

    Raises:
        UnsuitableInput: a CT cannot be read, names are unsuitable, or something is in the way.
    """
    _check_places(folder, key_path)
    check_reader_names(list(readers))
    if not 0 <= repeats <= len(cases):
        raise UnsuitableInput(f"{repeats} of {len(cases)} cases cannot be repeated; ask for fewer.")
    seed = secrets.randbits(63) if seed is None else seed
    random = np.random.default_rng(seed)
    shown = [*range(len(cases)), *sorted(random.choice(len(cases), repeats, replace=False).tolist())]
    codes = _codes(len(shown), random)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside its place and moved there whole: what is interrupted leaves no half-made study.
    with tempfile.TemporaryDirectory(prefix=".xraytoct-", dir=folder.parent) as temporary:
        making = Path(temporary) / "study"
        entries: list[KeyEntry] = []
        warnings: list[str] = []
        # In the order of the codes: times and places on the disk must not tell the list's order.
        for done, (code, at) in enumerate(sorted(zip(codes, range(len(shown)), strict=True)), start=1):
            listed = cases[shown[at]]
            digest, warning = _write_case(listed.path, case_path(making, code), code, blinding)
            again = codes[shown[at]] if at >= len(cases) else ""
            whose = (listed.arm, listed.condition, listed.patient)
            entries.append(KeyEntry(code, str(listed.path), digest, *whose, repeats=again))
            warnings += [warning] if warning else []
            progress(done, len(shown))
        sums = tuple(Case(entry.code, file_sha256(case_path(making, entry.code))) for entry in entries)
        orders = tuple(
            Reader(name, _order(entries, np.random.default_rng([seed, number]))) for number, name in enumerate(readers)
        )
        study = Study(title, sums, orders)
        write_bytes_atomically(making / STUDY_FILE, study_bytes(study))
        key = StudyKey(study.sha256, seed, blinding.size, blinding.side_mm, tuple(entries))
        write_bytes_atomically(key_path, key_bytes(key))
        if folder.exists():
            folder.rmdir()  # it is empty; Windows renames onto nothing that exists
        making.rename(folder)
    return study, list(dict.fromkeys(warnings))


def _listed(path: Path, number: int, row: dict[str, str | None]) -> ListedCase:
    name, arm, condition, patient = ((row.get(key) or "").strip() for key in ("file", "arm", "class", "patient"))
    if not name or not arm:
        raise UnsuitableInput(f"Line {number} of {path.name!r} has no file or no arm; fill in both.")
    if condition and condition not in CONDITIONS:
        raise UnsuitableInput(
            f"Line {number} of {path.name!r} has the class {condition!r}; take {', '.join(CONDITIONS)} or nothing."
        )
    return ListedCase(path.parent / name, arm, condition, patient or name)


def _check_places(folder: Path, key_path: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnsuitableInput(f"{str(folder)!r} is not empty; choose a new folder for the study.")
    if key_path.exists():
        raise UnsuitableInput(f"{str(key_path)!r} exists; choose another name for the key.")
    if key_path.resolve().is_relative_to(folder.resolve()):
        raise UnsuitableInput(f"{str(key_path)!r} lies in the folder that readers get; put the key elsewhere.")


def _codes(count: int, random: np.random.Generator) -> list[str]:
    codes: dict[str, None] = {}
    while len(codes) < count:
        codes["".join(random.choice(list(_LETTERS), _CODE_LENGTH))] = None
    return list(codes)


def _order(entries: Sequence[KeyEntry], random: np.random.Generator) -> tuple[str, ...]:
    """Random, with the cases of a patient apart from each other as far as possible."""
    tried = [_apart([entries[at] for at in random.permutation(len(entries))]) for _ in range(_ORDERS_TRIED)]
    best = min(tried, key=lambda order: sum(a.patient == b.patient for a, b in itertools.pairwise(order)))
    return tuple(entry.code for entry in best)


def _apart(shuffled: list[KeyEntry]) -> list[KeyEntry]:
    order: list[KeyEntry] = []
    while shuffled:
        last = order[-1].patient if order else None
        other = next((at for at, entry in enumerate(shuffled) if entry.patient != last), 0)
        order.append(shuffled.pop(other))
    return order


def _write_case(source: Path, target: Path, code: str, blinding: Blinding) -> tuple[str, str]:
    """Write a case; returns the SHA-256 of where it comes from, and a warning or ""."""
    image, side = read_ct(source), blinding.side_mm
    case = ct_from_network(network_from_ct(image, blinding.size, side), side)
    for key, value in {**_MARKS, "XrayToCT.Case": code}.items():
        case.SetMetaData(key, value)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not compressed: a smooth volume's file would be the smaller one.
    sitk.WriteImage(case, str(target), useCompression=False)
    os.utime(target, (_ONE_TIME, _ONE_TIME))
    if source.is_file():
        digest = file_sha256(source)
    else:
        digest = hashlib.sha256(sitk.GetArrayViewFromImage(image).tobytes()).hexdigest()
    shortest = min(count * step for count, step in zip(image.GetSize(), image.GetSpacing(), strict=True))
    if shortest >= side - 2 * _BORDER_MM:
        return digest, ""
    return digest, (
        f"{str(source)!r} spans {shortest:.0f} mm of the {side:.0f} mm of a case: the air around it may give it away "
        f"where other cases have none; --side-mm {shortest:.0f} leaves it out."
    )
