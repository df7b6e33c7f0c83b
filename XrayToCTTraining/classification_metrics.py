"""How often a classifier is right: from probabilities (n, classes) and true classes (n,)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from XrayToCTLib.classifier import CLASSES


@dataclass(frozen=True)
class ClassificationScores:
    """Figures of one classifier on one set of cases; those that are not defined are NaN.

    Attributes:
        confusion: counts, rows true and columns predicted classes.
        recall, precision, area_under_curve: of each class, by name; the last one class against the others.
    """

    cases: int
    accuracy: float
    confusion: np.ndarray
    recall: dict[str, float]
    precision: dict[str, float]
    area_under_curve: dict[str, float]

    @property
    def headline(self) -> dict[str, float]:
        """The three figures of the paper's tables."""
        return {"accuracy": self.accuracy, "tb_recall": self.recall["tb"], "tb_precision": self.precision["tb"]}


def score_classes(probabilities: np.ndarray, truths: np.ndarray) -> ClassificationScores:
    """All figures. Raises ValueError where there is no case."""
    if not len(truths):
        raise ValueError("there is no case to score")
    predicted = probabilities.argmax(1)
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    np.add.at(confusion, (truths, predicted), 1)
    hits = confusion.diagonal()
    return ClassificationScores(
        cases=len(truths),
        accuracy=float(hits.sum() / len(truths)),
        confusion=confusion,
        recall=_by_class(hits, confusion.sum(1)),
        precision=_by_class(hits, confusion.sum(0)),
        area_under_curve={name: area_under_curve(probabilities[:, i], truths == i) for i, name in enumerate(CLASSES)},
    )


def receiver_operating_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates, from (0, 0) to (1, 1), of thresholds on ``scores`` (n,); ties are one step."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(positive[order])[ends] / max(int(positive.sum()), 1)
    false = np.cumsum(~positive[order])[ends] / max(int((~positive).sum()), 1)
    return np.append(0.0, false), np.append(0.0, true)


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """Chance that a positive case scores above a negative one, ties counting half; NaN without both kinds."""
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def area_interval(
    scores: np.ndarray, positive: np.ndarray, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of :func:`area_under_curve` over cases, drawn within either kind."""
    rng = np.random.default_rng(seed)
    above, below = scores[positive], scores[~positive]
    kinds = np.repeat([True, False], [len(above), len(below)])
    areas = [
        area_under_curve(np.concatenate([rng.choice(above, len(above)), rng.choice(below, len(below))]), kinds)
        for _ in range(resamples)
    ]
    low, high = np.quantile(areas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _by_class(hits: np.ndarray, totals: np.ndarray) -> dict[str, float]:
    return {
        name: float(hit / total) if total else float("nan")
        for name, hit, total in zip(CLASSES, hits, totals, strict=True)
    }
