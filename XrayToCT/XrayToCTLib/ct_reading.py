"""A chest CT from a file or a DICOM folder, as one SimpleITK image in Hounsfield units."""

from __future__ import annotations

import gzip
import math
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.itk_reader import quiet_itk
from XrayToCTLib.recorded_image import unsuitable

LARGEST_VOXEL_COUNT = 1_000_000_000
SMALLEST_SIDE = 8
# Every CT of a chest holds air; label maps, MR and raw scanner values do not go below zero.
_AIR_IS_BELOW_HU = -200
_HEADER_LIMIT = 1 << 20
_CHUNK = 1 << 20
_ANOTHER_CT = "give a chest CT as a DICOM folder, NRRD, NIfTI or MHA file"
# By the header's length: (struct of dim[8], its offset), offset of bitpix, (struct of vox_offset, its offset).
_NIFTI_FIELDS = {348: (("8h", 40), 72, ("f", 108)), 540: (("8q", 16), 14, ("q", 168))}


def read_ct(path: str | Path) -> sitk.Image:
    """Read a chest CT from an NRRD, NIfTI or MHA file, a DICOM folder, or one DICOM file of a series.

    Returns:
        int16 HU, three dimensions, with the geometry of the file (any direction and spacing). Values that are not
        numbers become air, values beyond int16 are clipped. Of a folder with several CT series the largest is read,
        with a Python warning.

    Raises:
        UnsuitableInput: the path is missing, damaged, truncated or of another kind; not a CT; not in HU; not three
            dimensions of 8 voxels or more; more than 1e9 voxels; slices are missing.
    """
    path = Path(path).absolute()
    return _hounsfield(path, _read_guarded(path))


def read_map(path: str | Path) -> sitk.Image:
    """Read values in a CT's space, such as its uncertainty or a plane's picture, from an NRRD, NIfTI or MHA file: three
    dimensions, float32, all finite.

    Raises:
        UnsuitableInput: as `read_ct`, but the values only have to be finite, and sides may be short.
    """
    path = Path(path).absolute()
    image = sitk.Cast(_read_guarded(path, smallest_side=1), sitk.sitkFloat32)
    if not np.isfinite(sitk.GetArrayViewFromImage(image)).all():
        raise unsuitable(path, "holds values that are not finite numbers", "make it again")
    return image


def _read_guarded(path: Path, smallest_side: int = SMALLEST_SIDE) -> sitk.Image:
    if not path.exists():
        raise unsuitable(path, "does not exist", "check its path")
    from XrayToCTLib.dicom_reading import is_dicom

    try:
        with quiet_itk():
            is_series = path.is_dir() or is_dicom(path)
            return _read_dicom(path) if is_series else _read_image_file(path, smallest_side)
    except (RuntimeError, OSError, EOFError, zlib.error, struct.error, MemoryError) as error:
        raise unsuitable(path, "is a damaged, truncated or unsupported CT", "export it again") from error


def _read_dicom(path: Path) -> sitk.Image:
    from XrayToCTLib.dicom_reading import find_series

    series, note = find_series(path)
    if note:
        warnings.warn(note, stacklevel=5)
    _check_geometry(path, series.size, series.spacing_mm, SMALLEST_SIDE)
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(file) for file in series.files])
    image = reader.Execute()
    if image.GetSize() != series.size or image.GetNumberOfComponentsPerPixel() != 1:
        raise RuntimeError("the pixels are not what the headers say")
    # ITK guesses the slice spacing from the first two files only.
    image.SetOrigin(series.origin)
    image.SetSpacing(series.spacing_mm)
    image.SetDirection(series.direction)
    return image


def _read_image_file(path: Path, smallest_side: int) -> sitk.Image:
    with path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(b"NRRD"):
        _refuse_detached_nrrd(path)
        image_io = "NrrdImageIO"
    elif re.search(rb"^\s*(ObjectType|NDims)\s*=", start, re.MULTILINE):
        _refuse_detached_meta(path)
        image_io = "MetaImageIO"
    elif (
        start.startswith(b"\x1f\x8b")
        or struct.unpack("<i", start[:4].ljust(4, b"\0"))[0] in _NIFTI_FIELDS
        or (struct.unpack(">i", start[:4].ljust(4, b"\0"))[0] in _NIFTI_FIELDS)
    ):
        _check_nifti_is_whole(path, compressed=start.startswith(b"\x1f\x8b"))
        image_io = "NiftiImageIO"
    else:
        raise unsuitable(path, "is not a CT in a known format", _ANOTHER_CT)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(image_io)
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise unsuitable(path, f"has {reader.GetNumberOfComponents()} values a voxel", _ANOTHER_CT)
    _check_geometry(path, reader.GetSize(), reader.GetSpacing(), smallest_side)
    return reader.Execute()


def _refuse_detached_nrrd(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER_LIMIT).split(b"\n\n")[0].split(b"\r\n\r\n")[0]
    if re.search(rb"^\s*data ?file\s*:", header, re.MULTILINE | re.IGNORECASE):
        raise unsuitable(path, "keeps its voxels in another file", "save it as one NRRD file")


def _refuse_detached_meta(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER_LIMIT)
    where = re.search(rb"^\s*ElementDataFile\s*=\s*([^\r\n]*)", header, re.MULTILINE)
    if where is None or where.group(1).strip().upper() != b"LOCAL":
        raise unsuitable(path, "keeps its voxels in another file", "save it as one MHA file")


def _check_nifti_is_whole(path: Path, compressed: bool) -> None:
    """ITK fills what is missing from a truncated NIfTI with zeros, without an error."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise unsuitable(path, "may be NIfTI by its content but not by its name", "name it *.nii or *.nii.gz")
    with gzip.open(path, "rb") if compressed else path.open("rb") as file:
        header = file.read(540)
        order = next((sign for sign in "<>" if struct.unpack(f"{sign}i", header[:4])[0] in _NIFTI_FIELDS), None)
        if order is None:
            raise unsuitable(path, "is not NIfTI", _ANOTHER_CT)
        (dim_format, dim_at), bitpix_at, (offset_format, offset_at) = _NIFTI_FIELDS[
            struct.unpack(f"{order}i", header[:4])[0]
        ]
        dimensions = struct.unpack_from(order + dim_format, header, dim_at)
        voxels = math.prod(max(size, 1) for size in dimensions[1 : 1 + min(max(dimensions[0], 0), 7)])
        if voxels > LARGEST_VOXEL_COUNT:
            raise unsuitable(path, f"has {voxels:.2g} voxels", "give a CT of at most 1e9 voxels")
        bits = struct.unpack_from(f"{order}h", header, bitpix_at)[0]
        expected = struct.unpack_from(order + offset_format, header, offset_at)[0] + voxels * bits / 8
        if len(header) + _count_bytes(file, expected - len(header)) < expected:
            raise unsuitable(path, "is truncated", "copy or export it again")


def _count_bytes(file: BinaryIO | gzip.GzipFile, wanted: float) -> int:
    """Number of bytes left in a file, at most ``wanted`` rounded up to whole chunks."""
    count = 0
    while count < wanted and (chunk := file.read(_CHUNK)):
        count += len(chunk)
    return count


def _check_geometry(path: Path, size: tuple[int, ...], spacing: tuple[float, ...], smallest_side: int) -> None:
    """Refuse by the header alone, before any voxel is loaded."""
    if len(size) != 3:
        raise unsuitable(path, f"has {len(size)} dimensions", _ANOTHER_CT)
    if min(size) < smallest_side:
        raise unsuitable(path, f"has only {' x '.join(map(str, size))} voxels", "give a whole chest CT, not a slice")
    if math.prod(size) > LARGEST_VOXEL_COUNT:
        raise unsuitable(path, f"has {math.prod(size):.2g} voxels", "give a CT of at most 1e9 voxels")
    if not all(1e-2 <= step <= 100 for step in spacing):
        raise unsuitable(path, f"has a voxel spacing of {spacing} mm", "export it again with its true spacing")


def _hounsfield(path: Path, image: sitk.Image) -> sitk.Image:
    values = sitk.GetArrayViewFromImage(image)
    if not np.fmin.reduce(values, axis=None) <= _AIR_IS_BELOW_HU:
        raise unsuitable(path, "holds no air, so it is not a CT in Hounsfield units", _ANOTHER_CT)
    if image.GetPixelID() == sitk.sitkInt16:
        return image
    limits = np.iinfo(np.int16)
    if np.issubdtype(values.dtype, np.floating):
        values = np.rint(np.nan_to_num(values, nan=-1024.0, posinf=limits.max, neginf=limits.min))
    converted = sitk.GetImageFromArray(np.clip(values, limits.min, limits.max).astype(np.int16))
    converted.CopyInformation(image)
    return converted
