"""Preparing what the readers found: in parallel, resumably, with a manifest and a list of what was left out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.projection import Geometry
from XrayToCTLib.radiograph import network_input, read_radiograph
from XrayToCTTraining.data.cohort import Case, write_ct, write_manifest, write_radiograph
from XrayToCTTraining.data.ct_preparation import SIDE_MM, prepared_ct, shrunk
from XrayToCTTraining.data.rendering import rendered
from XrayToCTTraining.data.sources.found import Item, LeftOut
from XrayToCTTraining.data.sources.x2ct_hdf5 import read_x2ct
from XrayToCTTraining.data.splits import split_of
from XrayToCTTraining.tables import write_csv

LEFT_OUT, SETTINGS = "left_out.csv", "prepared.json"
RADIOGRAPH_SIDE = 256


@dataclass(frozen=True)
class PrepareRequest:
    """How a folder is prepared.

    Attributes:
        size: voxels along each side of a CT, and pixels of its radiograph.
        validation, test: fractions of the patients that no official list assigns.
        seed: of the splits.
    """

    reader: str
    size: int = 128
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0


def prepare(
    folder: Path, items: Sequence[Item], left_out: Sequence[LeftOut], out: Path, request: PrepareRequest, workers: int
) -> tuple[list[Case], list[LeftOut]]:
    """Prepares ``items`` of ``folder`` that are not yet in ``out``, then writes the manifest and ``left_out.csv``.

    Returns:
        The cases of the manifest, and everything that was left out, by the reader or because it could not be read.

    Raises:
        UnsuitableInput: nothing to prepare, or ``out`` holds data prepared in another way.
    """
    if not items:
        raise UnsuitableInput(f"{folder} holds nothing that can be prepared; check the folder and the kind of data.")
    out.mkdir(parents=True, exist_ok=True)
    settings, wanted = out / SETTINGS, asdict(request)
    if settings.is_file() and json.loads(settings.read_text()) != wanted:
        raise UnsuitableInput(f"{out} holds data prepared with other settings; choose another folder.")
    write_bytes_atomically(settings, json.dumps(wanted).encode())
    jobs = [(folder, item, out, request) for item in items]
    with ProcessPoolExecutor(workers, initializer=_one_thread) as pool:
        results = list(tqdm(pool.map(_prepare_one, jobs), total=len(jobs), unit="case", mininterval=1))
    cases = [result for result in results if isinstance(result, Case)]
    all_left_out = [*left_out, *(result for result in results if isinstance(result, LeftOut))]
    write_csv(
        out / LEFT_OUT,
        [{"path": _relative(entry.path, folder), "reason": entry.reason} for entry in all_left_out]
        or [{"path": "", "reason": "nothing was left out"}],
    )
    if not cases:
        reasons = Counter(entry.reason for entry in all_left_out).most_common(1)[0][0]
        raise UnsuitableInput(f"Nothing in {folder} could be prepared ({reasons}); see {out / LEFT_OUT}.")
    write_manifest(out, cases)
    return cases, all_left_out


def _prepare_one(job: tuple[Path, Item, Path, PrepareRequest]) -> Case | LeftOut:
    folder, item, out, request = job
    origin = _relative(item.path, folder)
    name = hashlib.sha256(f"{item.source}\n{origin}\n{item.series}".encode()).hexdigest()[:16]
    done = out / f"{name}.json"
    if done.is_file():
        return Case(**json.loads(done.read_text()))
    split = item.split or split_of(item.patient, request.seed, request.validation, request.test)
    try:
        if item.kind == "radiograph":
            picture = network_input(read_radiograph(item.path), RADIOGRAPH_SIDE)
            write_radiograph(out, name, picture)
            facts: dict[str, Any] = {"domain": "real", "has_ct": False, "side_mm": 0.0}
        else:
            geometry = Geometry(detector_pixels=(request.size, request.size), volume_mm=(SIDE_MM,) * 3)
            hu, picture = _ct(item, request.size, geometry)
            write_ct(out, name, hu)
            write_radiograph(out, name, picture)
            facts = {"side_mm": float(SIDE_MM), "geometry": json.dumps(geometry.to_dict())}
        digest = _sha256(item)
    except UnsuitableInput as error:
        return LeftOut(item.path, str(error).replace(str(folder), "").strip())
    case = Case(
        name, item.source, item.patient, split, item.label, item.findings, sha256=digest, origin=origin, **facts
    )
    write_bytes_atomically(done, json.dumps(asdict(case)).encode())
    return case


def _ct(item: Item, size: int, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """HU (D, H, W) and its radiograph (rows, columns) in [0, 1]."""
    if item.kind == "x2ct":
        hu, picture = read_x2ct(item.path)
        return shrunk(hu, size), picture
    image: sitk.Image = read_ct(_first_file(item) if item.series else item.path)
    hu = prepared_ct(image, size)
    return hu, rendered(hu, geometry)


def _first_file(item: Item) -> Path:
    """A file of the series: reading it reads the whole series, and no other of the folder."""
    return _files(item)[0]


def _files(item: Item) -> list[Path]:
    if not item.series:
        return [item.path]
    import pydicom

    files = []
    for path in sorted(item.path.iterdir()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        except Exception:  # not DICOM, or broken: the reader says so
            continue
        if str(header.get("SeriesInstanceUID")) == item.series:
            files.append(path)
    return files


def _sha256(item: Item) -> str:
    """Of the file, or of the hashes of a series' files in the order of their names."""
    hashes = []
    for path in _files(item):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        hashes.append(digest.digest())
    return hashes[0].hex() if len(hashes) == 1 else hashlib.sha256(b"".join(hashes)).hexdigest()


def _relative(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _one_thread() -> None:
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
