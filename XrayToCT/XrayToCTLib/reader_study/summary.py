"""What came of a study, once its key is used: agreement of readers, and how each arm was judged."""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import replacing
from XrayToCTLib.reader_study.answers import Answer, one_line
from XrayToCTLib.reader_study.kappa import LEVEL, RESAMPLES, Agreement, agreement
from XrayToCTLib.reader_study.key import REAL_ARM, KeyEntry, StudyKey
from XrayToCTLib.reader_study.study import ARTEFACTS, CONDITIONS, Study

Answers = Mapping[str, Mapping[str, Answer]]  # by reader, by code

_RATINGS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Item:
    """Something on which readers can agree: its name, categories, weights of kappa, and where an answer has it."""

    name: str
    categories: tuple[object, ...]
    weights: str
    of: Callable[[Answer], object]


@dataclass(frozen=True)
class ItemAgreement:
    """Agreement of two readers, or of a reader with the same reader's second reading, on one item."""

    readers: tuple[str, str]
    item: str
    weights: str
    agreement: Agreement


@dataclass(frozen=True)
class ArmJudgement:
    """How a reader judged the cases of an arm; shares and means are NaN where there is nothing to take them of.

    Attributes:
        realism, realism_low, realism_high: mean, and its 95 % bootstrap interval over patients.
        confidence: mean.
        artefacts: share of cases with each artefact.
        class_accuracy: share of the ``class_known`` cases, whose truth the list gave, that were rated right.
        told_from_real: probability that a case of the arm "real" was rated more real than one of this arm, ties
            counting half: 0.5 where the reader cannot tell them apart, 1 where always. NaN for "real" itself.
    """

    reader: str
    arm: str
    cases: int
    realism: float
    realism_low: float
    realism_high: float
    confidence: float
    artefacts: dict[str, float]
    class_accuracy: float
    class_known: int
    told_from_real: float


def items(weights: str = "quadratic") -> tuple[Item, ...]:
    """All items; ``weights`` of the two ratings: linear or quadratic."""
    return (
        Item("class", CONDITIONS, "none", lambda answer: answer.condition),
        Item("realism", _RATINGS, weights, lambda answer: answer.realism),
        Item("confidence", _RATINGS, weights, lambda answer: answer.confidence),
        *(Item(kind, (False, True), "none", _marked_with(kind)) for kind in ARTEFACTS),
    )


def agreements(key: StudyKey, answers: Answers, weights: str = "quadratic") -> list[ItemAgreement]:
    """Of every pair of readers on the cases that both read, second showings left out; then of each reader with the
    second reading of the same cases, where the study repeats any."""
    first_showings = [entry for entry in key.entries if not entry.repeats]
    result = []
    for first, second in itertools.combinations(answers, 2):
        pairs = [(entry, entry.code, entry.code) for entry in first_showings]
        result += _agree(answers, (first, second), pairs, weights)
    again = [(entry, entry.repeats, entry.code) for entry in key.entries if entry.repeats]
    for reader in answers if again else ():
        result += _agree(answers, (reader, reader), again, weights)
    return result


def judgements(key: StudyKey, answers: Answers) -> list[ArmJudgement]:
    """Of each arm by each reader, second showings left out."""
    arms = dict.fromkeys(sorted((entry.arm for entry in key.entries), key=lambda arm: (arm != REAL_ARM, arm)))
    result = []
    for reader, given in answers.items():
        read = [(e, given[e.code]) for e in key.entries if not e.repeats and e.code in given]
        result += [_judgement(reader, arm, read) for arm in arms]
    return result


def write_tables(folder: Path, study: Study, key: StudyKey, answers: Answers) -> list[Path]:
    """Write ``ratings.csv`` (a row for each reader and case) and ``marks.csv`` (a row for each mark), unblinded."""
    entries = {entry.code: entry for entry in key.entries}
    rated = ("reader", "place", "case", "arm", "patient", "truth", "repeats")
    answered = ("realism", "confidence", "class", *ARTEFACTS, "comment", "seconds", "time")
    ratings: list[list[object]]
    marks: list[list[object]]
    ratings, marks = (
        [[*rated, *answered]],
        [["reader", "case", "arm", "artefact", "plane", "x_mm", "y_mm", "z_mm", "note"]],
    )
    for reader, given in answers.items():
        for place, code in enumerate(study.reader(reader).order, start=1):
            if code in given:
                ratings.append(_rating_row(reader, place, entries[code], given[code]))
                marks += list(_mark_rows(reader, entries[code], given[code]))
    return [_write_csv(folder / name, rows) for name, rows in (("ratings.csv", ratings), ("marks.csv", marks))]


def _marked_with(kind: str) -> Callable[[Answer], object]:
    return lambda answer: any(mark.kind == kind for mark in answer.marks)


def _agree(
    answers: Answers, readers: tuple[str, str], pairs: list[tuple[KeyEntry, str, str]], weights: str
) -> list[ItemAgreement]:
    first, second = (answers[reader] for reader in readers)
    both = [(entry, first[a], second[b]) for entry, a, b in pairs if a in first and b in second]
    patients = [entry.patient for entry, _, _ in both]
    return [
        ItemAgreement(
            readers,
            item.name,
            item.weights,
            agreement(
                [item.of(a) for _, a, _ in both],
                [item.of(b) for _, _, b in both],
                item.categories,
                item.weights,
                patients,
            ),
        )
        for item in items(weights)
    ]


def _judgement(reader: str, arm: str, read: list[tuple[KeyEntry, Answer]]) -> ArmJudgement:
    of_arm = [(entry, answer) for entry, answer in read if entry.arm == arm]
    known = [(entry, answer) for entry, answer in of_arm if entry.condition]
    realism = np.array([answer.realism for _, answer in of_arm], dtype=float)
    real = np.array([answer.realism for entry, answer in read if entry.arm == REAL_ARM], dtype=float)
    low, high = _mean_interval(realism, [entry.patient for entry, _ in of_arm])
    return ArmJudgement(
        reader=reader,
        arm=arm,
        cases=len(of_arm),
        realism=_mean(realism),
        realism_low=low,
        realism_high=high,
        confidence=_mean([answer.confidence for _, answer in of_arm]),
        artefacts={kind: _mean([bool(_marked_with(kind)(answer)) for _, answer in of_arm]) for kind in ARTEFACTS},
        class_accuracy=_mean([answer.condition == entry.condition for entry, answer in known]),
        class_known=len(known),
        told_from_real=math.nan if arm == REAL_ARM else _larger(real, realism),
    )


def _mean(values: np.ndarray | list[bool] | list[int]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _mean_interval(values: np.ndarray, patients: list[str]) -> tuple[float, float]:
    """Percentile bootstrap over patients of the mean of values (n,)."""
    if len(set(patients)) < 2:
        return math.nan, math.nan
    _, members = np.unique(np.array(patients), return_inverse=True)
    sums, counts = np.bincount(members, values), np.bincount(members)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _larger(first: np.ndarray, second: np.ndarray) -> float:
    """Probability that a value of ``first`` exceeds one of ``second``, ties counting half."""
    if not len(first) or not len(second):
        return math.nan
    return float((np.sign(np.subtract.outer(first, second)).mean() + 1) / 2)


def _rating_row(reader: str, place: int, entry: KeyEntry, answer: Answer) -> list[object]:
    counts = [sum(mark.kind == kind for mark in answer.marks) for kind in ARTEFACTS]
    who = [reader, place, entry.code, entry.arm, entry.patient, entry.condition, entry.repeats]
    rated = [answer.realism, answer.confidence, answer.condition, *counts]
    return [*who, *rated, answer.comment, f"{answer.seconds:.1f}", answer.time]


def _mark_rows(reader: str, entry: KeyEntry, answer: Answer) -> Iterator[list[object]]:
    for mark in answer.marks:
        point = [round(value, 1) + 0.0 for value in mark.point_mm]  # numbers: a text with a minus would get a quote
        yield [reader, entry.code, entry.arm, mark.kind, mark.plane, *point, mark.note]


def _write_csv(path: Path, rows: list[list[object]]) -> Path:
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([one_line(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return path
