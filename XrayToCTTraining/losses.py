"""Losses of the generator and the discriminator. All reductions are means; volumes are (N, 1, D, H, W)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.projection import mean_projections

AdversarialForm = Literal["paper", "x2ct"]


@dataclass(frozen=True)
class LossWeights:
    """Weights of the generator's losses (Sizikova et al. 2022, section 3: lambda 1 to 4).

    Attributes:
        adversarial: lambda1, of the least squares GAN; 0 trains without a discriminator.
        reconstruction: lambda2, of the mean squared error against the true CT.
        projection: lambda3, of the distance of the mean projections.
        induction: lambda4, of shape induction on real radiographs, which needs no CT.
        absolute: of the mean absolute error against the true CT; ours: without a discriminator it keeps edges that the
            squared error alone blurs.
    """

    adversarial: float = 0.1
    reconstruction: float = 0.1
    projection: float = 0.1
    induction: float = 10.0
    absolute: float = 0.0


def projection_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """L_pl of X2CT-GAN (Ying et al. 2019, eq. 5): mean over three axes of the L1 distance of mean projections."""
    pairs = zip(mean_projections(predicted), mean_projections(truth), strict=True)
    losses = [F.l1_loss(p, t) for p, t in pairs]
    return (losses[0] + losses[1] + losses[2]) / 3


def generator_adversarial_loss(scores: Tensor, form: AdversarialForm) -> Tensor:
    """L_LSGAN for the generator, of D's scores for generated volumes.

    ``paper`` has the half of the formula; ``x2ct``, the published code, has not.
    """
    loss = F.mse_loss(scores, torch.ones_like(scores))
    return loss / 2 if form == "paper" else loss


def discriminator_loss(real: Tensor, generated: Tensor, form: AdversarialForm) -> Tensor:
    """L_D, of D's scores for true and for generated volumes.

    ``paper``: half of each term; ``x2ct``, the published code: the whole terms, times 0.1.
    """
    loss = F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(generated, torch.zeros_like(generated))
    return loss / 2 if form == "paper" else loss * 0.1


def regression_losses(predicted: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """The losses that compare with a true CT and need no discriminator, by their name in :class:`LossWeights`."""
    return {
        "reconstruction": F.mse_loss(predicted, truth),
        "projection": projection_loss(predicted, truth),
        "absolute": F.l1_loss(predicted, truth),
    }
