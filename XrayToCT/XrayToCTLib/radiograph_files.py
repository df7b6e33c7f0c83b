"""Radiographs in picture files (PNG, JPEG, TIFF) and single-slice medical images (NRRD, NIfTI, MetaImage)."""

import gzip
import math
import re
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageOps

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.grayscale import is_colourful, luminance
from XrayToCTLib.itk_reader import read_single_slice
from XrayToCTLib.marking import MARK, NIFTI_FIELD, NIFTI_MARK, is_marked
from XrayToCTLib.orientation import as_displayed, direction_letter
from XrayToCTLib.recorded_image import (
    LARGEST_PIXEL_COUNT,
    RecordedImage,
    check_size,
    positive_spacing,
    unreadable,
    unsuitable,
)

_TIFF_BITS_PER_SAMPLE, _TIFF_PHOTOMETRIC, _EXIF_MAKE = 258, 262, 271
_TIFF_WHITE_IS_ZERO = 0
_NIFTI_HEADER_BYTES = 352
_META_SAMPLE_BYTES = {
    prefix + name: size
    for name, size in {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}.items()
    for prefix in ("", "U")
}
_NOT_ONE_PICTURE = "export the one picture that shows the chest from the front"


def read_picture(path: Path) -> RecordedImage:
    """Read a PNG, JPEG or TIFF file, 8 or 16 bits, grey or colour, as displayed.

    Transparent parts become black. The resolution that such files record is that of a printer or screen, not of the
    patient, and is ignored. A camera's orientation tag is obeyed.

    Raises:
        UnsuitableInput: several pictures, under 64 pixels, over 100 megapixels, or not decodable.
    """
    kind = "picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are checked below, and odd metadata does not matter
            with Image.open(path, formats=("PNG", "JPEG", "TIFF")) as image:
                kind = str(image.format)
                check_size(path, image.height, image.width)
                # Cameras append a preview to a JPEG file, which makes it "MPO": the first picture is the photograph.
                if getattr(image, "n_frames", 1) > 1 and kind != "MPO":
                    raise unsuitable(path, "holds more than one picture", _NOT_ONE_PICTURE)
                made_by_camera = kind in ("JPEG", "MPO") and _EXIF_MAKE in image.getexif()
                synthetic = is_marked(image.info)
                samples, full_scale = _deep_colour(path, image) or _samples(image)
    except UnsuitableInput:
        raise
    except Image.DecompressionBombError as error:
        raise unsuitable(path, "has more than 100 megapixels", "give a smaller copy of the radiograph") from error
    except Exception as error:  # a damaged file makes Pillow and ITK raise almost anything
        raise unreadable(path, kind) from error
    return replace(_from_samples(samples, full_scale, photographed=made_by_camera), synthetic=synthetic)


def _samples(image: Image.Image) -> tuple[np.ndarray, float]:
    """(H, W) or (H, W, 2..4) samples in their full depth, with alpha last, and the value of full scale."""
    inverted = (
        image.mode.startswith("I;16")
        and image.format == "TIFF"
        and getattr(image, "tag_v2", {}).get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
    )
    image = ImageOps.exif_transpose(image)
    if image.mode not in ("1", "L", "LA", "I", "F", "RGB", "RGBA") and not image.mode.startswith("I;16"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "1":
        image = image.convert("L")
    samples = np.asarray(image)
    if inverted:  # Pillow does this for 8 bits only
        samples = samples.max() - samples
    return samples, 255.0 if samples.dtype == np.uint8 else 65535.0


def _deep_colour(path: Path, image: Image.Image) -> tuple[np.ndarray, float] | None:
    """Samples of a colour picture with more than 8 bits, which Pillow would cut to 8; None for any other picture."""
    if image.format == "PNG":
        with path.open("rb") as file:
            depth, colour_type = file.read(26)[24:26]
        deep = depth == 16 and colour_type != 0
    elif image.format == "TIFF":
        depths = getattr(image, "tag_v2", {}).get(_TIFF_BITS_PER_SAMPLE, (8,))
        deep = len(depths) > 1 and max(depths) > 8
    else:
        deep = False
    if not deep:
        return None
    decoded = read_single_slice(path, f"{image.format}ImageIO")
    if decoded is None:
        raise ValueError("more than one slice")
    return np.squeeze(sitk.GetArrayFromImage(decoded)), 65535.0


def _from_samples(samples: np.ndarray, full_scale: float, *, photographed: bool) -> RecordedImage:
    """Grey values of (H, W) or (H, W, channels) samples; an even number of channels ends in alpha."""
    values = samples.astype(np.float32) if samples.ndim == 2 else samples[..., 0].astype(np.float32)
    if samples.ndim == 3:
        if samples.shape[2] >= 3:
            photographed = photographed or is_colourful(samples[..., :3], full_scale)
            values = luminance(samples[..., :3])
        if samples.shape[2] in (2, 4):
            values = values * (samples[..., -1].astype(np.float32) / full_scale)
    return RecordedImage(values=values, photographed=photographed)


def read_medical_image(path: Path, kind: str) -> RecordedImage:
    """Read a single-slice NRRD, NIfTI or MetaImage file.

    A three-dimensional image of one coronal slice is turned by its recorded directions. Any other slice (two
    dimensions, or one "axial" slice, which is what programs write for a radiograph without orientation) is taken as
    displayed in the order of its samples: the first axis of the file runs from left to right on the display, the
    second from top to bottom. For NIfTI this means that the affine of a two-dimensional image is ignored, so that
    an image written from (column, row) samples reads as it was drawn.

    Args:
        path: the file; its extension does not matter.
        kind: "NRRD", "NIfTI" or "MetaImage".

    Raises:
        UnsuitableInput: a volume, a sagittal slice, pixel data in another file, a wrong size, or not decodable.
    """
    try:
        if kind == "NIfTI":
            image = _read_nifti(path)
        else:
            _check_attached(path, kind)
            image = read_single_slice(path, "NrrdImageIO" if kind == "NRRD" else "MetaImageIO")
    except UnsuitableInput:
        raise
    except Exception as error:  # a damaged file makes ITK raise almost anything
        raise unreadable(path, kind) from error
    if image is None:
        raise unsuitable(path, "is a volume, not a radiograph", _NOT_ONE_PICTURE)
    return _from_itk(path, image)


def _from_itk(path: Path, image: sitk.Image) -> RecordedImage:
    dimension = image.GetDimension()
    axes = sorted(range(dimension), key=lambda axis: image.GetSize()[axis] == 1)[:2]  # x-like axis, y-like axis
    axes.sort()
    samples = sitk.GetArrayFromImage(image)
    has_channels = image.GetNumberOfComponentsPerPixel() > 1
    shape = tuple(image.GetSize()[axis] for axis in reversed(axes))
    samples = samples.reshape(*shape, -1) if has_channels else samples.reshape(shape)
    full_scale = float(np.iinfo(samples.dtype).max) if np.issubdtype(samples.dtype, np.integer) else 1.0
    picture = _from_samples(samples, full_scale, photographed=False)
    values, spacing, magnification, notes = picture.values, [image.GetSpacing()[axis] for axis in axes[::-1]], None, []
    if dimension == 3:
        directions = np.reshape(image.GetDirection(), (3, 3))
        along_row, down_column = (direction_letter(directions[:, axis]) for axis in axes)
        letters = {along_row, down_column}
        if letters & set("HF") and letters & set("AP"):
            raise unsuitable(path, "is a sagittal slice by its recorded directions", "give a frontal radiograph")
        if letters & set("HF") and letters & set("LR"):
            values, transposed = as_displayed(values, along_row, down_column)
            spacing, magnification = (spacing[::-1] if transposed else spacing), 1.0
    if spacing == [1.0, 1.0]:
        notes.append("The recorded pixel spacing of 1 mm may only be the file format's default.")
    return RecordedImage(
        values=values,
        spacing_mm=positive_spacing(*spacing),
        magnification=magnification,
        photographed=picture.photographed,
        warnings=tuple(notes),
        synthetic=_is_synthetic(image),
    )


def _is_synthetic(image: sitk.Image) -> bool:
    """Whether the header bears our mark; of NIfTI, ITK hands on only its short fields."""
    # Looked up by name: a damaged header holds keys that are no text.
    metadata = {key: image.GetMetaData(key) for key in (MARK, NIFTI_FIELD) if image.HasMetaDataKey(key)}
    return is_marked(metadata) or metadata.get(NIFTI_FIELD, "").strip() == NIFTI_MARK


def _check_attached(path: Path, kind: str) -> None:
    """Refuse an NRRD or MetaImage header that points to other files, and a MetaImage cut short.

    ITK would follow such a path anywhere; MetaIO complains about a short file on stderr rather than by an error.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    ending = re.search(rb"\r?\n\r?\n|\Z" if kind == "NRRD" else rb"ElementDataFile *= *([^\r\n]*)\r?\n", head)
    if ending is None:
        raise ValueError("no end of the header")
    header = head[: ending.end()].decode("latin-1")
    if kind == "NRRD":
        detached = bool(re.search(r"^data ?file *:", header, re.MULTILINE | re.IGNORECASE))
    else:
        detached = ending.group(1).strip().upper() != b"LOCAL"
    if detached:
        raise unsuitable(path, "keeps its pixels in another file", "save the radiograph as one file")
    if kind == "MetaImage":
        fields = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in header.splitlines())}
        if fields.get("CompressedData", "False").lower() == "true":
            expected = int(fields.get("CompressedDataSize", 0))
        else:
            counts = [*fields["DimSize"].split(), fields.get("ElementNumberOfChannels", "1")]
            sample_bytes = _META_SAMPLE_BYTES[fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY")]
            expected = math.prod(int(count) for count in counts) * sample_bytes
        if path.stat().st_size < ending.end() + expected:
            raise ValueError("cut short")


def _read_nifti(path: Path) -> sitk.Image | None:
    """Read NIfTI through a temporary copy of exactly the size that its header announces.

    The copy has the extension that ITK insists on, is unpacked within bounds, and is known to be complete: ITK takes
    the missing end of a truncated file for zeros without an error.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as stream:
        head = stream.read(_NIFTI_HEADER_BYTES)
        if head[344:348] == b"ni1\0":
            raise unsuitable(path, "keeps its pixels in another file", "save the radiograph as one file")
        order = "<" if head[:4] == b"\x5c\x01\0\0" else ">"
        sides, bits = np.frombuffer(head, order + "i2", 8, 40), np.frombuffer(head, order + "i2", 1, 72)[0]
        offset = float(np.frombuffer(head, order + "f4", 1, 108)[0])
        if not 2 <= sides[0] <= 7 or not 0 <= offset <= 1 << 20 or not 8 <= bits <= 256:
            raise ValueError("senseless header")
        sizes = sorted((int(side) for side in sides[1 : sides[0] + 1]), reverse=True)
        if len(sizes) > 2 and sizes[2] > 1:
            return None
        check_size(path, *sizes[:2])
        needed = int(offset) + sizes[0] * sizes[1] * int(bits) // 8
        content = head + stream.read(min(needed, LARGEST_PIXEL_COUNT * 32) - len(head))
    if len(content) < needed:
        raise ValueError("cut short")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "radiograph.nii"
        copy.write_bytes(content)
        return read_single_slice(copy, "NiftiImageIO", reported_path=path)
