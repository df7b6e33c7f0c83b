"""Network volumes and CT images: from one to the other, and to NRRD and NIfTI files."""

from __future__ import annotations

import gzip
import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.errors import ModelError
from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE
from XrayToCTLib.marking import NIFTI_FIELD, NIFTI_MARK
from XrayToCTLib.orientation import lps_to_network, network_to_lps, radiograph_direction, spacing_of_network

# NIfTI-1: length of the header, where the offset of the voxels stands in it, and the code of a comment.
_NIFTI_HEADER, _NIFTI_OFFSET_AT, _NIFTI_COMMENT = 348, 108, 6
_NIFTI_DESCRIPTION_LENGTH = 79
_GZIP_LEVEL = 6


def ct_from_network(volume: np.ndarray, side_mm: float | Sequence[float]) -> sitk.Image:
    """The CT image of a network volume.

    Args:
        volume: (D, H, W), clamped to [0, 1].
        side_mm: length of the volume's sides in mm: one for a cube, or (D, H, W). Voxels come out cubic.

    Returns:
        int16 HU = round(2500 v - 1024), identity direction in LPS, the volume's centre at the origin of space.

    Raises:
        ModelError: values that are not numbers.
        ValueError: not three dimensions, or voxels that would not be cubes.
    """
    if not np.isfinite(volume).all():
        raise ModelError("The model gave values that are not numbers; choose another model or run it on the CPU.")
    hu = np.rint(np.clip(volume, 0, 1).astype(np.float32) * HU_RANGE - HU_OFFSET).astype(np.int16)
    return image_from_network(hu, side_mm)


def image_from_network(values: np.ndarray, side_mm: float | Sequence[float]) -> sitk.Image:
    """Any values in a network's axes, such as a map of uncertainty, as an image in the space of `ct_from_network`.

    Args:
        values: (D, H, W), of a type that ITK knows.
        side_mm: length of the volume's sides in mm: one for a cube, or (D, H, W). Voxels come out cubic.

    Raises:
        ValueError: not three dimensions, or voxels that would not be cubes.
    """
    values = np.asarray(values)
    if values.ndim != 3:
        raise ValueError(f"a volume must be (D, H, W), not {values.shape}")
    sides = tuple(side_mm) if isinstance(side_mm, Sequence) else (side_mm,) * 3
    spacing = spacing_of_network(sides, values.shape)
    if not 0 < min(spacing) <= max(spacing) <= min(spacing) * (1 + 1e-6):
        raise ValueError(f"a volume of {values.shape} voxels and {sides} mm would not have cubic voxels")
    image = sitk.GetImageFromArray(np.ascontiguousarray(network_to_lps(values)))
    image.SetSpacing(spacing)
    image.SetOrigin([-(size - 1) / 2 * step for size, step in zip(image.GetSize(), spacing, strict=True)])
    return image


def network_from_ct(image: sitk.Image, size: int, side_mm: float | None = None) -> np.ndarray:
    """The network volume of a CT: a cube around the CT's centre, aligned with the patient's axes.

    Args:
        image: HU, three dimensions, any direction and spacing.
        size: voxels along each side.
        side_mm: length of the cube's sides; None takes the CT's longest side.

    Returns:
        (size, size, size) float32 (D, H, W) in [0, 1]: clip(HU + 1024, 0, 2500) / 2500, zero (air) outside the CT.
        Where voxels grow, a Gaussian prevents aliasing: its width makes the resolution that of the larger voxel, as in
        Cardoso et al., Scale factor point spread function matching, MICCAI 2015.
    """
    extents = [count * step for count, step in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    side = max(extents) if side_mm is None else float(side_mm)
    step = side / size
    image = _shift_scale(sitk.Clamp(image, sitk.sitkFloat32, -HU_OFFSET, HU_RANGE - HU_OFFSET))
    for axis, fine in enumerate(image.GetSpacing()):
        if step > fine and image.GetSize()[axis] >= 4:  # the recursive filter needs four voxels
            sigma = math.sqrt(step**2 - fine**2) / (2 * math.sqrt(2 * math.log(2)))
            image = sitk.RecursiveGaussian(image, sigma=sigma, direction=axis)
    # Sampled in patient space, so that the CT's own direction, permuted, flipped or oblique, needs no care here.
    centre = ct_centre(image)
    origin = [middle - (size - 1) / 2 * step for middle in centre]
    grid = ([size] * 3, sitk.Transform(3, sitk.sitkIdentity), sitk.sitkLinear, origin, [step] * 3)
    cube = sitk.Resample(image, *grid, np.eye(3).ravel().tolist(), 0.0, sitk.sitkFloat32)
    return np.ascontiguousarray(np.clip(lps_to_network(sitk.GetArrayFromImage(cube)), 0, 1))


def ct_centre(image: sitk.Image) -> tuple[float, float, float]:
    """LPS in mm of a CT's centre: that of the cube that :func:`network_from_ct` cuts."""
    x, y, z = image.TransformContinuousIndexToPhysicalPoint([(count - 1) / 2 for count in image.GetSize()])
    return x, y, z


def radiograph_image(pixels: np.ndarray, spacing_mm: tuple[float, float], position_y_mm: float) -> sitk.Image:
    """A picture as displayed, (H, W), as a coronal plane in space: (1, H, W) with its centre at x = z = 0.

    Args:
        pixels: row 0 superior, column 0 the patient's right; becomes float32.
        spacing_mm: (row, column) spacing in the plane where it is shown.
        position_y_mm: where the plane lies, in LPS: positive is posterior to the volume's centre.
    """
    rows, columns = pixels.shape
    image = sitk.GetImageFromArray(np.ascontiguousarray(pixels, dtype=np.float32)[None])
    image.SetSpacing([spacing_mm[1], spacing_mm[0], 1.0])
    image.SetDirection(radiograph_direction())
    centre = image.TransformContinuousIndexToPhysicalPoint([(columns - 1) / 2, (rows - 1) / 2, 0.0])
    image.SetOrigin([-centre[0], position_y_mm, -centre[2]])
    return image


def write_nrrd(image: sitk.Image, path: str | Path, marks: Mapping[str, str], is_compressed: bool = True) -> None:
    """Write an NRRD or MetaImage file at once or not at all, ``marks`` as key/value pairs of its header."""
    with replacing(Path(path), Path(path).suffix) as temporary:
        sitk.WriteImage(_marked(image, marks), str(temporary), useCompression=is_compressed)


def write_nifti(image: sitk.Image, path: str | Path, marks: Mapping[str, str]) -> None:
    """Write a compressed NIfTI file (*.nii.gz) at once or not at all.

    Its description (79 characters) carries the notice and as many of the values of ``marks`` as fit; all of them, as
    JSON, are in a header extension of the kind "comment" (https://nifti.nimh.nih.gov/nifti-1, section on extensions).
    """
    marks = {key: _one_line(value) for key, value in marks.items()}
    notice = marks["XrayToCT.Notice"]
    words = [notice, *(value for value in marks.values() if value != notice)]
    description = "; ".join(words).encode("ascii", "replace")[:_NIFTI_DESCRIPTION_LENGTH].decode()
    marked = _marked(image, {"ITK_FileNotes": description, NIFTI_FIELD: NIFTI_MARK})
    with replacing(Path(path), ".nii") as plain:
        sitk.WriteImage(marked, str(plain), useCompression=False)
        content = _with_nifti_extension(plain.read_bytes(), json.dumps(marks, ensure_ascii=False))
        # No name and no time, so that the same volume gives the same file.
        plain.write_bytes(gzip.compress(content, _GZIP_LEVEL, mtime=0))


def _with_nifti_extension(content: bytes, comment: str) -> bytes:
    """A NIfTI-1 file as ITK writes it, without extensions, with one more (code 6) before its voxels."""
    offset = int(struct.unpack_from("<f", content, _NIFTI_OFFSET_AT)[0])
    if struct.unpack_from("<i", content)[0] != _NIFTI_HEADER or offset != _NIFTI_HEADER + 4:
        raise RuntimeError("ITK wrote a NIfTI header of another kind")
    text = comment.encode()
    size = -(-(len(text) + 8) // 16) * 16  # a multiple of 16, its own two numbers included
    extension = struct.pack("<2i", size, _NIFTI_COMMENT) + text.ljust(size - 8, b"\0")
    header = bytearray(content[:_NIFTI_HEADER])
    struct.pack_into("<f", header, _NIFTI_OFFSET_AT, offset + size)
    return bytes(header) + b"\1\0\0\0" + extension + content[offset:]


def _shift_scale(image: sitk.Image) -> sitk.Image:
    return sitk.ShiftScale(image, shift=HU_OFFSET, scale=1 / HU_RANGE)


def _marked(image: sitk.Image, metadata: Mapping[str, str]) -> sitk.Image:
    """A copy with ``metadata`` as its whole header: what stood in a source file's must not stay beside our marks.

    The copy is of the values and their place alone. To take the source's keys out one by one would not do: those that
    are no UTF-8 cannot be named in Python.
    """
    marked = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image))
    marked.CopyInformation(image)
    for key, value in metadata.items():
        marked.SetMetaData(key, _one_line(value))
    return marked


def _one_line(text: str) -> str:
    """A value for a header: in one line, and with a question mark for each character that no header can hold."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
