"""Metrics, statistics and classification figures against plain arithmetic, brute force and analytic cases."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from XrayToCTTraining.classification_metrics import (
    area_interval,
    area_under_curve,
    receiver_operating_curve,
    score_classes,
)
from XrayToCTTraining.metrics import cosine, dice, projection_l1, psnr_honest, psnr_x2ct, score_volume, ssim
from XrayToCTTraining.statistics import bootstrap_interval, mcnemar, spread
from XrayToCTTraining.tissue_masks import tissue_masks

RNG = np.random.default_rng(5)
TRUTH = RNG.random((12, 14, 16)).astype(np.float32)


def test_a_constant_error_of_25_hu_gives_the_figures_of_the_formulas():
    figures = score_volume(TRUTH + 0.01, TRUTH)
    assert figures["mae_hu"] == pytest.approx(25, rel=1e-4)
    assert figures["rmse_hu"] == pytest.approx(25, rel=1e-4)
    assert figures["psnr_honest"] == pytest.approx(40, abs=1e-3)
    assert figures["projection_l1"] == pytest.approx(0.01, rel=1e-4)
    # the same error everywhere: the two protocols differ by their peaks alone
    assert figures["psnr_x2ct"] - figures["psnr_honest"] == pytest.approx(20 * math.log10(4095 / 2500), abs=1e-3)


def test_the_published_psnr_is_the_mean_over_the_slices_of_three_axes():
    predicted = TRUTH + RNG.normal(0, 0.05, TRUTH.shape).astype(np.float32)
    each = []
    for axis, count in enumerate(TRUTH.shape):
        for i in range(count):
            a, b = (np.take(v, i, axis).astype(np.float64) * 2500 for v in (predicted, TRUTH))
            each.append(10 * np.log10(4095**2 / ((a - b) ** 2).mean()))
    assert psnr_x2ct(predicted, TRUTH) == pytest.approx(np.mean(each), abs=1e-3)
    assert psnr_honest(predicted, TRUTH) < psnr_x2ct(predicted, TRUTH)


def test_similarity_of_equal_volumes_is_one_and_of_inverted_ones_negative():
    assert ssim(TRUTH, TRUTH) == pytest.approx(1)
    assert ssim(1 - TRUTH, TRUTH) < 0
    assert cosine(TRUTH, 3 * TRUTH) == pytest.approx(1)
    assert cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(math.sqrt(0.5))


def test_dice_of_boxes_shifted_by_a_third_is_two_thirds():
    one, other = np.zeros((2, 9), bool), np.zeros((2, 9), bool)
    one[:, 0:6], other[:, 2:8] = True, True
    assert dice(one, other) == pytest.approx(2 / 3)
    assert math.isnan(dice(one & False, other & False))


def test_projection_l1_sees_a_shift_and_not_a_rearrangement_that_keeps_all_means():
    assert projection_l1(np.roll(TRUTH, 1, 0), TRUTH) > 0.01
    changed = TRUTH.astype(np.float64)
    for d, h, w in product((0, 1), repeat=3):
        changed[d, h, w] += (-1) ** (d + h + w)
    assert projection_l1(changed, TRUTH) == pytest.approx(0, abs=1e-7)


def test_tissue_masks_find_body_lungs_and_bone_of_a_drawn_chest():
    hu = np.full((20, 20, 20), -1000.0)
    hu[3:17, :, 3:17] = 40
    hu[6:12, 5:15, 5:9] = hu[6:12, 5:15, 11:15] = -850
    hu[13:16, :, 8:12] = 600
    masks = tissue_masks((hu + 1024) / 2500)
    np.testing.assert_array_equal(masks["body"], hu > -1000)
    np.testing.assert_array_equal(masks["lungs"], hu == -850)
    np.testing.assert_array_equal(masks["bone"], hu == 600)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_the_area_under_the_curve_is_the_chance_of_the_right_order(cases):
    scores = np.array([score for score, _ in cases], float)
    positive = np.array([label for _, label in cases])
    pairs = [(p > n) + 0.5 * (p == n) for p, n in product(scores[positive], scores[~positive])]
    area = area_under_curve(scores, positive)
    if not pairs:
        assert math.isnan(area)
        return
    assert area == pytest.approx(np.mean(pairs))
    false, true = receiver_operating_curve(scores, positive)
    assert np.trapezoid(true, false) == pytest.approx(area)


def test_classification_figures_of_a_worked_example():
    probabilities = np.eye(3)[[0, 0, 1, 1, 2, 2, 0]]
    scores = score_classes(probabilities, np.array([0, 0, 1, 2, 2, 2, 1]))
    assert scores.confusion.tolist() == [[2, 0, 0], [1, 1, 0], [0, 1, 2]]
    assert scores.accuracy == pytest.approx(5 / 7)
    assert scores.headline["tb_recall"] == pytest.approx(2 / 3)
    assert scores.headline["tb_precision"] == 1
    assert scores.recall["healthy"] == 1
    assert scores.precision["sick"] == 0.5


def test_figures_of_a_class_that_never_occurs_are_not_numbers():
    scores = score_classes(np.eye(3)[[0, 1]], np.array([0, 1]))
    assert math.isnan(scores.headline["tb_recall"])
    assert math.isnan(scores.headline["tb_precision"])
    with pytest.raises(ValueError, match="no case"):
        score_classes(np.zeros((0, 3)), np.zeros(0, int))


def test_mcnemar_is_the_binomial_test_of_the_disagreements():
    a = np.array([True] * 9 + [False] * 1 + [True] * 5)
    b = np.array([False] * 9 + [True] * 1 + [True] * 5)
    assert mcnemar(a, b) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(b, a) == mcnemar(a, b)
    assert mcnemar(a, a) == 1


def test_a_bootstrap_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.normal(3, 1, 40), resamples=400, seed=seed)
        covered += low <= 3 <= high
    assert 0.88 <= covered / 200 <= 0.99
    assert bootstrap_interval(np.array([2.0, 2.0, np.nan])) == (2.0, 2.0)


def test_spread_is_the_sample_deviation():
    assert spread([1.0, 2.0, 4.0]) == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1)))
    assert spread([5.0]) == (5.0, 0.0)


def test_the_interval_of_an_area_is_as_wide_as_theory_says_and_a_point_where_nothing_overlaps():
    rng = np.random.default_rng(0)
    positive = np.repeat([True, False], [90, 60])
    scores = rng.normal(size=150) + positive
    area = area_under_curve(scores, positive)
    low, high = area_interval(scores, positive)
    # Hanley and McNeil, Radiology 143:29, 1982
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (area * (1 - area) + 89 * (first - area**2) + 59 * (second - area**2)) / (90 * 60)
    assert low < area < high
    assert high - low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.2)
    assert area_interval(positive.astype(float), positive) == (1, 1)
