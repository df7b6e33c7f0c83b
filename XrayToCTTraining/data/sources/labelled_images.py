"""Radiographs with labels: TBX11K, COVID-19-CT-CXR, and any folder with a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from XrayToCTLib.classifier import CLASSES
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import SPLITS
from XrayToCTTraining.data.sources.found import Item, LeftOut

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")
TBX11K_CLASSES = {"health": "healthy", "healthy": "healthy", "sick": "sick", "tb": "tb"}
_FILE_COLUMNS = ("file", "filename", "path", "image")
_LARGEST_LIST = 1 << 24


def find_tbx11k(folder: Path, seed: int = 0) -> tuple[list[Item], list[LeftOut]]:
    """TBX11K: ``imgs/{health,sick,tb}/*.png`` and ``lists/*train*.txt``, ``lists/*val*.txt`` of relative paths.

    The class is the folder's name, the patient the file's. The official training list trains; the official validation
    list is split 1:1 into validation and test, stratified by class and seeded, as in the paper. What no list names, or
    lies in another folder (``extra``, the unlabelled test images), is left out.

    Raises:
        UnsuitableInput: no lists, or no images folder.
    """
    images, lists = folder / "imgs", folder / "lists"
    if not images.is_dir() or not lists.is_dir():
        raise UnsuitableInput(f"{folder} has no imgs and lists; give the folder of TBX11K as it was unpacked.")
    named = {split: _listed(lists, split) for split in ("train", "val")}
    if not named["train"] or not named["val"]:
        raise UnsuitableInput(f"{lists} has no lists of training and validation images; unpack TBX11K again.")
    items, left_out, validation = [], [], []
    for path in sorted(path for path in images.rglob("*") if path.is_file()):
        relative = path.relative_to(images).as_posix()
        label = TBX11K_CLASSES.get(relative.split("/")[0])
        if label is None:
            left_out.append(LeftOut(path, "not in one of the folders health, sick and tb"))
        elif relative in named["train"]:
            items.append(Item("radiograph", path, path.stem, "tbx11k", label, split="training"))
        elif relative in named["val"]:
            validation.append(Item("radiograph", path, path.stem, "tbx11k", label))
        else:
            left_out.append(LeftOut(path, "in neither the training nor the validation list"))
    missing = (named["train"] | named["val"]) - {
        path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file()
    }
    left_out += [LeftOut(images / name, "named in a list, but there is no such image") for name in sorted(missing)]
    return items + _halves(validation, seed), left_out


def find_covid_pairs(folder: Path) -> tuple[list[Item], list[LeftOut]]:
    """COVID-19-CT-CXR: figures of articles, in a CSV list with a file, a kind (``cxr`` or ``ct``) and an article.

    Only radiographs are prepared, for looking at: all are test cases, without a class. CT figures are single slices.

    Raises:
        UnsuitableInput: no CSV file with such columns.
    """
    table, rows = _table(folder, None)
    kind = _column(rows, ("type", "kind", "modality", "label"), table)
    article = _column(rows, ("pmcid", "article", "patient", "patient_id"), table)
    items: list[Item] = []
    left_out: list[LeftOut] = []
    for row, path in _files(folder, table, rows, left_out):
        if "x" in row[kind].lower():  # cxr, x-ray, xray
            items.append(Item("radiograph", path, row[article], "covid-ct-cxr", split="test"))
        else:
            left_out.append(LeftOut(path, "a figure of a CT, not a radiograph"))
    return items, left_out


def find_labelled(folder: Path, table: Path | None = None) -> tuple[list[Item], list[LeftOut]]:
    """Any folder with a CSV file (``table``, else the only one in it) of columns ``file`` and ``label``.

    Optional columns: ``patient`` (else each file is a patient), ``findings`` (joined by ``+``), ``split``.

    Raises:
        UnsuitableInput: no such file, or columns are missing.
    """
    table, rows = _table(folder, table)
    label = _column(rows, ("label", "class"), table)
    items: list[Item] = []
    left_out: list[LeftOut] = []
    for row, path in _files(folder, table, rows, left_out):
        value = TBX11K_CLASSES.get(row[label].strip().lower(), row[label].strip().lower())
        if value and value not in CLASSES:
            left_out.append(LeftOut(path, f"its label {row[label]!r} is none of {', '.join(CLASSES)}"))
            continue
        split = row.get("split", "") or ""
        if split and split not in SPLITS:
            left_out.append(LeftOut(path, f"its split {split!r} is none of {', '.join(SPLITS)}"))
            continue
        patient = row.get("patient") or row.get("patient_id") or path.relative_to(folder).as_posix()
        findings = row["findings"] if row.get("findings") is not None else "unknown"
        items.append(Item("radiograph", path, patient, "csv", value, findings, split))
    return items, left_out


def _halves(items: list[Item], seed: int) -> list[Item]:
    """Each class shuffled, then every other one to validation and to test."""
    rng = np.random.default_rng((seed, 11))
    result = []
    odd = 0  # classes with an odd number give their last one to either side in turn
    for label in CLASSES:
        members = [item for item in items if item.label == label]
        for place, index in enumerate(rng.permutation(len(members))):
            split = ("validation", "test")[(place + odd) % 2]
            result.append(Item(**{**members[index].__dict__, "split": split}))
        odd += len(members)
    return result


def _listed(folder: Path, word: str) -> set[str]:
    names: set[str] = set()
    for path in sorted(folder.glob(f"*{word}*.txt")):
        if "trainval" in path.name and word != "trainval":
            continue
        lines = _text(path).splitlines()
        names |= {line.strip().removeprefix("imgs/") for line in lines if line.strip()}
    return names


def _table(folder: Path, table: Path | None) -> tuple[Path, list[dict[str, str]]]:
    if table is None:
        tables = sorted(folder.glob("*.csv"))
        if len(tables) != 1:
            raise UnsuitableInput(f"{folder} has {len(tables)} CSV files; name the list of images with --csv.")
        table = tables[0]
    if not table.is_file():
        raise UnsuitableInput(f"{table} does not exist; give a CSV file of images and labels.")
    rows = list(csv.DictReader(_text(table).splitlines()))
    if not rows:
        raise UnsuitableInput(f"{table} has no rows; give a CSV file of images and labels.")
    return table, rows


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_LIST:
        raise UnsuitableInput(f"{path} is over 16 MiB, too long for a list of images; give the right file.")
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _column(rows: list[dict[str, str]], names: Iterable[str], table: Path) -> str:
    for name in names:
        if name in rows[0]:
            return name
    raise UnsuitableInput(f"{table} has no column {' or '.join(names)}; add one.")


def _files(
    folder: Path, table: Path, rows: list[dict[str, str]], left_out: list[LeftOut]
) -> list[tuple[dict[str, str], Path]]:
    """Rows whose file lies in the folder; the others, and pictures that no row names, are left out."""
    column = _column(rows, _FILE_COLUMNS, table)
    root, found = folder.resolve(), []
    for row in rows:
        path = folder / (row[column] or "")
        if not path.resolve().is_relative_to(root):
            left_out.append(LeftOut(path, "outside the folder"))
        elif not path.is_file():
            left_out.append(LeftOut(path, "named in the list, but there is no such image"))
        else:
            found.append((row, path))
    named = {path.resolve() for _, path in found}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURES and path.resolve() not in named:
            left_out.append(LeftOut(path, "not named in the list"))
    return found
