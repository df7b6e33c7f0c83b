"""Radiographs in DICOM: what the header says, and the grey values that it asks a viewer to show."""

import re
import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, convert_color_space
from pydicom.uid import DeflatedExplicitVRLittleEndian

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.grayscale import is_colourful, luminance
from XrayToCTLib.itk_reader import read_single_slice
from XrayToCTLib.orientation import as_displayed, direction_letter
from XrayToCTLib.recorded_image import (
    RecordedImage,
    check_size,
    positive_spacing,
    unreadable,
    unsuitable,
)

_RADIOGRAPHY = {"CR", "DX", "DR", "RG", "RF", "XA"}
_CAPTURED = {"", "OT", "SC", "XC", "HC"}
# Storage classes: CR, DX (presentation, processing), secondary capture (single, multi-frame), XA, RF, photographs.
_STORAGE_CLASS = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(1|1\.1|1\.1\.1|7|7\.[1-4]|12\.1|12\.2|77\.1\.4)")
_SECONDARY_CAPTURE = re.compile(r"1\.2\.840\.10008\.5\.1\.4\.1\.1\.(7(\.[1-4])?|77\.1\.4)")
_JPEG_SYNTAX = re.compile(r"1\.2\.840\.10008\.1\.2\.4\.[578]\d")  # JPEG and JPEG-LS, not JPEG 2000
_JPEG_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_LARGEST_INFLATED = 1 << 30
_OTHER_RADIOGRAPH = "give a frontal chest radiograph"


def read_dicom(path: Path, view: str | None = None) -> RecordedImage:
    """Read a radiograph from a DICOM file (CR, DX, secondary capture), with or without preamble.

    Modality LUT or rescale, VOI LUT or the first window, and MONOCHROME1 are applied; PatientOrientation, else
    ImageOrientationPatient, turns the picture. A window that shows next to nothing is left out, with a warning.

    Args:
        path: the file.
        view: "PA" or "AP" overrides what the header says about the projection.

    Raises:
        UnsuitableInput: not a single, frontal, radiographic image of 64 pixels to 100 megapixels, or not decodable.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom reports each irregular value, and none matters unless it is used
        try:
            _check_inflated_size(path)
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            recorded_view = _check_header(path, header, view)
            axes = _patient_axes(path, header)
            values, notes, colourful = _displayed_values(path, header)
            spacing, magnification = recorded_spacing(header)
        except UnsuitableInput:
            raise
        except Exception as error:  # pydicom raises whatever a hostile byte provokes
            raise unreadable(path, "DICOM") from error
    if axes is None:
        notes.append("The DICOM header records no patient orientation, so the image was taken as displayed.")
    else:
        values, transposed = as_displayed(values, *axes)
        if transposed and spacing is not None:
            spacing = spacing[::-1]
    captured = _is_captured(header)
    if not captured and header_text(header, "PresentationIntentType") == "FOR PROCESSING":
        notes.append("The DICOM image is raw detector data meant for processing, so its grey scale was guessed.")
        captured = True
    part = header_text(header, "BodyPartExamined")
    if part and not re.search("CHEST|THORAX|LUNG|RIB", part):
        notes.append(f"The DICOM header names the body part {part[:32]!r}, not the chest.")
    return RecordedImage(
        values=values,
        spacing_mm=spacing,
        magnification=magnification,
        view=recorded_view,
        polarity_known=not captured,
        photographed=colourful or header_text(header, "Modality") == "XC",
        warnings=tuple(notes),
        header=header,
        synthetic=header_text(header, "SyntheticData") == "YES",
    )


def is_radiographic(header: pydicom.Dataset) -> bool:
    """Whether a data set read by force has the tags of an image, so that the file really was DICOM."""
    described = any(keyword in header for keyword in ("SOPClassUID", "Modality", "PhotometricInterpretation"))
    return described and "Rows" in header and "Columns" in header


def recorded_spacing(header: pydicom.Dataset) -> tuple[tuple[float, float] | None, float | None]:
    """Pixel spacing in mm (row, column) and the magnification from the patient to the plane where it holds.

    In this order: PixelSpacing with a PixelSpacingCalibrationType (calibrated to the patient, magnification 1);
    ImagerPixelSpacing; PixelSpacing; NominalScannedPixelSpacing. For all but the first the magnification is
    EstimatedRadiographicMagnificationFactor, else DistanceSourceToDetector / DistanceSourceToPatient, else None. Zero
    or senseless values count as missing.

    Source: DICOM PS3.3 10.7.1 (Basic Pixel Spacing Calibration Macro) and C.8.7.1 (X-ray).
    """
    calibrated = _spacing(header, "PixelSpacing")
    if calibrated and header_text(header, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL"):
        return calibrated, 1.0
    spacing = _spacing(header, "ImagerPixelSpacing") or calibrated or _spacing(header, "NominalScannedPixelSpacing")
    if spacing is None:
        return None, None
    factors = _numbers(header, "EstimatedRadiographicMagnificationFactor")
    distances = _numbers(header, "DistanceSourceToDetector") + _numbers(header, "DistanceSourceToPatient")
    if len(distances) == 2 and distances[1] > 0:
        factors.append(distances[0] / distances[1])
    return spacing, next((factor for factor in factors if 1.0 <= factor <= 3.0), None)


def _spacing(header: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    numbers = _numbers(header, keyword)
    return positive_spacing(numbers[0], numbers[1]) if len(numbers) == 2 else None


def _check_inflated_size(path: Path) -> None:
    """Refuse a deflated data set that would unpack to more than 1 GiB: pydicom unpacks it whole."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
        meta = pydicom.filereader.read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        file.seek(144 + meta.FileMetaInformationGroupLength)
        unpacker, unpacked = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while chunk := unpacker.unconsumed_tail or file.read(1 << 16):
            unpacked += len(unpacker.decompress(chunk, 1 << 20))
            if unpacked > _LARGEST_INFLATED:
                raise unsuitable(path, "unpacks to more than 1 GiB", "give a smaller copy of the radiograph")


def _check_header(path: Path, header: pydicom.Dataset, view: str | None) -> str | None:
    """Refuse all but a single frontal radiographic image; the view that the header records, or ``view``."""
    if not is_radiographic(header):
        raise unsuitable(path, "is DICOM without an image", _OTHER_RADIOGRAPH)
    modality = header_text(header, "Modality")
    storage_class = str(header.get("SOPClassUID", "") or "")
    if modality not in _RADIOGRAPHY | _CAPTURED or (storage_class and not _STORAGE_CLASS.fullmatch(storage_class)):
        raise unsuitable(path, f"is not a chest radiograph but a {modality or 'different'} image", _OTHER_RADIOGRAPH)
    if int(header.get("NumberOfFrames", 1) or 1) > 1:
        raise unsuitable(path, "has more than one frame", "export the one frame that shows the chest")
    check_size(path, int(header.Rows), int(header.Columns))
    return view or _recorded_view(path, header)


def _recorded_view(path: Path, header: pydicom.Dataset) -> str | None:
    """ "PA", "AP" or None where nothing tells it; lateral and oblique views are refused."""
    position = header_text(header, "ViewPosition")
    if not position:
        codes: Sequence[Any] = header.get("ViewCodeSequence") or ()
        position = " ".join(header_text(code, "CodeMeaning") for code in codes) or header_text(
            header, "SeriesDescription"
        )
    words = set(re.findall("[A-Z]+", position.replace("-", "")))
    frontal = {"PA", "POSTEROANTERIOR"} & words, {"AP", "ANTEROPOSTERIOR"} & words
    if not any(frontal) and "DECUBITUS" not in words:
        if words & {"LL", "RL", "LAT", "LATERAL"}:
            raise unsuitable(path, "is a lateral view", _OTHER_RADIOGRAPH + ", or name the view if the header errs")
        if words & {"RLO", "LLO", "RAO", "LAO", "RPO", "LPO", "OBLIQUE"}:
            raise unsuitable(path, "is an oblique view", _OTHER_RADIOGRAPH + ", or name the view if the header errs")
    if frontal[0] and not frontal[1]:
        return "PA"
    return "AP" if frontal[1] and not frontal[0] else None


def _patient_axes(path: Path, header: pydicom.Dataset) -> tuple[str, str] | None:
    """Letters of the directions along a row and down a column, or None where the header does not tell."""
    recorded = header.get("PatientOrientation")
    letters = [str(part)[:1].upper() for part in recorded] if recorded and not isinstance(recorded, str) else []
    if len(letters) != 2 or not set(letters) <= set("LRAPHF"):
        cosines = _numbers(header, "ImageOrientationPatient")
        if len(cosines) != 6 or not (np.any(cosines[:3]) and np.any(cosines[3:])):
            return None
        letters = [direction_letter(cosines[:3]), direction_letter(cosines[3:])]
    pairs = {("LR", "HF", "AP")[[letter in pair for pair in ("LR", "HF", "AP")].index(True)] for letter in letters}
    if "AP" in pairs:
        raise unsuitable(path, "is not a frontal view by its recorded patient orientation", _OTHER_RADIOGRAPH)
    return (letters[0], letters[1]) if len(pairs) == 2 else None


def _displayed_values(path: Path, header: pydicom.Dataset) -> tuple[np.ndarray, list[str], bool]:
    """(H, W) float32 grey values as the header asks to display them, warnings, and whether there was colour."""
    dataset = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        # Without a meta header only these two occur; pydicom has already found out which.
        implicit, little = dataset.original_encoding
        syntax = "1.2.840.10008.1.2" if implicit else ("1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2")
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    try:
        stored = dataset.pixel_array
    except (RuntimeError, NotImplementedError):  # pydicom may have no decoder for this transfer syntax here
        # For others ITK knows no more than pydicom, and damaged run lengths have been seen to kill the process in it.
        if not _JPEG_SYNTAX.fullmatch(dataset.file_meta.TransferSyntaxUID):
            raise
        _check_jpeg_frame(dataset)
        stored = _stored_values_by_itk(path, dataset)
    if stored.shape[:2] != (header.Rows, header.Columns):
        raise ValueError("pixel data and header disagree")
    photometric = header_text(dataset, "PhotometricInterpretation")
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
    elif photometric.startswith("YBR") and stored.ndim == 3:
        stored = convert_color_space(stored, photometric, "RGB")
    if stored.ndim == 3:
        full_scale = float(2 ** min(16, 8 * stored.dtype.itemsize) - 1)
        return luminance(stored[..., :3]), [], is_colourful(stored[..., :3], full_scale)
    values = np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)
    values, notes = _windowed(values, dataset)
    if photometric == "MONOCHROME1":
        values = -values
    padding = _padding_mask(stored, dataset)
    if padding is not None and not padding.all():
        values = np.where(padding, values[~padding].min(), values)
    return values, notes, False


def _windowed(values: np.ndarray, dataset: pydicom.Dataset) -> tuple[np.ndarray, list[str]]:
    """VOI LUT or first window applied, unless it is broken or leaves less than a quarter of the pixels unclipped."""
    if "VOILUTSequence" not in dataset and "WindowWidth" not in dataset:
        return values, []
    try:
        has_lut = bool(dataset.get("VOILUTSequence"))
        shown = apply_voi_lut(values.astype(np.int32) if has_lut else values, dataset)
        low, high = shown.min(), shown.max()
        if low < high and np.mean((shown > low) & (shown < high)) > 0.25:
            return np.asarray(shown, dtype=np.float32), []
    except Exception:  # whatever is wrong with the window, the picture is readable without it
        pass
    return values, ["The display window in the DICOM header does not fit the image and was ignored."]


def _padding_mask(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray | None:
    """(H, W) mask of pixels that carry PixelPaddingValue (up to PixelPaddingRangeLimit): no part of the picture."""
    bounds = _numbers(dataset, "PixelPaddingValue") + _numbers(dataset, "PixelPaddingRangeLimit")
    return (stored >= min(bounds)) & (stored <= max(bounds)) if bounds else None


def _check_jpeg_frame(dataset: pydicom.Dataset) -> None:
    """Raise ValueError unless the first JPEG frame header agrees with the DICOM header.

    Contradictions between the two have been seen to kill the process inside ITK's decoder.
    """
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    position = 2  # after the start-of-image marker
    while stream[position] == 0xFF and stream[position + 1] not in _JPEG_FRAME_MARKERS:
        position += 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
    precision, rows, columns, samples = struct.unpack_from(">BHHB", stream, position + 4)
    bits = int(dataset.BitsAllocated)
    if stream[position] != 0xFF or (rows, columns, samples) != (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel):
        raise ValueError("the JPEG stream and the DICOM header disagree on the size")
    if bits not in (8, 16) or not (bits // 2 if bits == 16 else 1) < precision <= bits:
        raise ValueError("the JPEG stream and the DICOM header disagree on the depth")
    if not 1 <= dataset.BitsStored <= bits or dataset.HighBit != dataset.BitsStored - 1:
        raise ValueError("senseless bit depth")


def _stored_values_by_itk(path: Path, dataset: pydicom.Dataset) -> np.ndarray:
    """Stored values from ITK, which has decoders that pydicom lacks, with ITK's rescaling and inversion undone.

    ITK turns MONOCHROME1 into largest value - value (measured on SimpleITK 2.5: 2^BitsStored - 1, and -1 for signed
    values), then rescales. The header's own steps follow afterwards, as for values decoded by pydicom.
    """
    image = read_single_slice(path, "GDCMImageIO")
    if image is None:
        raise ValueError("more than one slice")
    values = np.squeeze(sitk.GetArrayFromImage(image))
    if image.GetNumberOfComponentsPerPixel() > 1:
        dataset.PhotometricInterpretation = "RGB"  # ITK has converted it
        return values
    slope = (_numbers(dataset, "RescaleSlope") or [1.0])[0] or 1.0
    intercept = (_numbers(dataset, "RescaleIntercept") or [0.0])[0]
    stored = np.rint((values - intercept) / slope).astype(np.int32)
    if header_text(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        largest = -1 if dataset.PixelRepresentation else 2 ** int(dataset.BitsStored) - 1
        stored = largest - stored
    return stored


def _is_captured(header: pydicom.Dataset) -> bool:
    """Whether the file is a secondary capture, whose photometric interpretation says nothing about bone."""
    storage_class = str(header.get("SOPClassUID", "") or "")
    return header_text(header, "Modality") not in _RADIOGRAPHY or bool(_SECONDARY_CAPTURE.fullmatch(storage_class))


def read_header(path: Path) -> pydicom.Dataset | None:
    """The header of a DICOM file, without pixels; None where there is none that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _check_inflated_size(path)
            return pydicom.dcmread(path, stop_before_pixels=True, force=True)
        except Exception:  # pydicom raises whatever a hostile byte provokes
            return None


def header_text(dataset: pydicom.Dataset, keyword: str) -> str:
    """An element as text without spaces around it, in capitals; empty where it is missing."""
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip().upper()


def _numbers(dataset: pydicom.Dataset, keyword: str) -> list[float]:
    """The finite numbers of an element; empty where it is missing or any of it is not a finite number."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return []
        parts = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError, OverflowError):
        return []
    return numbers if np.all(np.isfinite(numbers)) else []
