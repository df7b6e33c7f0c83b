"""A frontal chest radiograph from any file: read, turned as displayed, bone bright, normalised, without frames."""

import gzip
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom

from XrayToCTLib.framing import content_box, square_field
from XrayToCTLib.grayscale import chest_likeness, normalise
from XrayToCTLib.options import AS_RECORDED, Reading
from XrayToCTLib.photograph import straighten_film
from XrayToCTLib.radiograph_dicom import is_radiographic, read_dicom
from XrayToCTLib.radiograph_files import read_medical_image, read_picture
from XrayToCTLib.recorded_image import SMALLEST_SIDE, RecordedImage, unsuitable

__all__ = ["Radiograph", "network_input", "normalise", "padded_side_mm", "read_radiograph"]

_PICTURE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NIFTI_MAGIC = (b"n+1\0", b"ni1\0")
# Of 480 frontal radiographs the chest_likeness is 0.18 or more, its median 0.7.
_SURELY_CHEST = 0.3
_DOUBTFUL = 0.1


@dataclass(frozen=True)
class Radiograph:
    """A frontal radiograph as displayed.

    Attributes:
        pixels: (H, W) float32 in [0, 1]; row 0 superior, column 0 the patient's right, bone bright; frames and
            collimator margins are cut off; not yet square.
        spacing_mm: (row, column) pixel spacing as recorded, None if unknown.
        magnification: divide the spacing by it to get mm in the patient; 1.0 where the spacing is calibrated to the
            patient, None if unknown.
        view: "PA" or "AP".
        source: the file.
        warnings: one sentence each.
        header: DICOM header without pixel data, None for other files.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float] | None
    magnification: float | None
    view: str
    source: Path
    warnings: tuple[str, ...]
    header: pydicom.Dataset | None


def read_radiograph(path: str | Path, reading: Reading = AS_RECORDED) -> Radiograph:
    """Read a frontal chest radiograph from a DICOM, PNG, JPEG, TIFF, NRRD, NIfTI or MetaImage file.

    The content decides, not the extension. Left and right are never exchanged by guess: only a header that records
    the patient's orientation, or the user, turns a picture.

    Raises:
        UnsuitableInput: the file is missing, damaged, or not a single frontal radiograph of 64 pixels on either side
            to 100 megapixels; one sentence that names the file and the remedy.
    """
    path = Path(path)
    image = _flipped_and_cropped(_read_any(path, reading.view), reading, path)
    notes = list(image.warnings)
    try:
        rough = normalise(image.values)
        film = straighten_film(rough, certain=not image.photographed) if _may_be_photograph(image) else None
        values = image.values if film is None else film
        shown = rough if film is None else normalise(film)
        box, inverted, polarity_notes = _frame_and_polarity(shown, reading.invert, image)
        # The frame must not take part in the normalisation, so that comes last, and only once.
        pixels = normalise(-values[box] if inverted else values[box])
    except ValueError as error:
        raise unsuitable(path, "is empty or shows one even grey", "give a frontal chest radiograph") from error
    if min(pixels.shape) < SMALLEST_SIDE:
        raise unsuitable(
            path,
            f"shows a picture of only {pixels.shape[0]} x {pixels.shape[1]} pixels inside its frame",
            "crop the frame off or give a larger copy of the radiograph",
        )
    notes += polarity_notes
    if film is not None:
        notes.append("The picture is a photograph of a film: it was straightened, and results are less reliable.")
    elif image.photographed:
        notes.append("The picture seems to be a photograph whose film edges were not found: it was not straightened.")
    spacing = image.spacing_mm if film is None else None
    magnification = image.magnification if spacing else None
    return Radiograph(
        pixels=pixels,
        spacing_mm=spacing,
        magnification=magnification,
        view=reading.view or image.view or "PA",
        source=path,
        warnings=tuple(notes),
        header=image.header,
    )


def network_input(radiograph: Radiograph, size: int = 128) -> np.ndarray:
    """The radiograph as a network sees it: padded to a square with black, never stretched, antialiased.

    Pixels that are not square by their recorded spacing are taken with their true shape.

    Returns:
        (size, size) float32 in [0, 1].
    """
    field = square_field(radiograph.pixels, size, radiograph.spacing_mm or (1.0, 1.0))
    return field.clip(0, 1)


def padded_side_mm(radiograph: Radiograph) -> float | None:
    """Side in mm of the square field of :func:`network_input`, in the patient; None if the spacing is unknown.

    Where the magnification is unknown this is the field at the detector (see :mod:`XrayToCTLib.physical_size`).
    """
    if radiograph.spacing_mm is None:
        return None
    sides = (count * spacing for count, spacing in zip(radiograph.pixels.shape, radiograph.spacing_mm, strict=True))
    return max(sides) / (radiograph.magnification or 1.0)


def _flipped_and_cropped(image: RecordedImage, reading: Reading, path: Path) -> RecordedImage:
    """The image as though the file held only the part that ``reading`` keeps."""
    values, notes = image.values, []
    if reading.flip:
        values = values[:, ::-1]
        notes.append("Left and right were exchanged on request: compare the side marker.")
    if reading.crop is not None:
        rows, columns = values.shape
        top, bottom, left, right = reading.crop
        values = values[round(top * rows) : round(bottom * rows), round(left * columns) : round(right * columns)]
        notes.append("The X-ray was cropped on request.")
        if min(values.shape) < SMALLEST_SIDE:
            kept = f"keeps only {values.shape[0]} x {values.shape[1]} pixels of its crop"
            raise unsuitable(path, kept, f"crop it less, to at least {SMALLEST_SIDE} pixels on either side")
    return replace(image, values=np.ascontiguousarray(values), warnings=(*image.warnings, *notes))


def _read_any(path: Path, view: str | None) -> RecordedImage:
    """Read a file by what its first bytes say it is."""
    try:
        if not path.exists():
            raise unsuitable(path, "does not exist", "check the path")
        if not path.is_file():
            raise unsuitable(path, "is not a file", "give the radiograph itself")
        with path.open("rb") as file:
            head = file.read(4096)
    except (OSError, ValueError) as error:
        raise unsuitable(path, "cannot be opened", "check the path and its permissions") from error
    if not head:
        raise unsuitable(path, "is empty", "export the radiograph again")
    if head[128:132] == b"DICM":
        return read_dicom(path, view)
    if head.startswith(_PICTURE_SIGNATURES):
        return read_picture(path)
    if head.startswith(b"NRRD000"):
        return read_medical_image(path, "NRRD")
    if head[4:7] in (b"n+2", b"ni2"):
        raise unsuitable(path, "is a NIfTI-2 file, which ITK does not read", "save the radiograph as NIfTI-1 or NRRD")
    if _is_nifti(path, head):
        return read_medical_image(path, "NIfTI")
    if b"ElementType" in head and b"NDims" in head and b"DimSize" in head:
        return read_medical_image(path, "MetaImage")
    if _is_bare_dicom(path):
        return read_dicom(path, view)
    raise unsuitable(
        path, "is not an image of a known kind or is damaged", "give DICOM, PNG, JPEG, TIFF, NRRD, NIfTI or MHA"
    )


def _is_nifti(path: Path, head: bytes) -> bool:
    if head.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(path, "rb") as stream:
                head = stream.read(352)
        except (OSError, EOFError, ValueError):
            return False
        except Exception:  # zlib.error and whatever else a damaged archive provokes
            return False
    return head[344:348] in _NIFTI_MAGIC


def _is_bare_dicom(path: Path) -> bool:
    """Whether a file without DICOM's preamble still reads as a DICOM image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            return is_radiographic(header)
        except Exception:  # forced on arbitrary bytes, pydicom raises anything
            return False


def _may_be_photograph(image: RecordedImage) -> bool:
    return image.photographed or (image.header is None and image.spacing_mm is None)


def _frame_and_polarity(
    pixels: np.ndarray, invert: str, image: RecordedImage
) -> tuple[tuple[slice, slice], bool, list[str]]:
    """Slices inside the frame, whether to invert, and warnings: both readings of the grey scale are compared."""
    readings = [pixels, 1 - pixels]
    boxes = [content_box(reading) for reading in readings]
    likeness = [chest_likeness(reading[box]) for reading, box in zip(readings, boxes, strict=True)]
    notes = []
    if invert == "auto" and not image.polarity_known:
        # Film shows bone bright, and an untidy photograph resembles nothing: only good evidence turns it.
        inverted = likeness[1] > max(likeness[0], _SURELY_CHEST if image.photographed else -1.0)
        if inverted:
            notes.append("The picture shows bone dark, so it was inverted.")
    else:
        inverted = invert == "yes"
        if likeness[not inverted] > _SURELY_CHEST:
            notes.append("The picture seems to show bone dark: check it, and change the inversion option if so.")
    if max(likeness) < _DOUBTFUL:
        notes.append("The picture hardly looks like a frontal chest: check that it is one, and that bone is bright.")
    return boxes[inverted], inverted, notes
