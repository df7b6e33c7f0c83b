"""Prepared data on disk: CT volumes, radiographs or both, and a manifest with one row a case."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.errors import UnsuitableInput

MANIFEST = "manifest.csv"
SPLITS = ("training", "validation", "test")
STRUCTURES = ("body", "lungs", "bone", "heart", "lesion")  # bit 0, 1, 2, ... of a label volume


@dataclass(frozen=True)
class Case:
    """One row of the manifest. A case has a CT, a radiograph, or both.

    Attributes:
        name: the files are ``<name>.npy`` (CT: int16 HU, (D, H, W)), ``<name>-labels.npy`` (uint8, one bit a structure;
            not every CT has them) and ``<name>-radiograph.npy`` (uint8 (rows, columns), as displayed, bone bright).
        source: where it comes from: procedural, atlas, lidc, folder, x2ct, tbx11k, covid-ct-cxr, csv.
        patient: whose it is; all cases of a patient are in one split.
        split: training, validation or test.
        label: healthy, sick or tb; empty where it is not known.
        findings: names joined by ``+``; empty where there are none, ``unknown`` where nobody looked.
        domain: of the radiograph: ``drr`` (clean projection of the CT), ``real``, or a simulated device.
        has_ct: whether there is a CT. side_mm: physical side of its cube, 0 without one.
        geometry: JSON of the projection that made the radiograph (:class:`XrayToCTLib.projection.Geometry`), or empty.
        sha256: of what it was made from. origin: path of that, relative to the folder that was prepared.
    """

    name: str
    source: str
    patient: str
    split: str
    label: str = ""
    findings: str = "unknown"
    domain: str = "drr"
    has_ct: bool = True
    side_mm: float = 320.0
    geometry: str = ""
    sha256: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Cohort:
    """A folder that :func:`open_cohort` found complete."""

    folder: Path
    cases: tuple[Case, ...]

    def of_split(self, split: str) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.split == split)

    def limited(self, split: str, count: int) -> Cohort:
        """The same cohort with the first ``count`` cases of one split; 0: all."""
        kept = {case.name for case in self.of_split(split)[: count or None]}
        return replace(self, cases=tuple(case for case in self.cases if case.split != split or case.name in kept))

    def hu(self, case: Case) -> np.ndarray:
        """int16 HU, (D, H, W)."""
        return _load(self.folder / f"{case.name}.npy")

    def radiograph(self, case: Case) -> np.ndarray:
        """uint8 (rows, columns), as displayed, bone bright."""
        return _load(self.folder / f"{case.name}-radiograph.npy")

    def structures(self, case: Case) -> dict[str, np.ndarray]:
        """Boolean masks, each (D, H, W); none where the truth is not known."""
        path = self.folder / f"{case.name}-labels.npy"
        if not path.is_file():
            return {}
        labels = _load(path)
        return {name: (labels >> bit & 1).astype(bool) for bit, name in enumerate(STRUCTURES)}


def write_ct(folder: Path, name: str, hu: np.ndarray, structures: Mapping[str, np.ndarray] | None = None) -> None:
    """Writes the HU (D, H, W), and the masks where there are any. A file under its final name is always whole."""
    if structures:
        labels = np.zeros(hu.shape, np.uint8)
        for bit, structure in enumerate(STRUCTURES):
            labels |= structures[structure].astype(np.uint8) << bit
        save_array(folder / f"{name}-labels.npy", labels)
    save_array(folder / f"{name}.npy", stored_hu(hu))


def write_radiograph(folder: Path, name: str, grey: np.ndarray) -> None:
    """Writes grey values in [0, 1], (rows, columns), as displayed, in 8 bits."""
    save_array(folder / f"{name}-radiograph.npy", stored_grey(grey))


def stored_hu(hu: np.ndarray) -> np.ndarray:
    """HU as a cohort holds them: int16, any shape."""
    return np.clip(np.rint(hu), -32768, 32767).astype(np.int16)


def stored_grey(grey: np.ndarray) -> np.ndarray:
    """Grey values in [0, 1] as a cohort holds them: uint8, any shape."""
    return np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def write_manifest(folder: Path, cases: Iterable[Case]) -> None:
    """Writes the manifest, last of all: a folder without it is not a cohort yet."""
    with replacing(folder / MANIFEST) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Case)])
        writer.writeheader()
        writer.writerows(asdict(case) for case in cases)


def open_cohort(folder: Path) -> Cohort:
    """Reads the manifest of ``folder``; patients of a streamed cohort are simulated as they are asked for.

    Raises:
        UnsuitableInput: there is no manifest, or it is not one of ours.
    """
    # Not at the top of the module: a streamed cohort is a Cohort.
    from XrayToCTTraining.simulation.streamed import StreamedCohort, streamed_request

    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise UnsuitableInput(
            f"{folder} holds no {MANIFEST}; make it with `python -m XrayToCTTraining prepare` or `simulate`."
        )
    with manifest.open(newline="") as file:
        try:
            cases = tuple(_case(row) for row in csv.DictReader(file))
        except (KeyError, TypeError, ValueError) as error:
            raise UnsuitableInput(f"{manifest} is not a cohort manifest ({error}); make the cohort again.") from error
    for case in cases:
        if Path(case.name).name != case.name:
            raise UnsuitableInput(f"{manifest} names a file outside its folder ({case.name}); make the cohort again.")
    request = streamed_request(folder)
    return Cohort(folder, cases) if request is None else StreamedCohort(folder, cases, request)


def _case(row: dict[str, str]) -> Case:
    side_mm, has_ct = float(row.pop("side_mm")), {"True": True, "False": False}[row.pop("has_ct")]
    if row["split"] not in SPLITS:
        raise ValueError(f"split {row['split']!r}")
    return Case(side_mm=side_mm, has_ct=has_ct, **row)


def _load(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UnsuitableInput(f"{path} is missing or damaged; prepare or simulate the data again.") from error


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an ``.npy`` file at once or not at all."""
    with replacing(path, ".npy") as temporary:
        np.save(temporary, array, allow_pickle=False)
