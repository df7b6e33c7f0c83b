"""Cohen's kappa, plain and weighted, with a bootstrap interval.

Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 20 (1960); Cohen,
Weighted kappa, Psychological Bulletin 70 (1968).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Agreement:
    """How far two sets of answers agree.

    Attributes:
        cases: how many both answered.
        observed: the share of cases with the same answer, 0 to 1.
        kappa: 1 for full agreement, 0 for as much as chance gives; NaN where chance alone gives full agreement.
        low, high: 95 % bootstrap interval of kappa; NaN where there is none.
    """

    cases: int
    observed: float
    kappa: float
    low: float
    high: float


def disagreement_weights(count: int, kind: str) -> np.ndarray:
    """How much each pair of ``count`` categories disagrees, (count, count), 0 on the diagonal.

    ``kind`` is "none" (every disagreement counts 1), "linear" or "quadratic" in the categories' distance.
    """
    distance = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(float)
    return {"none": (distance > 0).astype(float), "linear": distance, "quadratic": distance**2}[kind]


def kappa_of_table(table: np.ndarray, weights: np.ndarray) -> float:
    """Kappa of a table of counts or shares.

    Args:
        table: (K, K): rows for one reader's answers, columns for the other's.
        weights: (K, K), as `disagreement_weights`.

    Returns:
        At most 1; NaN for an empty table, and where both readers gave one and the same answer to all cases.
    """
    return float(_kappas(np.asarray(table, dtype=float)[None], weights)[0])


def _kappas(tables: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Kappa of each of the tables (n, K, K)."""
    observed = (tables * weights).sum(axis=(1, 2)) * tables.sum(axis=(1, 2))
    by_chance = np.einsum("ni,nj,ij->n", tables.sum(axis=2), tables.sum(axis=1), weights)
    known = by_chance > 0
    return np.where(known, 1 - observed / np.where(known, by_chance, 1), math.nan)


def agreement(
    first: Sequence[object],
    second: Sequence[object],
    categories: Sequence[object],
    weights: str = "none",
    clusters: Sequence[object] | None = None,
    seed: int = 0,
) -> Agreement:
    """Agreement of two sequences of answers (n,) to the same cases.

    Args:
        first, second: answers, each one of ``categories``.
        categories: in their order, where ``weights`` go by distance.
        weights: "none", "linear" or "quadratic".
        clusters: (n,), whose cases they are. The bootstrap draws patients, not cases, since those of one patient are
            not independent; None makes each case a patient.
        seed: of the bootstrap.
    """
    index = {category: number for number, category in enumerate(categories)}
    pairs = np.array([[index[a], index[b]] for a, b in zip(first, second, strict=True)], dtype=int).reshape(-1, 2)
    count, matrix = len(categories), disagreement_weights(len(categories), weights)
    names = list(range(len(pairs))) if clusters is None else list(clusters)
    _, members = np.unique(np.array([str(name) for name in names]), return_inverse=True)
    tables = np.zeros((int(members.max()) + 1 if len(pairs) else 0, count, count))
    np.add.at(tables, (members, pairs[:, 0], pairs[:, 1]), 1)
    low, high = _interval(tables, matrix, seed)
    table = tables.sum(axis=0)
    observed = float(np.trace(table) / len(pairs)) if len(pairs) else math.nan
    return Agreement(len(pairs), observed, kappa_of_table(table, matrix), low, high)


def _interval(tables: np.ndarray, weights: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentile bootstrap over clusters, (clusters, K, K); samples without a kappa are left out."""
    if len(tables) < 2:
        return math.nan, math.nan
    random = np.random.default_rng(seed)
    times_drawn = random.multinomial(len(tables), np.full(len(tables), 1 / len(tables)), size=RESAMPLES)
    drawn = np.tensordot(times_drawn.astype(float), tables, axes=1)
    kappas = _kappas(drawn, weights)
    known = kappas[np.isfinite(kappas)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
