"""From a CT of any make to the cube that X2CT trains on (Ying et al. 2019, section 4.1)."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from XrayToCTLib.orientation import lps_to_network

SIDE_MM = 320
AIR_HU = -1024
_BODY_ABOVE_HU = -350.0
_TABLE_IS_THINNER_MM = 12.0


def prepared_ct(image: sitk.Image, size: int, side_mm: int = SIDE_MM) -> np.ndarray:
    """HU (D, H, W) float32, a cube of ``size`` voxels and ``side_mm``, clipped to [-1024, 1476].

    The steps: 1 mm voxels along the patient's axes; everything outside the body becomes air; the *top* ``side_mm`` of
    the scan and its middle in the plane are kept, or air is added below and around; then averaged to ``size``.
    """
    hu = one_millimetre(image)
    hu[~body_mask(hu)] = AIR_HU
    cube = cropped(np.clip(hu, AIR_HU, 2500 + AIR_HU), side_mm)
    return np.ascontiguousarray(lps_to_network(shrunk(cube, size)))


def one_millimetre(image: sitk.Image) -> np.ndarray:
    """The CT on 1 mm voxels along LPS axes: float32 (z, y, x), z from inferior to superior; air outside the scan."""
    size = np.array(image.GetSize())
    corners = [
        image.TransformContinuousIndexToPhysicalPoint((size * np.array(corner) - 0.5).tolist())
        for corner in np.ndindex(2, 2, 2)
    ]
    low, high = np.min(corners, 0), np.max(corners, 0)
    counts = np.maximum(np.rint(high - low), 1).astype(int)
    identity = sitk.Transform(3, sitk.sitkIdentity)
    smooth = sitk.Cast(image, sitk.sitkFloat32)
    for axis, spacing in enumerate(image.GetSpacing()):
        if spacing < 1 and image.GetSize()[axis] >= 4:  # finer than the new voxels: keep what these can show
            sigma = np.sqrt(1 - spacing**2) / (2 * np.sqrt(2 * np.log(2)))
            smooth = sitk.RecursiveGaussian(smooth, sigma=float(sigma), direction=axis)
    grid = (counts.tolist(), identity, sitk.sitkLinear, (low + 0.5).tolist(), [1.0] * 3, np.eye(3).ravel().tolist())
    return sitk.GetArrayFromImage(sitk.Resample(smooth, *grid, float(AIR_HU), sitk.sitkFloat32))


def body_mask(hu: np.ndarray) -> np.ndarray:
    """The body in 1 mm voxels (z, y, x): the largest piece of tissue once a table and other thin things are gone.

    Holes of each axial slice (lungs, bowel) belong to it.
    """
    dense = hu > _BODY_ABOVE_HU
    coarse = shrunk(dense.astype(np.float32), tuple(max(1, n // 4) for n in dense.shape)) > 0.5
    radius = max(1, round(_TABLE_IS_THINNER_MM / 2 / 4))
    core = ndimage.binary_opening(np.pad(coarse, radius, mode="edge"), iterations=radius)
    core = core[tuple(slice(radius, -radius) for _ in range(3))]
    pieces, count = ndimage.label(core)
    if count == 0:
        return dense
    largest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    # back to full size: tissue within the opening's reach of the core, so that skin and fingers of fat are kept
    reach = ndimage.binary_dilation(largest, iterations=radius + 1)
    near = ndimage.zoom(reach.astype(np.uint8), np.array(dense.shape) / reach.shape, order=0).astype(bool)
    body = ndimage.binary_opening(dense & near, iterations=2)
    pieces, count = ndimage.label(body)
    if count > 1:
        body = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])


def cropped(hu: np.ndarray, side: int) -> np.ndarray:
    """The top ``side`` slices of (z, y, x), z from inferior, and the middle in the plane; air beyond the scan."""
    result = np.full((side,) * 3, AIR_HU, np.float32)
    taken, placed = [], []
    for axis, length in enumerate(hu.shape):
        count = min(length, side)
        top = axis == 0
        taken.append(slice(length - count, length) if top else slice((length - count) // 2, (length + count) // 2))
        start = side - count if top else (side - count) // 2
        placed.append(slice(start, start + count))
    result[tuple(placed)] = hu[tuple(taken)]
    return result


def shrunk(values: np.ndarray, size: int | tuple[int, ...]) -> np.ndarray:
    """An array (z, y, x) at another size, every new voxel the mean of what it covers; the ends stay where they are."""
    for axis, wanted in enumerate((size,) * 3 if isinstance(size, int) else size):
        values = np.moveaxis(_overlaps(values.shape[axis], wanted) @ np.moveaxis(values, axis, -2), -2, axis)
    return values


def _overlaps(old: int, new: int) -> np.ndarray:
    """(new, old) matrix of the shares of old voxels in new ones along an axis; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    starts = np.arange(old)
    low = np.maximum(edges[:-1, None], starts)
    high = np.minimum(edges[1:, None], starts + 1)
    return (np.clip(high - low, 0, None) * (new / old)).astype(np.float32)
