"""Projections of a chest volume onto the radiograph's plane: mean and cone-beam, differentiable.

Volumes are tensors (N, 1, D, H, W) with D anterior to posterior, H superior to inferior, W patient right to left.
Pictures come out as radiographs are displayed: row 0 superior, column 0 the patient's right, for both views.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch

from XrayToCTLib.geometry import Geometry
from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE

# Linear attenuation at 60 keV, about the mean energy of a chest radiograph's beam behind the patient: mass attenuation
# 0.2059 cm2/g (water, 1.000 g/cm3) and 0.3148 cm2/g (cortical bone of ICRU-44, 1.920 g/cm3), from Hubbell and Seltzer,
# NIST X-Ray Mass Attenuation Coefficients, tables 2 and 4.
WATER_PER_MM = 0.02059
BONE_PER_MM = 0.06044
# The same bone in a CT at 120 kVp, whose effective energy is about 70 keV: the tables give 0.5023/cm for bone and
# 0.1937/cm for water there (log-log interpolation), and HU is 1000 times the relative excess over water.
BONE_HU = 1593.0
BONE_THRESHOLD_HU = 100.0  # where bone begins

# The interpolation matrices of a whole volume are kept for the next call up to this size (elements of one matrix);
# above it they are built for a few slices at a time.
_MATRIX_ELEMENTS = 2**24


def mean_projections(volume: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The three parallel mean projections of a volume.

    Args:
        volume: (N, 1, D, H, W), any unit.

    Returns:
        axial (N, 1, D, W), the mean over H; coronal (N, 1, H, W), the mean over D, which looks like the radiograph;
        sagittal (N, 1, D, H), the mean over W. All in the volume's unit.

    Raises:
        ValueError: the volume has another number of axes or channels.
    """
    _check_volume(volume)
    return volume.mean(dim=3), volume.mean(dim=2), volume.mean(dim=4)


def cone_beam_projection(attenuation: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Line integrals of a volume along the rays from the source to the centres of the detector's pixels.

    Joseph's method (IEEE Trans Med Imaging 1:192, 1982, eq. 7) steps from coronal slice to coronal slice. With the
    source on the axis through the volume's centre each slice is only magnified, so its bilinear interpolation separates
    into one along rows and one along columns: two matrix products a slice, exact and linear in the volume. Between the
    outermost voxel centres and the volume's faces the outermost voxels go on; beyond the faces attenuation is zero
    (plastimatch's `uniform` does the same, so a body that the volume cuts off is not thinned where it ends).

    Computed in at least float32 whatever the dtype, autocast included. The memory for a gradient is that of the
    interpolation matrices, D * (rows * H + columns * W) elements, which equal calls share up to about 256 cubed.

    Args:
        attenuation: (N, 1, D, H, W) per mm, of a floating dtype; voxel sizes are `geometry.volume_mm` / (D, H, W).
        geometry: source, detector and physical size of the volume.

    Returns:
        (N, 1, rows, columns), dimensionless, in the dtype and on the device of the volume.

    Raises:
        ValueError: the volume has another number of axes or channels, or is not floating.
    """
    _check_volume(attenuation)
    if not attenuation.is_floating_point():
        raise ValueError(f"the volume must be of a floating dtype, got {attenuation.dtype}")
    dtype = torch.promote_types(attenuation.dtype, torch.float32)
    count, _, depth, height, width = attenuation.shape
    rows, columns = geometry.detector_pixels
    sums = attenuation.new_zeros((count, rows, columns), dtype=dtype)
    with torch.autocast(attenuation.device.type, enabled=False):
        for slices, by_row, by_column in _slabs(geometry, (depth, height, width), dtype, attenuation.device):
            slab = attenuation[:, 0, slices].to(dtype)
            # (S, H, W) @ (S, W, columns) for each volume, since one product for the batch would copy it; then a single
            # product sums over slices and rows together: (rows, S H) @ (S H, columns).
            sums = sums + torch.stack([by_row @ torch.bmm(one, by_column).flatten(0, 1) for one in slab])
        projection = sums * _step_length(geometry, depth, dtype, attenuation.device)
    return projection[:, None].to(attenuation.dtype)


def back_projection(images: torch.Tensor, geometry: Geometry, shape: tuple[int, int, int]) -> torch.Tensor:
    """The transpose of :func:`cone_beam_projection`: each pixel's value goes to the voxels of its ray, in proportion to
    the length of the ray in them.

    Args:
        images: (N, 1, rows, columns), of a floating dtype. shape: (D, H, W) of the volume.

    Returns:
        (N, 1, D, H, W), in the images' unit times mm, in the dtype and on the device of the images. Differentiable.
    """
    dtype = torch.promote_types(images.dtype, torch.float32)
    depth, height, _ = shape
    with torch.autocast(images.device.type, enabled=False):
        weighted = images[:, 0].to(dtype) * _step_length(geometry, depth, dtype, images.device)
        slabs = []
        for _, by_row, by_column in _slabs(geometry, shape, dtype, images.device):
            by_column = by_column.transpose(1, 2)
            spread = [(by_row.T @ one).view(-1, height, one.shape[1]) for one in weighted]
            slabs.append(torch.stack([torch.bmm(one, by_column) for one in spread]))
    return torch.cat(slabs, 1)[:, None].to(images.dtype)


def _slabs(
    geometry: Geometry, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Coronal slices in portions, with their interpolation matrices (see _slice_matrices)."""
    depth, height, width = shape
    rows, columns = geometry.detector_pixels
    step = max(1, _MATRIX_ELEMENTS // max(rows * height, columns * width))
    matrices = _slice_matrices if step >= depth else _slice_matrices.__wrapped__
    for first in range(0, depth, step):
        last = min(depth, first + step)
        yield slice(first, last), *matrices(geometry, shape, first, last, dtype, device)


@lru_cache(maxsize=4)
def _slice_matrices(
    geometry: Geometry, shape: tuple[int, int, int], first: int, last: int, dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Interpolation matrices of the coronal slices first..last: (rows, S H) and (S, W, columns)."""
    depth, height, width = shape
    depth_mm, height_mm, width_mm = geometry.volume_mm
    # Without this, matrices cached by a call in inference mode could never be used in training.
    with torch.inference_mode(False):
        behind_mm = (torch.arange(first, last, dtype=torch.float64) - (depth - 1) / 2) * (depth_mm / depth)  # (S,)
        scale = torch.ones_like(behind_mm)
        if not geometry.is_parallel:
            from_source = -behind_mm if geometry.view == "PA" else behind_mm
            scale = (geometry.source_to_axis_mm + from_source) / geometry.source_to_detector_mm
        v, u = _pixel_centres_mm(geometry)
        by_row = _hat_weights(scale, v * (height / height_mm), height, dtype)  # (S, rows, H)
        by_column = _hat_weights(scale, u * (width / width_mm), width, dtype)  # (S, columns, W)
        return by_row.permute(1, 0, 2).flatten(1).to(device), by_column.transpose(1, 2).contiguous().to(device)


def _hat_weights(scale: torch.Tensor, pixel: torch.Tensor, size: int, dtype: torch.dtype) -> torch.Tensor:
    """Linear interpolation weights (S, pixels, size) of samples at scale (S,) times pixel (pixels,), in voxels from the
    centre of an axis of `size` voxels."""
    sample = scale[:, None] * pixel  # (S, pixels)
    inside = (sample.abs() <= size / 2).to(sample.dtype)
    index = (sample + (size - 1) / 2).clamp(0, size - 1)
    below = index.floor()
    weights = torch.zeros((*index.shape, size), dtype=dtype)
    for voxel, weight in ((below, below + 1 - index), (below + 1, index - below)):
        weights.scatter_add_(2, voxel.clamp(max=size - 1).long()[..., None], (weight * inside).to(dtype)[..., None])
    return weights


def _pixel_centres_mm(geometry: Geometry) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions of the detector's rows, down from its centre, and of its columns, towards the patient's left."""
    (height, width), (rows, columns) = geometry.detector_mm, geometry.detector_pixels
    v = (torch.arange(rows, dtype=torch.float64) - (rows - 1) / 2) * (height / rows)
    u = (torch.arange(columns, dtype=torch.float64) - (columns - 1) / 2) * (width / columns)
    return v, u


@lru_cache(maxsize=4)
def _step_length(geometry: Geometry, depth: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The length in mm of each pixel's ray between two neighbouring coronal slices: (rows, columns), or () if all are
    alike."""
    step = geometry.volume_mm[0] / depth
    with torch.inference_mode(False):  # as in _slice_matrices
        if geometry.is_parallel:
            return torch.tensor(step, dtype=dtype, device=device)
        v, u = (centres / geometry.source_to_detector_mm for centres in _pixel_centres_mm(geometry))
        return (step * torch.sqrt(1 + v[:, None] ** 2 + u[None, :] ** 2)).to(device, dtype)


def _check_volume(volume: torch.Tensor) -> None:
    if volume.ndim != 5 or volume.shape[1] != 1 or volume.numel() == 0:
        raise ValueError(f"a volume must have the shape (N, 1, D, H, W) and not be empty, got {tuple(volume.shape)}")


def hu_from_network(network_volume: torch.Tensor) -> torch.Tensor:
    """Hounsfield units of the network's values: 2500 v - 1024, without clipping. Any shape."""
    return network_volume * HU_RANGE - HU_OFFSET


def network_from_hu(hu: torch.Tensor) -> torch.Tensor:
    """The network's values of Hounsfield units: clip(HU + 1024, 0, 2500) / 2500, in [0, 1]. Any shape."""
    return (hu + HU_OFFSET).clamp(0, HU_RANGE) / HU_RANGE


def attenuation_from_hu(
    hu: torch.Tensor,
    bone_threshold_hu: float = BONE_THRESHOLD_HU,
    water_per_mm: float = WATER_PER_MM,
    bone_per_mm: float = BONE_PER_MM,
) -> torch.Tensor:
    """Linear attenuation in the radiograph's beam from the Hounsfield units of a CT.

    Up to the threshold a voxel is a mixture of air and water (soft tissue differs from water by its density only);
    above it, attenuation runs on a straight line to cortical bone at `BONE_HU`, and on beyond. Bone attenuates more in
    the radiograph's softer beam than its Hounsfield units say: a plain multiple of water's attenuation would miss that.

    Args:
        hu: any shape, of a floating dtype.
        bone_threshold_hu: where bone begins; below `BONE_HU`.
        water_per_mm: attenuation of water, by default at 60 keV.
        bone_per_mm: attenuation of cortical bone (1.92 g/cm3), by default at 60 keV.

    Returns:
        The shape of `hu`, per mm, never below zero (air).

    Raises:
        ValueError: the threshold is not between air and cortical bone.
    """
    if not -1000 < bone_threshold_hu < BONE_HU:
        raise ValueError(f"bone_threshold_hu must lie between -1000 and {BONE_HU:g}, got {bone_threshold_hu!r}")
    at_threshold = water_per_mm * (1 + bone_threshold_hu / 1000)
    bone_slope = (bone_per_mm - at_threshold) / (BONE_HU - bone_threshold_hu)
    air_and_water = (hu / 1000 + 1).clamp(0, 1 + bone_threshold_hu / 1000) * water_per_mm
    return air_and_water + (hu - bone_threshold_hu).clamp(min=0) * bone_slope


def transmission(line_integral: torch.Tensor) -> torch.Tensor:
    """The part of the beam that reaches the detector, exp(-p), by Beer and Lambert's law: in (0, 1], bone dark."""
    return torch.exp(-line_integral)


def radiograph_from_ct(network_volume: torch.Tensor, geometry: Geometry, output: str = "line") -> torch.Tensor:
    """The radiograph of a CT, bone bright, differentiable.

    Args:
        network_volume: (N, 1, D, H, W), clip(HU + 1024, 0, 2500) / 2500.
        geometry: source, detector and physical size of the volume.
        output: "line" for line integrals (0 for air, about 5 through an adult spine), "exponential" for the
            absorbed part of the beam, 1 - exp(-p), in [0, 1).

    Returns:
        (N, 1, rows, columns).

    Raises:
        ValueError: the volume's shape or `output` is unusable.
    """
    if output not in ("line", "exponential"):
        raise ValueError(f"output must be 'line' or 'exponential', got {output!r}")
    line = cone_beam_projection(attenuation_from_hu(hu_from_network(network_volume)), geometry)
    return line if output == "line" else 1 - transmission(line)
