"""A temperature is found again, and takes overconfidence away."""

import numpy as np
import pytest
import torch

from XrayToCTLib.classifier import CLASSES, TEMPERATURES, ClassifierConfig
from XrayToCTTraining.class_calibration import calibrate, expected_calibration_error, fit_temperature

SOFTMAX = ClassifierConfig()


def cases(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits (n, 3), and classes drawn with the probabilities that these logits mean."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, len(CLASSES))).astype(np.float32)
    chances = torch.from_numpy(logits).softmax(1).numpy()
    return logits, (rng.random((count, 1)) > chances.cumsum(1)).sum(1).clip(0, len(CLASSES) - 1)


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_temperature_by_which_logits_were_multiplied_is_found(heat: float) -> None:
    logits, truths = cases(20_000, 0)
    assert fit_temperature(heat * logits, truths, SOFTMAX) == pytest.approx(heat, rel=0.05)


def test_scores_of_single_classes_are_calibrated_by_their_own_loss() -> None:
    """Under sigmoid, logits that mean what they say give a temperature of 1 (here each class is a case's own odds)."""
    rng = np.random.default_rng(1)
    chance = rng.uniform(0.05, 0.95, 30_000)
    logits = np.stack([np.log(chance / (1 - chance)), -np.log(chance / (1 - chance)), np.full(30_000, -30)], axis=1)
    truths = np.where(rng.random(30_000) < chance, 0, 1)
    config = ClassifierConfig(activation="sigmoid")
    assert fit_temperature(2 * logits, truths, config) == pytest.approx(2, rel=0.05)


def test_calibration_lowers_the_error_on_cases_that_it_was_not_fitted_on() -> None:
    (fit, fit_truths), (held_out, truths) = cases(5_000, 2), cases(5_000, 3)
    found = calibrate((3 * fit, fit_truths), (3 * held_out, truths), SOFTMAX)
    assert found.error_before > 0.1
    assert found.error_after < 0.02
    expected = -np.log(torch.from_numpy(held_out).double().softmax(1).numpy()[np.arange(len(truths)), truths]).mean()
    assert found.loss_after == pytest.approx(expected, rel=0.01)
    assert found.loss_before > 1.2 * found.loss_after


def test_the_calibration_error_is_the_weighted_gap_of_confidence_and_accuracy() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.9, 0.05, 0.05], [0.5, 0.4, 0.1], [0.2, 0.55, 0.25]])
    truths = np.array([0, 1, 0, 1])
    # bins: two of 0.9, one of them right; one of 0.5 and one of 0.55, both right
    expected = (2 * abs(0.9 - 0.5) + 2 * abs(0.525 - 1)) / 4
    assert expected_calibration_error(scores, truths) == pytest.approx(expected)


def test_a_classifier_that_is_always_right_gets_the_end_of_the_range() -> None:
    logits = np.eye(3, dtype=np.float32)
    assert fit_temperature(logits, np.arange(3), SOFTMAX) == pytest.approx(TEMPERATURES[0], rel=1e-3)
