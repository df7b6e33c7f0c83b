"""How well a predicted volume matches the true CT, under two protocols that are never mixed.

Volumes are float arrays (D, H, W) in network values, [0, 1], which span 2500 HU.
"""

from collections.abc import Mapping

import numpy as np

from XrayToCTLib.comparison import structural_similarity
from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTTraining.tissue_masks import tissue_masks

X2CT_PEAK = 4095.0  # X2CT-GAN's published evaluation, although its data span 2500
DICE_OF = ("body", "lungs", "bone")


def psnr_honest(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over the whole volume; the peak is the data's own range."""
    return float(-10 * np.log10(max(np.mean((predicted - truth) ** 2, dtype=np.float64), 1e-12)))


def psnr_x2ct(predicted: np.ndarray, truth: np.ndarray) -> float:
    """PSNR in dB as X2CT-GAN's evaluation computes it: peak 4095, mean over the slices of the three axes."""
    squared = ((predicted - truth) * HU_RANGE).astype(np.float64) ** 2
    axes = [(1, 2), (0, 2), (0, 1)]
    errors = np.concatenate([squared.mean(axis) for axis in axes])
    return float(np.mean(10 * np.log10(X2CT_PEAK**2 / np.maximum(errors, 1e-6))))


def ssim(predicted: np.ndarray, truth: np.ndarray, step: int = 1) -> float:
    """Structural similarity of 2D slices (range [-1, 1], 1 is equal), mean over every ``step``-th slice of 3 axes.

    With ``step`` 1 this is the two-dimensional, multichannel SSIM over three axes of X2CT-GAN's evaluation (a mean
    over channels), with the Gaussian window of Wang et al. 2004.
    """
    scores = [
        structural_similarity(np.take(predicted, i, axis), np.take(truth, i, axis))
        for axis in range(3)
        for i in range(step // 2, truth.shape[axis], step)
    ]
    return float(np.mean(scores))


def mae_hu(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error in HU."""
    return float(np.mean(np.abs(predicted - truth), dtype=np.float64) * HU_RANGE)


def rmse_hu(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Root mean squared error in HU."""
    return float(np.sqrt(np.mean((predicted - truth) ** 2, dtype=np.float64)) * HU_RANGE)


def cosine(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Cosine similarity of the two volumes as vectors of network values (air is 0), in [0, 1]; 0 if either is empty."""
    product = np.vdot(predicted.astype(np.float64), truth.astype(np.float64))
    return float(product / max(float(np.linalg.norm(predicted) * np.linalg.norm(truth)), 1e-12))


def projection_l1(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean over the three axes of the mean absolute difference of the mean projections, in network values."""
    return float(np.mean([np.abs(predicted.mean(axis) - truth.mean(axis)).mean() for axis in range(3)]))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice coefficient of two masks, in [0, 1]; not a number where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * float((one & other).sum()) / total if total else float("nan")


def score_volume(
    predicted: np.ndarray, truth: np.ndarray, ssim_step: int = 4, masks: Mapping[str, np.ndarray] | None = None
) -> dict[str, float]:
    """Every metric of one volume.

    Args:
        ssim_step: 4 is quick, for validation while training; 1 takes every slice.
        masks: true body, lungs and bone; found by thresholds, as in the prediction, where they are not given.
    """
    of_truth = {**tissue_masks(truth), **(masks or {})}
    of_prediction = tissue_masks(predicted)
    return {
        "mae_hu": mae_hu(predicted, truth),
        "rmse_hu": rmse_hu(predicted, truth),
        "psnr_honest": psnr_honest(predicted, truth),
        "psnr_x2ct": psnr_x2ct(predicted, truth),
        "ssim": ssim(predicted, truth, ssim_step),
        "cosine": cosine(predicted, truth),
        "projection_l1": projection_l1(predicted, truth),
        **{f"dice_{name}": dice(of_prediction[name], of_truth[name]) for name in DICE_OF},
    }


def mean_scores(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over cases; cases without a value are left out of its mean."""
    return {name: _mean([row[name] for row in rows]) for name in rows[0]}


def _mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
