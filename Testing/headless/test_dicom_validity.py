"""Every DICOM object that ``generate --formats dicom`` writes, judged by dciodvfy."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from conftest import write_dicom
from dicom_validator import errors_of
from made_prediction import made_prediction
from XrayToCTLib.anonymise import anonymise
from XrayToCTLib.outputs import write_outputs
from XrayToCTLib.pipeline import Prediction
from XrayToCTLib.radiograph import read_radiograph

# What strangers write into headers: too long, not allowed, or empty.
ODD_VALUES = {
    "PatientID": "P" * 200,
    "PatientName": "Doe\\Jane^" + "x" * 90,
    "PatientBirthDate": "1960",
    "PatientSex": "unknown",
    "PatientAge": "61",
    "StudyDate": "yesterday",
    "StudyTime": "8 o'clock",
    "StudyID": "S" * 40,
    "AccessionNumber": "A" * 40,
    "StudyDescription": "line\nline",
    "StudyInstanceUID": "not a uid",
    "SeriesInstanceUID": "",
}


def prediction_of(path: Path) -> Prediction:
    return made_prediction(read_radiograph(path), path)


def real_radiograph() -> Path:
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    return Path(path)


@pytest.fixture
def odd_dicom(tmp_path, radiograph_pixels, monkeypatch) -> Path:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    return write_dicom(tmp_path / "odd.dcm", np.rint(radiograph_pixels * 4095).astype(np.uint16), **ODD_VALUES)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, about the odd values
@pytest.mark.parametrize("source", ["dicom", "picture", "anonymised", "real", "odd"])
def test_dciodvfy_finds_no_error_in_any_file(source, tmp_path, request, chest_dicom, chest_png) -> None:
    if source == "picture":
        prediction = made_prediction(source=chest_png)
    elif source == "anonymised":
        prediction = anonymise(prediction_of(chest_dicom), "ANON-1")
    elif source == "real":
        prediction = prediction_of(real_radiograph())
    else:
        prediction = prediction_of(chest_dicom if source == "dicom" else request.getfixturevalue("odd_dicom"))
    write_outputs(prediction, tmp_path / "out", ["dicom"])
    files = sorted((tmp_path / "out").rglob("*.dcm"))
    assert {path.parent.name if path.name.startswith("IM") else path.name for path in files} == {
        "dicom",
        "uncertainty",
        "saliency",
        "projection.dcm",
        "results.dcm",
    }
    series = [path for path in files if path.name.startswith("IM")]
    assert len(series) == 192
    for path in [*(path for path in files if path not in series), *series[:: len(series) // 4], series[-1]]:
        assert errors_of(path) == [], path.name
