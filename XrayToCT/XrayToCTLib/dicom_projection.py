"""The projection of a synthetic CT as a DICOM Secondary Capture (PS3.3 A.8.1): a picture, and no radiograph.

DX and CR are for what a detector recorded, and readers hang such objects as X-rays. The picture bears the notice below
its last row, as PNG files do: viewers can switch a header's text off, and a projection looks like an X-ray.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.uid import SecondaryCaptureImageStorage

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.dicom_marks import DicomStudy, SeriesKind, decimal, marked_dataset, new_instance
from XrayToCTLib.marking import PROJECTION_NOTICE
from XrayToCTLib.pictures import gray_picture, with_notice

_KIND = SeriesKind(PROJECTION_NOTICE, "OT", 9002, ("DERIVED", "SECONDARY", "OTHER", "PROJECTION"))
_LEGIBLE_COLUMNS = 512


def write_dicom_projection(image: sitk.Image, path: str | Path, study: DicomStudy) -> Path:
    """Write a projection as a picture of 8 bits with its place in the space of the CT, whole or not at all.

    Args:
        image: (1, H, W) in [0, 1], see `volume.radiograph_image`. Each pixel is repeated until the notice is legible;
            its geometry stays.
        path: the file.
        study: that of the CT.

    Returns:
        The path.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    values = sitk.GetArrayViewFromImage(image)
    if values.ndim != 3 or len(values) != 1:
        raise ValueError(f"a projection is one picture in space, not {values.shape}")
    repeats = math.ceil(_LEGIBLE_COLUMNS / values.shape[2])
    picture = with_notice(gray_picture(values[0]).repeat(repeats, 0).repeat(repeats, 1), PROJECTION_NOTICE)
    direction = np.reshape(image.GetDirection(), (3, 3))
    spacing = [step / repeats for step in image.GetSpacing()[:2]]
    # The centre of the first small pixel is not that of the large one.
    inwards = [0.5 / repeats - 0.5] * 2
    origin = image.TransformContinuousIndexToPhysicalPoint([*inwards, 0.0])

    made = marked_dataset(study, SecondaryCaptureImageStorage, _KIND)
    new_instance(made, 1)
    made.ConversionType = "WSD"
    made.PatientOrientation = ["L", "F"]
    made.FrameOfReferenceUID = study.frame_of_reference_uid
    made.PositionReferenceIndicator = ""
    made.ImagePositionPatient = [decimal(value) for value in origin]
    made.ImageOrientationPatient = [decimal(value) for value in [*direction[:, 0], *direction[:, 1]]]
    made.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    made.PixelSpacingCalibrationType = "GEOMETRY"
    made.PixelSpacingCalibrationDescription = "In the plane through the centre of the CT"
    made.ImageComments = "Computed from a synthetic CT; no detector recorded it."
    made.Rows, made.Columns = picture.shape
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.PixelRepresentation = 0
    made.PixelData = picture.tobytes() + b"\0" * (picture.size % 2)
    path = Path(path)
    with replacing(path, ".dcm") as temporary:
        made.save_as(temporary, enforce_file_format=True)
    return path
