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
        similarity: of the structural dissimilarity of slices against the true CT; ours, for the same purpose.
        details: of the dissimilarity of details in projection and real radiograph; ours, beside ``induction``.
        anchor: of the distance (:func:`shape_induction.anchor_loss`) from what stage 1 made of the same radiograph;
            ours. Without it a generator that tells real radiographs from projections may paint them on the chest wall
            and lose the chest.
    """

    adversarial: float = 0.1
    reconstruction: float = 0.1
    projection: float = 0.1
    induction: float = 10.0
    absolute: float = 0.0
    similarity: float = 0.0
    details: float = 0.0
    anchor: float = 0.0


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


def slice_similarity(predicted: Tensor, truth: Tensor, axis: int, start: int = 0) -> Tensor:
    """Structural similarity (Wang et al. 2004, eq. 13, for a range of 1) of every second slice along an axis.

    Windows are uniform, 7 x 7, and lie inside the slice: the variant of the paper's section III.B that costs least.

    Args:
        axis: 2, 3 or 4 of (N, 1, D, H, W). start: first slice, 0 or 1.

    Returns:
        Mean over windows, slices and cases, at most 1 (equal).
    """
    x, y = (v.movedim(axis, 1)[:, start::2].flatten(0, 1) for v in (predicted, truth))

    def mean(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, 7, stride=1)

    mean_x, mean_y = mean(x), mean(y)
    variances = (mean(x * x) - mean_x * mean_x + mean(y * y) - mean_y * mean_y).clamp_min(0)
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return (likeness / ((mean_x * mean_x + mean_y * mean_y + c1) * (variances + c2))).mean()


def regression_losses(predicted: Tensor, truth: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """The losses that compare with a true CT and need no discriminator, by their name in :class:`LossWeights`.

    The similarity, which takes time, is that of slices drawn at random (along one axis, every second one), and is left
    out where its weight is 0; the others are worth watching in any case.
    """
    losses = {
        "reconstruction": F.mse_loss(predicted, truth),
        "projection": projection_loss(predicted, truth),
        "absolute": F.l1_loss(predicted, truth),
    }
    if weights.similarity:
        axis, start = int(torch.randint(2, 5, ())), int(torch.randint(2, ()))
        losses["similarity"] = 1 - slice_similarity(predicted, truth, axis, start)
    return losses


def class_loss(logits: Tensor, target: Tensor, activation: str, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with softmax, or binary cross-entropy of each class with sigmoid, against targets (N, classes)."""
    target = target * (1 - smoothing) + smoothing / target.shape[1]
    if activation == "sigmoid":
        return F.binary_cross_entropy_with_logits(logits, target)
    return F.cross_entropy(logits, target)


def findings_loss(logits: Tensor, present: Tensor, known: Tensor) -> Tensor:
    """Mean binary cross-entropy (N, findings) over the cases whose findings are known (N,); 0 where none is."""
    each = F.binary_cross_entropy_with_logits(logits, present, reduction="none").mean(1)
    return (each * known).sum() / known.sum().clamp_min(1)


def shadows_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of shadows (N, kinds, places, places), per patch and summed over kinds, where known (N,)."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1).mean((1, 2))
    return (each * known).sum() / known.sum().clamp_min(1)
