"""How well a predicted volume matches the true CT, under two protocols that are never mixed.

Volumes are float arrays (D, H, W) in network values, [0, 1], which span 2500 HU.
"""

from collections.abc import Callable

import numpy as np

from XrayToCTLib.comparison import structural_similarity
from XrayToCTLib.projection import HU_RANGE

X2CT_PEAK = 4095.0  # X2CT-GAN's published evaluation, although its data span 2500


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
    """Structural similarity of 2D slices (range [-1, 1], 1 is equal), mean over every ``step``-th slice of 3 axes."""
    scores = [
        structural_similarity(np.take(predicted, i, axis), np.take(truth, i, axis))
        for axis in range(3)
        for i in range(step // 2, truth.shape[axis], step)
    ]
    return float(np.mean(scores))


def mae_hu(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute error in HU."""
    return float(np.mean(np.abs(predicted - truth), dtype=np.float64) * HU_RANGE)


RECONSTRUCTION: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mae_hu": mae_hu,
    "psnr_honest": psnr_honest,
    "psnr_x2ct": psnr_x2ct,
    "ssim": lambda predicted, truth: ssim(predicted, truth, step=4),
}


def score_volume(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Every metric of one volume."""
    return {name: metric(predicted, truth) for name, metric in RECONSTRUCTION.items()}


def mean_scores(rows: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over cases."""
    return {name: float(np.mean([row[name] for row in rows])) for name in RECONSTRUCTION}
