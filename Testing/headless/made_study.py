"""A small reader study: the asymmetric body as three arms of four patients, some shown twice (no tests here)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from asymmetric_body import asymmetric_body
from XrayToCTLib.reader_study.answers import Answer, Mark
from XrayToCTLib.reader_study.blinding import Blinding, ListedCase, make_study
from XrayToCTLib.reader_study.session import ReadingSession
from XrayToCTLib.reader_study.study import Study

READERS = ["R1", "R2"]
ARMS = ("real", "compact-model", "other-model")
PATIENTS = ("Jane-Doe", "John-Roe", "Ann-Poe", "Max-Moe")
CONDITIONS = ("healthy", "sick", "tb", "healthy")
REPEATS = 2
SIZE = 32
CASES = len(ARMS) * len(PATIENTS) + REPEATS
MARK = Mark("pleural gap", "axial", (10.0, -20.5, 33.0))


def listed_cases(folder: Path) -> list[ListedCase]:
    """A CT of each patient in each arm; arms differ in spacing, values and what stands in the file's header."""
    cases = []
    for arm, spacing, shift in zip(ARMS, (5.0, 4.0, 5.0), (0, 10, -10), strict=True):
        count = round(320 / spacing)
        body = asymmetric_body((count,) * 3, (spacing,) * 3, centre=(7.0, 3.0, -11.0))
        for patient, condition in zip(PATIENTS, CONDITIONS, strict=True):
            image = sitk.Cast(body + (shift + PATIENTS.index(patient)), sitk.sitkInt16)
            image.SetMetaData("Patient", patient)
            image.SetMetaData("XrayToCT.Model", arm)
            path = folder / f"{arm}_{patient}.nrrd"
            sitk.WriteImage(image, str(path), useCompression=arm != "real")
            cases.append(ListedCase(path, arm, condition, patient))
    return cases


def made_study(folder: Path, seed: int = 11) -> tuple[Path, Path, Study]:
    """The readers' folder, the key's path, and the study."""
    sources = folder / "sources"
    sources.mkdir(parents=True)
    study_folder, key = folder / "study", folder / "key.json"
    study, warnings = make_study(
        listed_cases(sources), READERS, study_folder, key, "Chest CTs", REPEATS, seed, Blinding(SIZE, 320.0)
    )
    assert not warnings
    return study_folder, key, study


def case_values(path: Path) -> np.ndarray:
    """The voxels of a case, in HU."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def answer(code: str, realism: int = 4, condition: str = "tb", marks: tuple[Mark, ...] = (MARK,)) -> Answer:
    """An answer to a case."""
    return Answer(code, realism, 2, condition, marks, "fine", 12.5, "2026-01-02T03:04:05+00:00")


def read_all(folder: Path, reader: str, realism: Callable[[str], int], condition: Callable[[str], str]) -> None:
    """Answers every case: ``realism`` and ``condition`` are functions of a case's code."""
    session = ReadingSession(folder, reader)
    while not session.is_finished:
        session.submit(realism(session.code), 3, condition(session.code), (), "")
