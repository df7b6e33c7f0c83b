"""Cohen's kappa against the examples of its inventors, exact identities and the large-sample formula."""

import math

import numpy as np
import pytest

from XrayToCTLib.reader_study.kappa import agreement, disagreement_weights, kappa_of_table

# Shares of 200 psychiatric diagnoses (Cohen 1960; again in Cohen 1968, with weights for each disagreement).
COHEN_1960 = np.array([[0.44, 0.05, 0.01], [0.07, 0.20, 0.03], [0.09, 0.05, 0.06]])
COHEN_1968_WEIGHTS = np.array([[0, 1, 3], [1, 0, 6], [3, 6, 0]], dtype=float)
# Fleiss, Cohen and Everitt, Large sample standard errors of kappa and weighted kappa, Psychological Bulletin 72 (1969).
FLEISS_1969 = np.array([[106, 10, 4], [22, 28, 10], [2, 12, 6]])


def ratings(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Two readers' ratings from 1 to 5 that agree in part."""
    random = np.random.default_rng(seed)
    truth = random.normal(3, 1, count)
    return tuple(np.clip(np.rint(truth + random.normal(0, 0.7, count)), 1, 5).astype(int) for _ in range(2))


def answers(table: np.ndarray) -> tuple[list[int], list[int]]:
    """The answers that a table of counts sums up."""
    pairs = [(i, j) for (i, j), count in np.ndenumerate(table) for _ in range(count)]
    return [i for i, _ in pairs], [j for _, j in pairs]


def test_kappa_is_the_492_thousandths_of_cohen_1960():
    assert kappa_of_table(COHEN_1960, disagreement_weights(3, "none")) == pytest.approx(0.492, abs=5e-4)


def test_weighted_kappa_is_the_348_thousandths_of_cohen_1968():
    assert kappa_of_table(COHEN_1960, COHEN_1968_WEIGHTS) == pytest.approx(0.348, abs=5e-4)


def test_kappa_of_answers_is_the_429_thousandths_of_fleiss_1969():
    found = agreement(*answers(FLEISS_1969), categories=[0, 1, 2])
    assert found.cases == 200
    assert found.observed == pytest.approx(0.70)
    assert found.kappa == pytest.approx(0.429, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_quadratic_kappa_is_lins_concordance_correlation(seed):
    first, second = ratings(seed)
    concordance = 2 * np.cov(first, second, bias=True)[0, 1]
    concordance /= first.var() + second.var() + (first.mean() - second.mean()) ** 2
    assert agreement(first, second, range(1, 6), "quadratic").kappa == pytest.approx(concordance, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_linear_kappa_compares_the_distance_with_that_of_all_pairs(seed):
    first, second = ratings(seed)
    expected = 1 - np.abs(first - second).mean() / np.abs(np.subtract.outer(first, second)).mean()
    assert agreement(first, second, range(1, 6), "linear").kappa == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_full_agreement_is_one_and_two_categories_need_no_weights(weights):
    first, second = ratings(1)
    assert agreement(first, first, range(1, 6), weights).kappa == 1
    halves = (first > 3, second > 3)
    assert agreement(*halves, (False, True), weights).kappa == agreement(*halves, (False, True)).kappa


def test_independent_answers_have_a_kappa_near_zero_and_reversed_ones_a_negative():
    random = np.random.default_rng(3)
    first, second = random.integers(3, size=(2, 5000))
    assert abs(agreement(first, second, range(3)).kappa) < 0.03
    assert agreement([0, 1] * 10, [1, 0] * 10, [0, 1]).kappa == -1


def test_the_interval_is_that_of_the_large_sample_formula():
    """The standard error of Fleiss, Cohen and Everitt (1969), equation 13."""
    shares = FLEISS_1969 / FLEISS_1969.sum()
    rows, columns = shares.sum(1), shares.sum(0)
    chance = rows @ columns
    kappa = (np.trace(shares) - chance) / (1 - chance)
    inner = np.diag(shares) @ (1 - (rows + columns) * (1 - kappa)) ** 2
    outer = sum(
        shares[i, j] * (columns[i] + rows[j]) ** 2 * (1 - kappa) ** 2 for i in range(3) for j in range(3) if i != j
    )
    error = math.sqrt((inner + outer - (kappa - chance * (1 - kappa)) ** 2) / 200) / (1 - chance)
    found = agreement(*answers(FLEISS_1969), categories=[0, 1, 2])
    assert found.low == pytest.approx(kappa - 1.96 * error, abs=0.015)
    assert found.high == pytest.approx(kappa + 1.96 * error, abs=0.015)


def test_cases_of_few_patients_give_a_wider_interval_than_as_many_independent_ones():
    first, second = ratings(4, 40)
    tenfold = np.repeat(first, 10), np.repeat(second, 10)
    independent = agreement(*tenfold, range(1, 6))
    clustered = agreement(*tenfold, range(1, 6), clusters=np.repeat(np.arange(40), 10))
    assert clustered.kappa == independent.kappa
    assert clustered.high - clustered.low > 2 * (independent.high - independent.low)
    plain = agreement(first, second, range(1, 6))
    assert (clustered.low, clustered.high) == pytest.approx((plain.low, plain.high), abs=0.03)


def test_where_chance_alone_gives_agreement_there_is_no_kappa():
    found = agreement(["tb"] * 5, ["tb"] * 5, ["healthy", "sick", "tb"])
    assert found.observed == 1
    assert math.isnan(found.kappa)
    assert math.isnan(found.low)
    empty = agreement([], [], [0, 1])
    assert empty.cases == 0
    assert math.isnan(empty.observed)
    assert math.isnan(empty.kappa)
