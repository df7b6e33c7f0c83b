"""Losses of the generator. All reductions are means."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.projection import mean_projections


def projection_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """L_pl of X2CT-GAN (Ying et al. 2019, eq. 5): mean over the three axes of the L1 distance of the mean projections.

    Both volumes (N, 1, D, H, W).
    """
    pairs = zip(mean_projections(predicted), mean_projections(truth), strict=True)
    losses = [F.l1_loss(p, t) for p, t in pairs]
    return (losses[0] + losses[1] + losses[2]) / 3


@dataclass(frozen=True)
class RegressionWeights:
    """Weights of the losses that need a CT and no discriminator.

    ``reconstruction`` (mean squared error) and ``projection`` are those of X2CT's published configuration; ``absolute``
    (mean absolute error) is ours: without a discriminator it keeps edges that the squared error alone blurs.
    """

    reconstruction: float = 10.0
    projection: float = 10.0
    absolute: float = 1.0


def regression_loss(predicted: Tensor, truth: Tensor, weights: RegressionWeights) -> Tensor:
    """Weighted sum of the losses above, for volumes (N, 1, D, H, W) in network values."""
    return (
        weights.reconstruction * F.mse_loss(predicted, truth)
        + weights.projection * projection_loss(predicted, truth)
        + weights.absolute * F.l1_loss(predicted, truth)
    )
