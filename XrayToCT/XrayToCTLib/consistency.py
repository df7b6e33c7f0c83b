"""Consistency with the radiograph: what a volume's projection lacks is spread along the rays that lack it.

A radiograph says how much tissue lies along each ray, and nothing of where. A network that is pressed to agree with it
learns to paint it where that is cheapest, on the front chest wall. Here the least is changed that makes them agree:
each step adds every pixel's residual to the voxels of its ray in proportion to the density that is there already (the
simultaneous algebraic reconstruction technique of Andersen and Kak, Ultrason Imaging 6:81, 1984, with weights). The
column of the spine takes no part: films, whose scatter and processing flatten the mediastinum, would dissolve it. And
around the lungs tissue stays tissue, and loses little of its density: a film's grey scale is not a projection's, and
what is too dark in it would open the chest wall, join the lungs, or leave flat holes in the mediastinum.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.outside_air import outside_air, widened
from XrayToCTLib.projection import (
    HU_RANGE,
    WATER_PER_MM,
    Geometry,
    back_projection,
    cone_beam_projection,
    hu_from_network,
    radiograph_from_ct,
)

_BONE_HU, _BONE_WIDTH_HU = 150.0, 50.0
_BONE_KEPT = 0.8  # bone moves less: its place is what the network knows best
_FADE_PIXELS = 8.0
_SPINE_RADIUS_MM, _SPINE_BORDER_MM = 40.0, 5.0
_MIDLINE_MM = 45.0  # how far from the body's middle the spine may lie
_MARROW_HU = 300.0  # brighter tissue counts no more than this: contrast medium outshines the spine
_TISSUE = 0.25  # network value, -400 HU
_STAYS_TISSUE = 0.27  # network value, -350 HU: what is denser does not become thinner than this near the lungs,
_MAY_LOSE = 0.1  # nor loses more than this, 250 HU
_LUNG = 0.2  # network value, -524 HU: air inside the body below it is lung
_NEAR_LUNGS_MM = 35.0  # the thickness of a chest wall; farther out a film may end where the body does not
_THIN_RAYS = 0.3  # of the mean weight of a ray: rays that meet little tissue are not asked for much


def consistent(volume: Tensor, radiograph: Tensor, geometry: Geometry, steps: int) -> Tensor:
    """A volume (N, 1, D, H, W) in network values after ``steps`` steps towards ``radiograph`` (N, 1, rows, columns).

    The radiograph's grey scale is unknown: it is brought to the projection's by least squares, which takes nothing for
    granted but that more tissue is brighter. Differentiable, but for the weights. Values stay at least 0, and tissue
    near the lungs stays tissue (:func:`_least`).
    """
    if not steps:
        return volume
    shape = (volume.shape[2], volume.shape[3], volume.shape[4])
    with torch.no_grad():
        bone = torch.sigmoid((hu_from_network(volume) - _BONE_HU) / _BONE_WIDTH_HU)
        weights = volume.clamp_min(0) * (1 - _BONE_KEPT * bone) * (1 - spine_column(volume, geometry))
        along = cone_beam_projection(weights, geometry)
        along = along + _THIN_RAYS * along.mean((2, 3), keepdim=True)
        shares = weights / _ray_lengths(geometry, shape, along.dtype, along.device)
        shares = shares * (1000 / WATER_PER_MM / HU_RANGE)  # of attenuation per mm, in network values
        least = _least(volume, geometry)
    for _ in range(steps):
        projection = radiograph_from_ct(volume, geometry)
        missing = _matched(radiograph, projection) - projection
        volume = torch.maximum(volume + shares * _spread(missing / along, geometry, shape), least)
    return volume


def _least(volume: Tensor, geometry: Geometry) -> Tensor:
    """What each voxel of (N, 1, D, H, W) keeps at least: tissue around the lungs stays tissue, hardly thinner."""
    lungs = [(case < _LUNG) & ~outside_air(case, _LUNG) for case in volume[:, 0].float().cpu().numpy()]
    half = F.max_pool3d(torch.from_numpy(np.stack(lungs)).float(), 2).bool().numpy()  # an eighth of the time
    depth, height, width = (
        round(_NEAR_LUNGS_MM * count / side) for count, side in zip(half.shape[1:], geometry.volume_mm, strict=True)
    )
    around = torch.from_numpy(np.stack([widened(case, (depth, height, width)) for case in half]))[:, None]
    near = F.interpolate(around.to(volume), volume.shape[2:])
    kept = (volume - _MAY_LOSE).clamp_min(_STAYS_TISSUE)
    return torch.where(volume > _STAYS_TISSUE, kept * near, torch.zeros_like(near))


@lru_cache(maxsize=4)
def _ray_lengths(geometry: Geometry, shape: tuple[int, int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Length of all rays in each voxel, as if the detector saw the whole volume: (1, 1, D, H, W) in mm."""
    ones = torch.ones(1, 1, *geometry.detector_pixels, dtype=dtype, device=device)
    with torch.inference_mode(False):  # what is kept must do for training later
        return _spread(ones, geometry, shape, fade=False).clamp_min(1e-6)


def _spread(images: Tensor, geometry: Geometry, shape: tuple[int, int, int], fade: bool = True) -> Tensor:
    """Back-projection to the whole volume; beyond the detector its edge fades out, so that no frame is left."""
    source = geometry.source_to_axis_mm - geometry.volume_mm[0] / 2
    nearest = 1.0 if geometry.is_parallel else source / geometry.source_to_detector_mm
    extra = [
        max(0, math.ceil((side / nearest / detector - 1) / 2 * pixels))
        for side, detector, pixels in zip(
            geometry.volume_mm[1:], geometry.detector_mm, geometry.detector_pixels, strict=True
        )
    ]
    rows, columns = (pixels + 2 * more for pixels, more in zip(geometry.detector_pixels, extra, strict=True))
    (height, width), (old_rows, old_columns) = geometry.detector_mm, geometry.detector_pixels
    size = (height * rows / old_rows, width * columns / old_columns)
    wider = replace(geometry, detector_mm=size, detector_pixels=(rows, columns))
    padded = F.pad(images, (extra[1], extra[1], extra[0], extra[0]), mode="replicate")
    if not fade:
        return back_projection(padded, wider, shape)
    down, across = (
        torch.exp(-_beyond(pixels, more).to(images) / _FADE_PIXELS)
        for pixels, more in zip(geometry.detector_pixels, extra, strict=True)
    )
    return back_projection(padded * down[:, None] * across, wider, shape)


def _beyond(pixels: int, extra: int) -> Tensor:
    """How far beyond the detector's edge each of ``pixels + 2 extra`` pixels lies; 0 within."""
    place = torch.arange(-extra, pixels + extra)
    return torch.maximum(-place, place - (pixels - 1)).clamp_min(0).float()


def spine_column(volume: Tensor, geometry: Geometry) -> Tensor:
    """How much each voxel belongs to an upright column around the spine, (N, 1, D, 1, W) in [0, 1].

    The spine is where, behind the body's middle, it is dense at nearly every height: the largest 20th percentile over
    the middle three quarters of the rows, which leaves out heart and contrast medium.
    """
    depth, height, width = volume.shape[2:]
    depth_mm, _, width_mm = geometry.volume_mm
    tissue = (volume[:, 0] > _TISSUE).float().sum(2)
    behind, across = (
        (torch.arange(count, device=volume.device) + 0.5) * (side / count)
        for count, side in ((depth, depth_mm), (width, width_mm))
    )
    total = tissue.sum((1, 2)).clamp_min(1)
    front = (tissue * behind[:, None]).sum((1, 2)) / total
    middle = (tissue * across).sum((1, 2)) / total
    is_there = (behind > front[:, None])[:, :, None] & ((across - middle[:, None]).abs() <= _MIDLINE_MM)[:, None]
    depths, columns = _extent(is_there.any(2)), _extent(is_there.any(1))
    density = _smoothed(hu_from_network(volume.float()).clamp(0, _MARROW_HU), depths, height // 8, columns)
    column = torch.zeros_like(tissue)
    column[:, depths, columns] = torch.quantile(density[:, 0], 0.2, dim=2)
    column = column * is_there
    place = column.flatten(1).argmax(1)
    from_spine = torch.hypot(
        (behind - behind[place // width][:, None])[:, :, None], (across - across[place % width][:, None])[:, None]
    )
    return torch.sigmoid((_SPINE_RADIUS_MM - from_spine) / _SPINE_BORDER_MM)[:, None, :, None]


def _extent(mask: Tensor) -> slice:
    """From the first to the last place where any case of a mask (N, places) holds; all places where none does."""
    held = mask.any(0).int()
    return slice(int(held.argmax()), len(held) - int(held.flip(0).argmax()))


def _smoothed(volume: Tensor, depths: slice, left_out: int, columns: slice, reach: int = 2) -> Tensor:
    """Means over 5 voxels along each axis, of a part of (N, 1, D, H, W): elsewhere nobody looks.

    ``left_out``: rows above and below.
    """
    part = (depths, slice(left_out, volume.shape[3] - left_out), columns)
    d, h, w = (slice(max(0, along.start - reach), along.stop + reach) for along in part)
    means = F.avg_pool3d(volume[:, :, d, h, w], 2 * reach + 1, 1, reach, count_include_pad=False)
    d, h, w = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, (d, h, w), strict=True))
    return means[:, :, d, h, w]


def _matched(radiograph: Tensor, projection: Tensor) -> Tensor:
    """The radiograph in the projection's grey scale, by least squares."""
    x, y = (image - image.mean((2, 3), keepdim=True) for image in (radiograph, projection))
    gain = (x * y).sum((2, 3), keepdim=True) / x.square().sum((2, 3), keepdim=True).clamp_min(1e-12)
    return gain * x + projection.mean((2, 3), keepdim=True)
