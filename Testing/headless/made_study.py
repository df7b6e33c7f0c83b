"""A small reader study: the asymmetric body as three arms of four patients, some shown twice (no tests here)."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from asymmetric_body import asymmetric_body
from XrayToCTLib.reader_study.blinding import Blinding, ListedCase, make_study
from XrayToCTLib.reader_study.study import Study

READERS = ["R1", "R2"]
ARMS = ("real", "compact-model", "other-model")
PATIENTS = ("Jane-Doe", "John-Roe", "Ann-Poe", "Max-Moe")
CONDITIONS = ("healthy", "sick", "tb", "healthy")
REPEATS = 2
SIZE = 32


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
