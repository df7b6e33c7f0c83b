"""How sure a classifier may be: a temperature fitted on cases, and how far confidence is from how often it is right.

Guo et al., *On Calibration of Modern Neural Networks*, 2017 (arXiv 1706.04599).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from XrayToCTLib.classifier import CLASSES, TEMPERATURES, ClassifierConfig, probabilities
from XrayToCTTraining.losses import class_loss

TEMPERATURE = "temperature.json"
"""What `evaluate classification` writes and `export` puts into a model's file."""
BINS = 10


@dataclass(frozen=True)
class ClassCalibration:
    """A temperature, and what it does on cases that it was not fitted on, without and with it.

    Attributes:
        error_before, error_after: expected calibration error; of few cases its bins say little.
        loss_before, loss_after: mean cross-entropy, which the temperature makes as small as can be where it is fitted.
    """

    temperature: float
    error_before: float
    error_after: float
    loss_before: float
    loss_after: float


def fit_temperature(logits: np.ndarray, truths: np.ndarray, config: ClassifierConfig) -> float:
    """The temperature with the least cross-entropy on cases: logits (n, classes), true classes (n,).

    Within TEMPERATURES, whose end is the answer where the classifier is always, or never, right.
    """

    def loss(logarithm: float) -> float:
        return _loss(logits, truths, config, float(np.exp(logarithm)))

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x).clip(*TEMPERATURES))


def expected_calibration_error(scores: np.ndarray, truths: np.ndarray) -> float:
    """Mean distance of confidence from accuracy, in [0, 1], over BINS equal bins of confidence, weighted by cases.

    scores (n, classes) in [0, 1]; confidence is the largest of a case.
    """
    confidence, right = scores.max(1), scores.argmax(1) == truths
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(float((confidence[bins == i] - right[bins == i]).sum())) for i in np.unique(bins)]
    return sum(gaps) / len(truths)


def calibrate(
    fitted_on: tuple[np.ndarray, np.ndarray], judged_on: tuple[np.ndarray, np.ndarray], config: ClassifierConfig
) -> ClassCalibration:
    """A temperature from logits and truths of some cases, judged on others."""
    temperature = fit_temperature(*fitted_on, config)
    logits, truths = judged_on
    before, after = (
        expected_calibration_error(probabilities(config, torch.from_numpy(logits), heat).numpy(), truths)
        for heat in (1.0, temperature)
    )
    losses = (_loss(logits, truths, config, heat) for heat in (1.0, temperature))
    return ClassCalibration(temperature, before, after, *losses)


def _loss(logits: np.ndarray, truths: np.ndarray, config: ClassifierConfig, temperature: float) -> float:
    targets = torch.nn.functional.one_hot(torch.from_numpy(truths), len(CLASSES)).double()
    return float(class_loss(torch.from_numpy(logits).double() / temperature, targets, config.activation))
