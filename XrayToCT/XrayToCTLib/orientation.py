"""The only place where axes are permuted or flipped.

Conventions
-----------
Radiograph
    Array (H, W), stored as displayed: row 0 is superior, column 0 is the patient's right. As an image in space it lies
    in a coronal plane, see :func:`radiograph_direction`.
Network volume
    Array (..., D, H, W): D runs from anterior to posterior, H from superior to inferior, W from the patient's right to
    the patient's left. A slice at constant D therefore reads like the radiograph.
CT image
    ITK array (..., K, J, I) with identity direction in LPS: I runs to the patient's left, J to posterior, K to
    superior.
MRML
    World coordinates are RAS: the first two LPS coordinates change sign, see :func:`ijk_to_ras`.

Every function takes numpy arrays and torch tensors alike and returns a view where the library can give one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, TypeVar

import numpy as np

Array = TypeVar("Array", bound=Any)  # numpy.ndarray or torch.Tensor

#: Axial slices that the original CT classifier was trained on, of 128 from superior to inferior.
ORIGINAL_CLASSIFIER_SLICES = slice(32, 96)


def _flip(array: Array, axes: Sequence[int]) -> Array:
    if isinstance(array, np.ndarray):
        return np.flip(array, tuple(axes))
    return array.flip(tuple(axes))


def network_to_lps(volume: Array) -> Array:
    """Network volume (..., D, H, W) to the array (..., K, J, I) of a CT image with identity direction in LPS."""
    return _flip(volume.swapaxes(-3, -2), (-3,))


def lps_to_network(array: Array) -> Array:
    """Array (..., K, J, I) of a CT image with identity direction in LPS to a network volume (..., D, H, W)."""
    return _flip(array, (-3,)).swapaxes(-3, -2)


def network_point_to_lps(point_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    """A point (D, H, W) in mm from the centre of a network volume to LPS in mm from the same centre."""
    depth, height, width = point_mm
    return width, depth, -height


def spacing_of_network(side_mm: Sequence[float], shape: Sequence[int]) -> tuple[float, float, float]:
    """Spacing (I, J, K) in mm, ITK's order, of a network volume of shape (D, H, W) that spans ``side_mm`` (D, H, W)."""
    depth, height, width = (side / size for side, size in zip(side_mm, shape, strict=True))
    return width, depth, height


def radiograph_direction() -> tuple[float, ...]:
    """Direction cosines (9 values, row-major, LPS) of a radiograph as a one-slice image (1, H, W) in space.

    The columns of the matrix are the directions in which the index grows: along a row to the patient's left (column 0
    is the patient's right), along a column to inferior (row 0 is superior), and the normal to posterior. It is
    right-handed, and the pixels go into the image as they are displayed.
    """
    right_to_left, superior_to_inferior = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])
    normal = np.cross(right_to_left, superior_to_inferior)
    return tuple(np.column_stack([right_to_left, superior_to_inferior, normal]).ravel().tolist())


def ijk_to_ras(origin: Sequence[float], spacing: Sequence[float], direction: Sequence[float]) -> np.ndarray:
    """4x4 matrix from voxel indices (i, j, k, 1) to RAS in mm, of an ITK image (origin and direction in LPS)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(direction, dtype=float).reshape(3, 3) * np.asarray(spacing, dtype=float)
    matrix[:3, 3] = origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix


def lps_and_ras(point: Sequence[float]) -> tuple[float, float, float]:
    """A point in LPS as RAS, or one in RAS as LPS: the first two coordinates change sign."""
    first, second, third = point
    return -first, -second, third


def itk_geometry(
    ijk_to_ras_matrix: np.ndarray,
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Origin, spacing and direction (9 values, row-major) in LPS of an ITK image: the reverse of :func:`ijk_to_ras`.

    Raises ValueError unless the matrix (4, 4) has axes of some length.
    """
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(ijk_to_ras_matrix, dtype=float)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (np.isfinite(matrix).all() and spacing.min() > 0):
        raise ValueError("an image's axes must have a length")
    direction = matrix[:3, :3] / spacing
    return tuple(matrix[:3, 3].tolist()), tuple(spacing.tolist()), tuple(direction.ravel().tolist())


def display_slice(volume: Array, plane: str, index: int) -> Array:
    """One slice of a network volume (D, H, W), as a radiologist hangs it.

    ``axial`` at ``index`` along H gives (D, W): anterior up, patient's right on the image's left. ``coronal`` along D
    gives (H, W): superior up, patient's right on the image's left. ``sagittal`` along W gives (H, D): superior up,
    anterior on the image's left. Raises ValueError for another plane.
    """
    if plane == "axial":
        return volume[:, index, :]
    if plane == "coronal":
        return volume[index]
    if plane == "sagittal":
        return volume[:, :, index].swapaxes(0, 1)
    raise ValueError(f"plane must be axial, coronal or sagittal, not {plane!r}")


def flips(volume: Array) -> Iterator[tuple[str, Array]]:
    """All eight flips of a volume (..., D, H, W), each after the letters of its flipped axes; ``""``, none, first."""
    letters = {-3: "D", -2: "H", -1: "W"}
    for choice in sorted(product((False, True), repeat=3), key=sum):
        axes = [axis for axis, flipped in zip(letters, choice, strict=True) if flipped]
        yield "".join(letters[axis] for axis in axes), _flip(volume, axes) if axes else volume


def permute_original_discriminator_kernel(weight: Array) -> Array:
    """Kernel (out, in, z, y, x) of the original discriminator to ours (out, in, D, H, W).

    The original saw volumes as (z superior to inferior, y anterior to posterior, x). Raises ValueError unless 5-D.
    """
    if weight.ndim != 5:
        raise ValueError(f"a 3-D convolution's kernel has 5 dimensions, not {weight.ndim}")
    return weight.swapaxes(2, 3)


def volume_to_original_classifier(volume: Array, slices: slice | None = ORIGINAL_CLASSIFIER_SLICES) -> Array:
    """Network volumes (N, 1, D, H, W) to what the original CT classifier saw: axial slices transposed in plane.

    Returns (N, 1, S, W, D), S the chosen ``slices`` of H (None keeps all; whether the paper used 64 or 128 is unknown).
    Raises ValueError unless 5-D, or if ``slices`` reach beyond H.
    """
    if volume.ndim != 5:
        raise ValueError(f"volumes must be (N, 1, D, H, W), not of {volume.ndim} dimensions")
    axial = volume.swapaxes(2, 3).swapaxes(3, 4)
    if slices is None:
        return axial
    if slices.stop > axial.shape[2]:
        raise ValueError(f"axial slices up to {slices.stop} asked for, the volume has {axial.shape[2]}")
    return axial[:, :, slices]


def display_flips(row_letter: str, column_letter: str) -> tuple[bool, bool, bool]:
    """What brings a frontal image to row 0 superior, column 0 patient's right: (transpose, flip_rows, flip_columns).

    The letters are DICOM's Patient Orientation (0020,0020; PS3.3 C.7.6.1.1.1): where a row runs to, with growing column
    index, and where a column runs to, with growing row index (L, R, A, P, H, F; of several only the first, the
    principal one, counts). Apply them with :func:`apply_display_flips`. Raises ValueError where the image is not a
    frontal view.
    """
    row, column = row_letter.strip().upper()[:1], column_letter.strip().upper()[:1]
    transpose = row in ("H", "F")
    if transpose:
        row, column = column, row
    if row not in ("L", "R") or column not in ("H", "F"):
        raise ValueError(f"patient orientation {row_letter!r}, {column_letter!r} is not a frontal view")
    return transpose, column == "H", row == "R"


def apply_display_flips(pixels: Array, transpose: bool, flip_rows: bool, flip_columns: bool) -> Array:
    """Pixels (H, W), or (W, H) with ``transpose``, to (H, W) with row 0 superior and column 0 the patient's right."""
    if transpose:
        pixels = pixels.swapaxes(0, 1)
    axes = [axis for axis, flipped in ((0, flip_rows), (1, flip_columns)) if flipped]
    return _flip(pixels, axes) if axes else pixels


def as_displayed(values: np.ndarray, along_row: str, down_column: str) -> tuple[np.ndarray, bool]:
    """A frontal picture (H, W) or (H, W, channels) with the letters of :func:`display_flips`, turned so that row 0 is
    superior and column 0 the patient's right; and whether rows and columns changed places (the spacing must then, too).
    """
    transpose, flip_rows, flip_columns = display_flips(along_row, down_column)
    return np.ascontiguousarray(apply_display_flips(values, transpose, flip_rows, flip_columns)), transpose


def direction_letter(direction: Sequence[float] | np.ndarray) -> str:
    """DICOM's letter for the dominant axis of a direction (3 numbers in LPS): L or R, P or A, H or F.

    Source: DICOM PS3.3 C.7.6.1.1.1, Patient Orientation.
    """
    axis = int(np.argmax(np.abs(direction)))
    return ("LR", "PA", "HF")[axis][0 if direction[axis] > 0 else 1]
