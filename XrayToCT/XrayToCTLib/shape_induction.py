"""Shape induction (Sizikova et al. 2022): the predicted CT's projection must look like the radiograph that went in."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.projection import Geometry, mean_projections, radiograph_from_ct

Projection = Literal["mean", "matched"]
Normalisation = Literal["min-max", "affine", "none"]


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


def _min_max(images: Tensor) -> Tensor:
    low, high = torch.aminmax(images.flatten(1), dim=1, keepdim=True)
    return ((images.flatten(1) - low) / (high - low).clamp_min(1e-6)).view_as(images)


def _affine_match(images: Tensor, targets: Tensor) -> Tensor:
    x, y = images.flatten(1), targets.flatten(1)
    x, mean = x - x.mean(1, keepdim=True), y.mean(1, keepdim=True)
    gain = (x * (y - mean)).sum(1, keepdim=True) / x.square().sum(1, keepdim=True).clamp_min(1e-12)
    return (gain * x + mean).view_as(images)
