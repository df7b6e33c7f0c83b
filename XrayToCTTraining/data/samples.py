"""Prepared cases as the networks see them: normalised radiographs and volumes in network values."""

import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, hu_from_network, network_from_hu
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.simulation.acquisition import acquire
from XrayToCTTraining.simulation.devices import random_style

_NARROW = 0.1  # how often, in random styles, a scan's field does not reach the skin
_DEPTH_SD = 10 / 320  # of where a patient lies in depth, beyond what the cohort has, as a part of the volume's side
_SHORT = 0.25  # and how often the scan ends above the lower side of the volume


def radiograph_of(cohort: Cohort, case: Case, size: int) -> Tensor:
    """The stored radiograph, (1, size, size) in [0, 1], normalised as at inference."""
    grey = torch.from_numpy(cohort.radiograph(case).astype(np.float32) / 255)[None, None]
    if grey.shape[2:] != (size, size):
        grey = F.interpolate(grey, (size, size), mode="bilinear", antialias=True)
    return torch.from_numpy(normalise(grey[0, 0].numpy()))[None]


def volume_of(cohort: Cohort, case: Case, size: int) -> Tensor:
    """The true CT, (1, size, size, size) in network values; averaged where it is stored finer."""
    volume = network_from_hu(torch.from_numpy(cohort.hu(case)).float())[None]
    stored = volume.shape[-1]
    if stored == size:
        return volume
    if stored % size == 0:
        return F.avg_pool3d(volume[None], stored // size)[0]
    return F.interpolate(volume[None], (size,) * 3, mode="trilinear")[0]


def geometry_of(cohort: Cohort, size: int) -> Geometry:
    """How the radiographs of a cohort with CTs were made, on a detector of ``size`` pixels."""
    recorded = next((case.geometry for case in cohort.cases if case.geometry), None)
    if recorded is None:
        return Geometry(detector_pixels=(size, size))
    return Geometry.from_dict({**json.loads(recorded), "detector_pixels": (size, size)})


def styled_pair(
    cohort: Cohort, case: Case, size: int, rng: np.random.Generator, framing: float
) -> tuple[Tensor, Tensor]:
    """A case with a CT as some device would have seen it, differently each time.

    Args:
        framing: probability of a frame of its own (:func:`posed`). That is interpolation, which blurs, and leaves open
            how large the patient is: the rest stays as it is. One in ten is then :func:`narrowed`, one in four
            :func:`shortened`.

    Returns:
        Radiograph (1, size, size) in [0, 1] and volume (1, size, size, size) in network values.
    """
    volume = volume_of(cohort, case, size)
    if rng.random() < framing:
        volume = posed(volume, rng)
    if rng.random() < _NARROW:
        volume = narrowed(volume, rng)
    if rng.random() < _SHORT:
        volume = shortened(volume, rng)
    return acquired(volume, geometry_of(cohort, size), rng), volume


def narrowed(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """A volume (1, D, H, W) whose sides are air from 64 to 94 % of the way out, as where a scan's field was narrow."""
    half = volume.shape[-1] / 2
    right, left = (round(half * rng.uniform(0.06, 0.36)) for _ in range(2))
    result = torch.zeros_like(volume)
    result[..., right : volume.shape[-1] - left] = volume[..., right : volume.shape[-1] - left]
    return result


def shortened(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """A volume (1, D, H, W) that is air from 70 to 97 % of the way down: many scans are shorter than the volume, and
    X2CT's preparation keeps their top."""
    result = torch.zeros_like(volume)
    kept = round(volume.shape[2] * rng.uniform(0.7, 0.97))
    result[:, :, :kept] = volume[:, :, :kept]
    return result


def acquired(volume: Tensor, geometry: Geometry, rng: np.random.Generator) -> Tensor:
    """The radiograph of a volume (1, D, H, W) in network values, in a random device's style: (1, rows, columns)."""
    image = acquire(hu_from_network(volume)[None], geometry, random_style(rng), rng)
    return torch.from_numpy(normalise(image[0, 0].numpy()))[None]


def posed(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """A volume (1, D, H, W) seen in a different frame, so that what is projected from it stays its pair.

    Radiographs are framed as the technician chose: the chest fills 78 to 108 % of what it fills here, up to 5 % off
    the centre sideways and 8 % up or down, turned by up to 3 degrees. In depth it is 8 % thinner or thicker, and
    further forward or back by 10 mm (standard deviation): neither is known of a patient whose CT was never made.
    Beyond the volume's sides the tissue at its edge goes on, as the neck, the arms and the belly do, and there is air
    in front of and behind it. Network values in and out.
    """
    size, depth = volume.shape[-1], volume.shape[1]
    scale, angle = rng.uniform(0.78, 1.08), np.deg2rad(rng.uniform(-3, 3))
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    right, down = rng.uniform(-0.1, 0.1), rng.uniform(-0.16, 0.16)  # of half a side
    theta = torch.tensor([[cosine, -sine, right], [sine, cosine, down]], dtype=volume.dtype)[None]
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    turned = F.grid_sample(volume, grid, align_corners=False, padding_mode="border")[0]  # the depths as channels
    # A matrix of linear interpolation, zero outside.
    thickness, forward = scale * rng.uniform(0.92, 1.08), rng.normal(0, _DEPTH_SD * depth)
    wanted = (torch.arange(depth) - (depth - 1) / 2) / thickness + (depth - 1) / 2 + forward
    weights = (1 - (wanted[:, None] - torch.arange(depth)).abs()).clamp_min(0).to(volume)
    return (weights @ turned.flatten(1)).view_as(turned)[None]
