"""A synthetic CT, and maps that belong to it, as DICOM series that say everywhere what they are.

The CT is a CT Image (DICOM PS3.3 A.3). A map is no CT and must not be filed, measured or hung as one: its slices are
Secondary Captures (A.8.1) with modality OT, extended by position and orientation, which Slicer, ITK and GDCM read
without a plugin (of a Parametric Map Slicer's core reads nothing).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage, SecondaryCaptureImageStorage

from XrayToCTLib.dicom_marks import (
    DicomStudy,
    SeriesKind,
    decimal,
    image_reference,
    instances,
    marked_dataset,
    new_instance,
)
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import SALIENCY_NOTICE, SYNTHETIC_NOTICE, UNCERTAINTY_NOTICE

_INTERCEPT = -1024
_LARGEST_STORED = 65535
_FILE_PATTERN = re.compile(r"IM\d{5}\.dcm")
_CT = SeriesKind(SYNTHETIC_NOTICE, "CT", 9001, ("DERIVED", "SECONDARY", "AXIAL"))


@dataclass(frozen=True)
class MapKind:
    """A kind of map: its series, how it is stored, and how it is first shown.

    Attributes:
        step: what one stored number means; values are stored from 0 in these steps.
        unit: DICOM's Rescale Type (HU, or US for a number without a unit).
        window: level and width.
        meaning: a sentence for the DICOM header.
    """

    series: SeriesKind
    step: float
    unit: str
    window: tuple[float, float]
    meaning: str


#: Kinds of maps by name.
MAP_KINDS = {
    "uncertainty": MapKind(
        series=SeriesKind(UNCERTAINTY_NOTICE, "OT", 9003, ("DERIVED", "SECONDARY", "OTHER", "UNCERTAINTY")),
        step=0.1,
        unit="HU",
        window=(150, 300),
        meaning="Values are standard deviations in HU, not densities.",
    ),
    "saliency": MapKind(
        series=SeriesKind(SALIENCY_NOTICE, "OT", 9004, ("DERIVED", "SECONDARY", "OTHER", "SALIENCY")),
        step=0.0001,
        unit="US",
        window=(0.5, 1),
        meaning="Values from 0 to 1 are the weight of a place in a classifier's score, not densities.",
    ),
}


def write_dicom_series(image: sitk.Image, folder: str | Path, study: DicomStudy) -> list[Path]:
    """Write a CT image as one DICOM file a slice, from superior to inferior where k runs to superior.

    The folder appears complete or not at all. A series that this function wrote there before is replaced; a folder
    that holds anything else is refused.

    Args:
        image: int16 HU, three dimensions; values below -1024 become -1024.
        folder: where the files ``IM00001.dcm`` and on go.
        study: the X-ray's patient and study, and what made the CT.

    Returns:
        The files in order.

    Raises:
        UnsuitableInput: the folder holds other files.
        ValueError: the image is not int16 or not three-dimensional.
    """
    if image.GetDimension() != 3 or image.GetPixelID() != sitk.sitkInt16:
        raise ValueError("a CT series is written from a three-dimensional int16 image")
    stored = np.maximum(sitk.GetArrayViewFromImage(image).astype(np.int32) - _INTERCEPT, 0).astype("<u2")
    common = _common(image, study, CTImageStorage, _CT)
    common.RescaleIntercept, common.RescaleSlope, common.RescaleType = _INTERCEPT, 1, "HU"
    common.WindowCenter, common.WindowWidth = -600, 1500
    common.KVP = None
    common.AcquisitionNumber = None
    return _write_slices(common, image, stored, folder)


def write_derived_series(
    image: sitk.Image, kind: str, folder: str | Path, study: DicomStudy, ct_files: Sequence[Path] = ()
) -> list[Path]:
    """Write a map that belongs to a synthetic CT as a DICOM series of its own, as :func:`write_dicom_series` does.

    Args:
        image: three dimensions, in the space of the CT (see `volume.image_from_network`). Values that cannot be stored
            are clipped: uncertainty to 0 to 6553.5 HU in steps of 0.1, saliency to 0 to 1 in steps of 0.0001.
        kind: "uncertainty" (standard deviation in HU) or "saliency" (0 to 1), see `MAP_KINDS`.
        folder: where the files ``IM00001.dcm`` and on go.
        study: that of the CT, so that both lie in one space.
        ct_files: what :func:`write_dicom_series` returned for the CT of the same size: each slice refers to its own.

    Returns:
        The files in order.

    Raises:
        UnsuitableInput: the folder holds other files.
        ValueError: another kind, not finite, not three-dimensional, or another number of slices than the CT's.
    """
    if kind not in MAP_KINDS:
        raise ValueError(f"a map must be one of {', '.join(MAP_KINDS)}, not {kind!r}")
    values = np.asarray(sitk.GetArrayViewFromImage(image), np.float64)
    if values.ndim != 3 or not np.isfinite(values).all():
        raise ValueError(f"a map of {kind} needs finite values in three dimensions")
    if ct_files and len(ct_files) != len(values):
        raise ValueError(f"a map of {len(values)} slices does not belong to a CT of {len(ct_files)}")
    chosen = MAP_KINDS[kind]
    largest = 1.0 if kind == "saliency" else _LARGEST_STORED * chosen.step
    stored = np.rint(np.clip(values, 0, largest) / chosen.step).astype("<u2")
    common = _common(image, study, SecondaryCaptureImageStorage, chosen.series)
    common.ConversionType = "WSD"
    common.PatientOrientation = ""
    common.RescaleIntercept, common.RescaleSlope, common.RescaleType = 0, decimal(chosen.step), chosen.unit
    common.WindowCenter, common.WindowWidth = (decimal(value) for value in chosen.window)
    common.ImageComments = chosen.meaning
    return _write_slices(common, image, stored, folder, ct_files)


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


def _common(image: sitk.Image, study: DicomStudy, sop_class: UID, kind: SeriesKind) -> Dataset:
    """Everything that the slices share but the meaning of their values."""
    common = marked_dataset(study, sop_class, kind)
    common.PatientPosition = "HFS"
    common.FrameOfReferenceUID = study.frame_of_reference_uid
    common.PositionReferenceIndicator = ""
    columns, rows, _ = image.GetSize()
    spacing, direction = image.GetSpacing(), np.reshape(image.GetDirection(), (3, 3))
    common.Rows, common.Columns = rows, columns
    common.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    common.SliceThickness = common.SpacingBetweenSlices = decimal(spacing[2])
    common.ImageOrientationPatient = [decimal(value) for value in [*direction[:, 0], *direction[:, 1]]]
    common.SamplesPerPixel = 1
    common.PhotometricInterpretation = "MONOCHROME2"
    common.BitsAllocated = common.BitsStored = 16
    common.HighBit = 15
    common.PixelRepresentation = 0
    return common


def _write_slices(
    common: Dataset, image: sitk.Image, stored: np.ndarray, folder: str | Path, ct_files: Sequence[Path] = ()
) -> list[Path]:
    """Slices (z, y, x) of numbers as they are stored, and for each the CT's to refer to."""
    folder = Path(folder).absolute()
    check_replaceable(folder)
    references = [image_reference(ct) for ct in instances(ct_files)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".xraytoct-", dir=folder.parent) as temporary:
        new = Path(temporary) / "new"
        new.mkdir()
        # Readers list slices from the head down, ITK stacks them from the feet up.
        names = [_write_slice(common, image, stored, k, new, references) for k in reversed(range(len(stored)))]
        if folder.exists():
            os.replace(folder, Path(temporary) / "old")
        os.replace(new, folder)
    return [folder / name for name in names]


def _write_slice(
    common: Dataset, image: sitk.Image, stored: np.ndarray, k: int, folder: Path, references: Sequence[Dataset]
) -> str:
    position = image.TransformIndexToPhysicalPoint((0, 0, k))
    new_instance(common, len(stored) - k)
    common.ImagePositionPatient = [decimal(value) for value in position]
    common.SliceLocation = decimal(position[2])
    if references:
        common.ReferencedImageSequence = [references[common.InstanceNumber - 1]]
    common.PixelData = stored[k].tobytes()
    name = f"IM{common.InstanceNumber:05d}.dcm"
    common.save_as(folder / name, enforce_file_format=True)
    return name
