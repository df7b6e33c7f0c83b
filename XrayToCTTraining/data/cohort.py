"""A cohort on disk: one HU volume and one label volume a patient, and a manifest with one row a patient."""

import csv
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.errors import UnsuitableInput

MANIFEST = "manifest.csv"
STRUCTURES = ("body", "lungs", "bone", "heart", "lesion")  # bit 0, 1, 2, ... of a label volume


@dataclass(frozen=True)
class Case:
    """One row of the manifest.

    Attributes:
        name: the files are ``<name>.npy`` (int16 HU, (D, H, W)) and ``<name>-labels.npy`` (uint8, one bit a structure).
        source: where the anatomy comes from; label: healthy, sick or tb; split: training, validation or test.
        findings: kinds of the lesions, joined by ``+``.
        side_mm: physical side of the cube.
    """

    name: str
    source: str
    label: str
    split: str
    findings: str
    side_mm: float


@dataclass(frozen=True)
class Cohort:
    """A folder that :func:`open_cohort` found complete."""

    folder: Path
    cases: tuple[Case, ...]

    def of_split(self, split: str) -> tuple[Case, ...]:
        return tuple(case for case in self.cases if case.split == split)

    def hu(self, case: Case) -> np.ndarray:
        """int16 HU, (D, H, W)."""
        return np.load(self.folder / f"{case.name}.npy", allow_pickle=False)

    def structures(self, case: Case) -> dict[str, np.ndarray]:
        """Boolean masks, each (D, H, W)."""
        labels = np.load(self.folder / f"{case.name}-labels.npy", allow_pickle=False)
        return {name: (labels >> bit & 1).astype(bool) for bit, name in enumerate(STRUCTURES)}


def write_case(folder: Path, case: Case, hu: np.ndarray, structures: dict[str, np.ndarray]) -> None:
    """Writes the two volumes of a case. A file under its final name is always whole."""
    labels = np.zeros(hu.shape, np.uint8)
    for bit, name in enumerate(STRUCTURES):
        labels |= structures[name].astype(np.uint8) << bit
    save_array(folder / f"{case.name}-labels.npy", labels)
    save_array(folder / f"{case.name}.npy", np.clip(np.rint(hu), -32768, 32767).astype(np.int16))


def write_manifest(folder: Path, cases: Iterator[Case] | list[Case]) -> None:
    """Writes the manifest, last of all: a folder without it is not a cohort yet."""
    with replacing(folder / MANIFEST) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Case)])
        writer.writeheader()
        writer.writerows(asdict(case) for case in cases)


def open_cohort(folder: Path) -> Cohort:
    """Reads the manifest of ``folder``.

    Raises:
        UnsuitableInput: there is no manifest, or it is not one of ours.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise UnsuitableInput(
            f"{folder} holds no {MANIFEST}; make a cohort with `python -m XrayToCTTraining simulate`."
        )
    with manifest.open(newline="") as file:
        try:
            cases = tuple(Case(side_mm=float(row.pop("side_mm")), **row) for row in csv.DictReader(file))
        except (KeyError, TypeError, ValueError) as error:
            raise UnsuitableInput(f"{manifest} is not a cohort manifest ({error}); make the cohort again.") from error
    for case in cases:
        if Path(case.name).name != case.name:
            raise UnsuitableInput(f"{manifest} names a file outside its folder ({case.name}); make the cohort again.")
    return Cohort(folder, cases)


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an ``.npy`` file at once or not at all."""
    with replacing(path, ".npy") as temporary:
        np.save(temporary, array, allow_pickle=False)
