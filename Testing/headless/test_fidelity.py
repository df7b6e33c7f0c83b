"""Sharpness, bones in lungs and lesions kept, on drawn bodies whose answer is known."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from XrayToCTTraining.fidelity import bone_in_lungs, lesion_table, score_lesions, sharpness

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Planted:
    kind: str
    size_mm: float


def drawn_chest() -> np.ndarray:
    """HU (64, 64, 64): a block of soft tissue with two lungs, ribs in the wall and a spine."""
    hu = np.full((64, 64, 64), -1000.0)
    hu[6:58, :, 4:60] = 40
    hu[14:50, 8:56, 10:28] = hu[14:50, 8:56, 36:54] = -850
    hu[8:10, ::8, 8:56] = 700
    hu[50:56, :, 28:36] = 500
    return hu


def network(hu: np.ndarray) -> np.ndarray:
    return np.clip(hu + 1024, 0, 2500) / 2500


def test_sharpness_is_one_of_the_truth_itself_and_falls_with_blur():
    truth = network(drawn_chest() + RNG.normal(0, 30, (64, 64, 64)))
    body = truth > 0.1
    scores = [sharpness(ndimage.gaussian_filter(truth, sigma), truth, body) for sigma in (0, 1, 3)]
    assert scores[0] == pytest.approx(1)
    assert scores[0] > 2 * scores[1] > 2 * scores[2]


def test_ribs_in_the_wall_are_not_bone_in_the_lungs_and_ribs_through_the_lungs_are():
    hu = drawn_chest()
    assert bone_in_lungs(network(hu)) == 0
    hu[30, 16:56:8, 14:24] = hu[30, 16:56:8, 40:50] = 700  # five ribs in each lung, at half depth
    enclosed = 100 * 5 * 2 * 10 / (2 * 36 * 48 * 18)
    assert bone_in_lungs(network(hu)) == pytest.approx(enclosed, rel=0.01)
    assert np.isnan(bone_in_lungs(np.full((64, 64, 64), 0.4)))


def lesions_in(hu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lungs, numbers = hu == -850, np.zeros(hu.shape, np.uint8)
    numbers[28:36, 20:28, 14:22] = 1
    numbers[28:36, 40:48, 40:48] = 2
    return lungs, numbers


def test_the_contrast_of_each_lesion_is_measured_at_its_own_place():
    plain = drawn_chest()
    lungs, numbers = lesions_in(plain)
    truth, predicted = plain.copy(), plain.copy()
    truth[numbers == 1] = truth[numbers == 2] = -50  # 800 HU above the lung
    predicted[numbers == 1] = -250
    predicted[numbers == 2] = -770
    first, second = score_lesions(
        network(predicted), network(truth), lungs, numbers, [Planted("mass", 30), Planted("nodule", 8)]
    )
    assert (first.kind, first.true_contrast_hu, first.kept) == ("mass", pytest.approx(800), pytest.approx(0.75))
    assert (second.kind, second.contrast_hu, second.kept) == ("nodule", pytest.approx(80), pytest.approx(0.1))
    assert first.found
    assert not second.found


def test_a_lesion_that_shows_up_in_the_wrong_place_is_lost():
    plain = drawn_chest()
    lungs, numbers = lesions_in(plain)
    truth, mirrored = plain.copy(), plain.copy()
    truth[numbers == 1] = -50
    mirrored[(numbers == 1)[:, :, ::-1]] = -50
    (score,) = score_lesions(network(mirrored), network(truth), lungs, numbers * (numbers == 1), [Planted("mass", 30)])
    assert score.kept == pytest.approx(0, abs=1e-6)


def test_lesions_without_contrast_or_without_lung_around_them_are_left_out():
    plain = drawn_chest()
    lungs, numbers = lesions_in(plain)
    assert score_lesions(network(plain), network(plain), lungs, numbers, [Planted("mass", 30)] * 2) == []
    whole = np.where(lungs, 1, 0)
    assert score_lesions(network(plain), network(plain), lungs, whole, [Planted("effusion", 200)]) == []


def test_the_table_has_a_row_for_each_kind_and_range_of_sizes():
    plain = drawn_chest()
    lungs, numbers = lesions_in(plain)
    truth = plain.copy()
    truth[numbers > 0] = -50
    scores = score_lesions(network(truth), network(truth), lungs, numbers, [Planted("mass", 40), Planted("nodule", 8)])
    table = lesion_table(scores + scores)
    assert [(row["kind"], row["size (mm)"], row["lesions"]) for row in table] == [
        ("mass", "from 40", 2),
        ("nodule", "0 to 10", 2),
    ]
    assert all(row["found"] == 1 and row["contrast kept"] == pytest.approx(1) for row in table)
