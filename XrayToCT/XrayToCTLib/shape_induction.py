"""Shape induction (Sizikova et al. 2022): the predicted CT's projection must look like the radiograph that went in."""

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from XrayToCTLib.comparison import details_sigmas
from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTLib.projection import Geometry, mean_projections, radiograph_from_ct

Projection = Literal["mean", "matched"]
Normalisation = Literal["min-max", "affine", "none"]

_BORDERS_HU, _BORDER_WIDTH_HU = (-375.0, 150.0), 75.0  # of tissue in air, of bone in tissue


def shape_induction_loss(
    volume: Tensor,
    radiograph: Tensor,
    geometry: Geometry,
    projection: Projection = "matched",
    normalisation: Normalisation = "min-max",
) -> Tensor:
    """L_sind: mean squared error of a projection of ``volume`` against ``radiograph``; needs no CT.

    Args:
        volume: (N, 1, D, H, W) network values. radiograph: (N, 1, H, W) in [0, 1], bone bright.
        geometry: of the radiograph; its detector must have the radiograph's pixels.
        projection: "mean" is the paper's coronal mean, which is off the radiograph's scale where the beam diverges;
            "matched" is the cone beam of ``geometry``.
        normalisation: "min-max" brings each image to [0, 1] (most likely what the unpublished step
            ``optimize_G_proj_norm`` did); "affine" matches the projection to the radiograph by least squares; "none".

    Raises:
        ValueError: an unknown projection or normalisation.
    """
    if projection not in get_args(Projection) or normalisation not in get_args(Normalisation):
        raise ValueError(f"unknown projection {projection!r} or normalisation {normalisation!r}")
    predicted = mean_projections(volume)[1] if projection == "mean" else radiograph_from_ct(volume, geometry)
    if normalisation == "min-max":
        predicted, radiograph = _min_max(predicted), _min_max(radiograph)
    elif normalisation == "affine":
        predicted = _affine_match(predicted, radiograph)
    return F.mse_loss(predicted, radiograph)


def details_loss(volume: Tensor, radiograph: Tensor, geometry: Geometry) -> Tensor:
    """1 minus the correlation of details of 2 to 16 mm in the volume's cone beam projection and in the radiograph.

    Ours: the squared error of whole pictures is about the outlines of lungs and heart; ribs, vessels and lesions are in
    this band. Being a correlation it leaves each picture's contrast alone. Mean over cases, in [0, 2].

    Args:
        volume: (N, 1, D, H, W) network values. radiograph: (N, 1, H, W), bone bright, any unit.
    """
    fine, coarse = details_sigmas(geometry.pixel_at_isocentre_mm)
    bands = [
        _blurred(images, fine) - _blurred(images, coarse)
        for images in (radiograph_from_ct(volume, geometry), radiograph)
    ]
    x, y = (band.flatten(1) - band.flatten(1).mean(1, keepdim=True) for band in bands)
    return (1 - F.cosine_similarity(x, y, dim=1, eps=1e-6)).mean()


def anchor_loss(predicted: Tensor, before: Tensor) -> Tensor:
    """How far shape induction has moved a volume from what was made of the same radiograph before; ours.

    The mean squared difference of the network values, and a tenth of that of how much each voxel is tissue and how much
    it is bone (0 or 1), which weigh far more: densities may follow a film's grey scale, but walls, lungs, heart and
    spine stay where they were.
    """
    borders = [F.mse_loss(_above(predicted, hu), _above(before, hu)) for hu in _BORDERS_HU]
    return F.mse_loss(predicted, before) + 0.1 * (borders[0] + borders[1])


def _above(volume: Tensor, border_hu: float) -> Tensor:
    """How far each voxel is denser than a border: 0 or 1, and between them near it."""
    return torch.sigmoid((volume * HU_RANGE - (1024 + border_hu)) / _BORDER_WIDTH_HU)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, 1, H, W), mirrored beyond the edges, as ``scipy.ndimage.gaussian_filter`` does it."""
    down, across = (_blur_matrix(count, sigma).to(images) for count in images.shape[2:])
    return down @ images @ across.T


@lru_cache(maxsize=16)
def _blur_matrix(count: int, sigma: float) -> Tensor:
    return torch.from_numpy(ndimage.gaussian_filter1d(np.eye(count), sigma, axis=0))


def _min_max(images: Tensor) -> Tensor:
    low, high = torch.aminmax(images.flatten(1), dim=1, keepdim=True)
    return ((images.flatten(1) - low) / (high - low).clamp_min(1e-6)).view_as(images)


def _affine_match(images: Tensor, targets: Tensor) -> Tensor:
    x, y = images.flatten(1), targets.flatten(1)
    x, mean = x - x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    gain = (x * (y - mean)).sum(1, keepdim=True) / x.square().sum(1, keepdim=True).clamp_min(1e-12)
    return (gain * x + mean).view_as(images)
