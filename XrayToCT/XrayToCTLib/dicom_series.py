"""A synthetic CT as a DICOM series that says everywhere what it is (DICOM PS3.3, A.3 CT Image IOD)."""

from __future__ import annotations

import os
import re
import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from XrayToCTLib import __version__
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import SYNTHETIC_NOTICE, Provenance

# Kept from the X-ray: patient and study, so that the CT is filed beside it. Longest value that each VR allows.
_KEPT_TEXT = {
    "PatientID": 64,
    "ReferringPhysicianName": 64,
    "PatientName": 64,
    "StudyID": 16,
    "AccessionNumber": 16,
    "StudyDescription": 64,
}
_KEPT_PATTERN = {
    "PatientBirthDate": r"\d{8}",
    "PatientSex": r"[MFO]",
    "StudyDate": r"\d{8}",
    "StudyTime": r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?",
    "PatientAge": r"\d{3}[DWMY]",
}
_OPTIONAL = ("StudyDescription", "PatientAge")
_INTERCEPT = -1024
_DERIVATION_LIMIT = 1024
_FILE_PATTERN = re.compile(r"IM\d{5}\.dcm")
_SERIES_NUMBER = 9001


def write_dicom_series(
    image: sitk.Image,
    folder: str | Path,
    *,
    header: pydicom.Dataset | None,
    model_name: str,
    model_sha256: str,
    model_version: str,
    derivation: str,
) -> list[Path]:
    """Write a CT image as one DICOM file a slice, from superior to inferior where k runs to superior.

    The folder appears complete or not at all. A series that this function wrote there before is replaced; a folder
    that holds anything else is refused.

    Args:
        image: int16 HU, three dimensions; values below -1024 become -1024.
        folder: where the files ``IM00001.dcm`` and on go.
        header: the X-ray's header, for patient, study and the reference to it; None where it was not DICOM.
        model_name: what made the CT.
        model_sha256: of its weights.
        model_version: its version.
        derivation: a sentence on how the CT was made.

    Returns:
        The files in order.

    Raises:
        UnsuitableInput: the folder holds other files.
        ValueError: the image is not int16 or not three-dimensional.
    """
    if image.GetDimension() != 3 or image.GetPixelID() != sitk.sitkInt16:
        raise ValueError("a CT series is written from a three-dimensional int16 image")
    folder = Path(folder).absolute()
    check_replaceable(folder)
    common = _common(image, header, Provenance(model_name, model_version, model_sha256, derivation))
    stored = np.maximum(sitk.GetArrayViewFromImage(image).astype(np.int32) - _INTERCEPT, 0).astype("<u2")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".xraytoct-", dir=folder.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        # Readers list slices from the head down, ITK stacks them from the feet up.
        names = [_write_slice(common, image, stored, k, new) for k in reversed(range(len(stored)))]
        if folder.exists():
            os.replace(folder, Path(temporary) / "old")
        os.replace(new, folder)
    return [folder / name for name in names]


def check_replaceable(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise UnsuitableInput(f"{folder.name!r} is not a folder; choose another place for the DICOM series.")
    files = list(folder.iterdir())
    ours = all(_FILE_PATTERN.fullmatch(file.name) and file.is_file() for file in files)
    if files and not (ours and _is_synthetic(files[0])):
        raise UnsuitableInput(f"{folder.name!r} holds other files; choose an empty folder for the DICOM series.")


def _is_synthetic(file: Path) -> bool:
    try:
        return pydicom.dcmread(file, specific_tags=["SyntheticData"]).get("SyntheticData") == "YES"
    except (pydicom.errors.InvalidDicomError, OSError, ValueError, EOFError):
        return False


def _common(image: sitk.Image, header: pydicom.Dataset | None, provenance: Provenance) -> Dataset:
    """Everything that the slices share."""
    common = Dataset()
    common.file_meta = FileMetaDataset()
    common.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    common.file_meta.MediaStorageSOPClassUID = CTImageStorage
    common.file_meta.ImplementationVersionName = "XRAYTOCT"
    common.SpecificCharacterSet = "ISO_IR 192"
    common.SOPClassUID = CTImageStorage
    header = header or Dataset()
    _keep_patient_and_study(common, header)

    now = datetime.now()
    common.SeriesDate = common.ContentDate = common.InstanceCreationDate = now.strftime("%Y%m%d")
    common.SeriesTime = common.ContentTime = common.InstanceCreationTime = now.strftime("%H%M%S")
    common.SeriesInstanceUID = generate_uid(prefix=None)
    common.SeriesNumber = _SERIES_NUMBER
    common.SeriesDescription = SYNTHETIC_NOTICE
    common.Modality = "CT"
    common.BodyPartExamined = "CHEST"
    common.PatientPosition = "HFS"
    common.FrameOfReferenceUID = generate_uid(prefix=None)
    common.PositionReferenceIndicator = ""
    common.Manufacturer = "XrayToCT"
    common.ManufacturerModelName = _text(provenance.model_name, 64)
    common.SoftwareVersions = _text(f"{__version__}, model {provenance.model_version}", 64)
    common.DeviceSerialNumber = _text(provenance.model_sha256, 64)
    _mark_as_synthetic(common, header, provenance)

    columns, rows, _ = image.GetSize()
    spacing, direction = image.GetSpacing(), np.reshape(image.GetDirection(), (3, 3))
    common.Rows, common.Columns = rows, columns
    common.PixelSpacing = [_decimal(spacing[1]), _decimal(spacing[0])]
    common.SliceThickness = common.SpacingBetweenSlices = _decimal(spacing[2])
    common.ImageOrientationPatient = [_decimal(value) for value in [*direction[:, 0], *direction[:, 1]]]
    common.SamplesPerPixel = 1
    common.PhotometricInterpretation = "MONOCHROME2"
    common.BitsAllocated = common.BitsStored = 16
    common.HighBit = 15
    common.PixelRepresentation = 0
    common.RescaleIntercept, common.RescaleSlope, common.RescaleType = _INTERCEPT, 1, "HU"
    common.WindowCenter, common.WindowWidth = -600, 1500
    common.KVP = None
    common.AcquisitionNumber = None
    return common


def _keep_patient_and_study(common: Dataset, header: Dataset) -> None:
    """A stranger's header: values that break the standard are shortened or left empty, never copied."""
    for keyword, length in _KEPT_TEXT.items():
        value = _text(_kept_value(header, keyword), length)
        if value or keyword not in _OPTIONAL:
            setattr(common, keyword, value)
    for keyword, pattern in _KEPT_PATTERN.items():
        value = _kept_value(header, keyword)
        if re.fullmatch(pattern, value) or keyword not in _OPTIONAL:
            setattr(common, keyword, value if re.fullmatch(pattern, value) else "")
    common.StudyInstanceUID = _kept_uid(header, "StudyInstanceUID") or generate_uid(prefix=None)


def _kept_value(header: Dataset, keyword: str) -> str:
    try:
        return str(header.get(keyword) or "").strip()
    except Exception:  # pydicom decodes late, and its errors for broken bytes have no common base
        return ""


def _kept_uid(header: Dataset, keyword: str) -> UID | None:
    uid = UID(_kept_value(header, keyword), validation_mode=pydicom.config.IGNORE)
    return uid if uid.is_valid else None


def _mark_as_synthetic(common: Dataset, header: Dataset, provenance: Provenance) -> None:
    common.SyntheticData = "YES"
    common.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    common.ContentQualification = "RESEARCH"
    common.BurnedInAnnotation = "NO"
    made_by = f"Model {provenance.model_name} {provenance.model_version}, SHA-256 {provenance.model_sha256}"
    derivation = f"{SYNTHETIC_NOTICE}. {made_by}. {provenance.derivation}"
    common.DerivationDescription = _text(derivation, _DERIVATION_LIMIT)
    equipment = Dataset()
    equipment.PurposeOfReferenceCodeSequence = [_code("109100", "Synthesizing Equipment")]
    equipment.Manufacturer = common.Manufacturer
    equipment.ManufacturerModelName = common.ManufacturerModelName
    equipment.SoftwareVersions = common.SoftwareVersions
    equipment.DeviceSerialNumber = common.DeviceSerialNumber
    equipment.ContributionDateTime = common.ContentDate + common.ContentTime
    equipment.ContributionDescription = _text(made_by, _DERIVATION_LIMIT)
    common.ContributingEquipmentSequence = [equipment]
    source_class, source_instance = _kept_uid(header, "SOPClassUID"), _kept_uid(header, "SOPInstanceUID")
    if source_class and source_instance:
        source = Dataset()
        source.ReferencedSOPClassUID = source_class
        source.ReferencedSOPInstanceUID = source_instance
        source.PurposeOfReferenceCodeSequence = [_code("121322", "Source image for image processing operation")]
        common.SourceImageSequence = [source]


def _write_slice(common: Dataset, image: sitk.Image, stored: np.ndarray, k: int, folder: Path) -> str:
    position = image.TransformIndexToPhysicalPoint((0, 0, k))
    common.SOPInstanceUID = common.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    common.InstanceNumber = len(stored) - k
    common.ImagePositionPatient = [_decimal(value) for value in position]
    common.SliceLocation = _decimal(position[2])
    common.PixelData = stored[k].tobytes()
    name = f"IM{common.InstanceNumber:05d}.dcm"
    common.save_as(folder / name, enforce_file_format=True)
    return name


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _decimal(value: float) -> str:
    """DICOM's decimal string: at most 16 characters; 1e-6 mm is far below any voxel."""
    return f"{round(float(value), 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def _text(value: str, length: int) -> str:
    """One line without control characters and backslashes (DICOM's separator of values), cut to ``length``."""
    text = " ".join("".join(c if c.isprintable() and c != "\\" else " " for c in value).split())[:length]
    # DICOM pads to an even number of bytes, and readers count the padding as a character.
    padded = len(text) + len(text.encode()) % 2
    return text[: len(text) - max(padded - length, 0)].rstrip()
