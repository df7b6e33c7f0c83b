"""Prepared cases as the networks see them: normalised radiographs and volumes in network values."""

import json

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.outside_air import without_haze
from XrayToCTLib.projection import Geometry, hu_from_network, network_from_hu
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.poses import posed_at_random
from XrayToCTTraining.simulation.acquisition import acquire
from XrayToCTTraining.simulation.devices import random_style


def radiograph_of(cohort: Cohort, case: Case, size: int) -> Tensor:
    """The stored radiograph, (1, size, size) in [0, 1], normalised as at inference."""
    grey = torch.from_numpy(cohort.radiograph(case).astype(np.float32) / 255)[None, None]
    if grey.shape[2:] != (size, size):
        grey = F.interpolate(grey, (size, size), mode="bilinear", antialias=True)
    return torch.from_numpy(normalise(grey[0, 0].numpy()))[None]


def volume_of(cohort: Cohort, case: Case, size: int) -> Tensor:
    """The true CT, (1, size, size, size) in network values; averaged where it is stored finer.

    The air around the patient is 0, as X2CT's preparation leaves it: simulated patients are stored with the noise that
    a scanner leaves there.
    """
    volume = without_haze(network_from_hu(torch.from_numpy(cohort.hu(case)).float())[None, None])[0]
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
        framing: probability of a film's frame in place of the scan's (:func:`poses.posed_at_random`).

    Returns:
        Radiograph (1, size, size) in [0, 1] and volume (1, size, size, size) in network values.
    """
    volume = posed_at_random(volume_of(cohort, case, size), rng, framing)
    return acquired(volume, geometry_of(cohort, size), rng), volume


def acquired(volume: Tensor, geometry: Geometry, rng: np.random.Generator) -> Tensor:
    """The radiograph of a volume (1, D, H, W) in network values, in a random device's style: (1, rows, columns)."""
    image = acquire(hu_from_network(volume)[None], geometry, random_style(rng), rng)
    return torch.from_numpy(normalise(image[0, 0].numpy()))[None]
