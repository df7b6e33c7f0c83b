"""Drawn chests, DICOM files and the check of a refusal, for the tests of the radiograph reader."""

import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.radiograph import read_radiograph

CR_STORAGE = "1.2.840.10008.5.1.4.1.1.1"
SECONDARY_CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"


def drawn_chest(rows: int = 120, columns: int = 96) -> np.ndarray:
    """(rows, columns) float64 in [0, 1]: a frontal chest as displayed, bone bright, heart to the patient's left.

    Every pixel differs a little from its neighbours, and no margin looks like a frame. A bright marker lies at the
    top left, so that no flip or rotation maps the picture to itself.
    """
    y, x = np.mgrid[0:rows, 0:columns]
    y, x = (y + 0.5) / rows * 2 - 1, (x + 0.5) / columns * 2 - 1
    picture = 0.5 + 0.12 * np.exp(-((x / 0.15) ** 2)) + 0.2 * (y > 0.45)
    for centre in (-0.42, 0.42):
        picture -= 0.35 * (((x - centre) / 0.3) ** 2 + ((y + 0.1) / 0.5) ** 2 < 1)
    picture += 0.3 * (((x - 0.2) / 0.25) ** 2 + ((y - 0.2) / 0.25) ** 2 < 1)
    picture -= 0.3 * ((np.abs(x) > 0.55) & (y < -0.85))
    picture[rows // 20 : rows // 8, columns // 20 : columns // 8] = 0.95
    texture = 0.06 * np.random.default_rng(3).random((rows, columns))
    return np.clip(picture + texture, 0, 1)


def as_stored(chest: np.ndarray, bits: int = 12) -> np.ndarray:
    """The chest as unsigned integers that use all of ``bits``."""
    return np.round(chest * (2**bits - 1)).astype(np.uint8 if bits <= 8 else np.uint16)


def dicom_of(stored: np.ndarray, **elements: object) -> pydicom.Dataset:
    """A computed radiograph that holds (H, W) or (H, W, 3) unsigned integers; ``elements`` override, None deletes."""
    bits = 8 * stored.dtype.itemsize
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SOPClassUID = CR_STORAGE
    dataset.PatientName, dataset.PatientID, dataset.StudyInstanceUID = "Doe^Jane", "42", generate_uid()
    dataset.Modality, dataset.ViewPosition = "CR", "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    dataset.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(np.issubdtype(stored.dtype, np.signedinteger))
    dataset.PixelData = stored.tobytes()
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", CR_STORAGE)
    return dataset


def saved(dataset: pydicom.Dataset, path: Path) -> Path:
    """The path, after the data set was written there with preamble and meta header."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def refusal(path: Path) -> str:
    """The message of the refusal, after a check that it is one sentence that names the file and a remedy."""
    with pytest.raises(UnsuitableInput) as caught:
        read_radiograph(path)
    message = str(caught.value)
    assert path.name in message
    assert "; " in message
    assert message.endswith(".")
    assert "\n" not in message
    assert not re.search(r"[.!?] +[A-Z]", message)
    return message
