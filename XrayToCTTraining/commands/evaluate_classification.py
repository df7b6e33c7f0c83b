"""``evaluate classification``: classifiers of radiographs, of CT volumes and of both, over runs."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from XrayToCTLib.classifier import CLASSES
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTTraining.charts import confusion_picture, line_chart
from XrayToCTTraining.classification import (
    is_usable,
    predict_cases,
    settings_of,
    sources_of,
    trained_classifier,
    truths_of,
)
from XrayToCTTraining.classification_metrics import ClassificationScores, receiver_operating_curve, score_classes
from XrayToCTTraining.data.cohort import SPLITS, Cohort, open_cohort
from XrayToCTTraining.evaluation_files import write_metrics
from XrayToCTTraining.statistics import mcnemar, spread
from XrayToCTTraining.tables import markdown_table, write_csv


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument(
        "--classifier",
        action="append",
        required=True,
        metavar="NAME=RUN",
        help="a run, or a checkpoint of one; repeatable",
    )
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and charts")


def run(options: argparse.Namespace) -> None:
    cohort = open_cohort(options.cohort)
    results: dict[str, list[tuple[ClassificationScores, np.ndarray, np.ndarray]]] = {}
    for entry in options.classifier:
        name, _, run = entry.rpartition("=")
        results.setdefault(name or "classifier", []).append(classify_split(cohort, Path(run), options.split))
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    table, rows, curves = [], [], {}
    for name, runs in results.items():
        heads = [scores.headline for scores, _, _ in runs]
        spreads = {figure: spread([head[figure] for head in heads]) for figure in heads[0]}
        table.append(
            {"classifier": name, "runs": len(runs), **{f: f"{m:.3f} ± {s:.3f}" for f, (m, s) in spreads.items()}}
        )
        for number, (scores, _, _) in enumerate(runs):
            rows += [{"classifier": name, "run": number, **line} for line in per_class(scores)]
        first, probabilities, truths = runs[0]
        write_png(out / f"confusion-{name}.png", confusion_picture(f"{name}, run 0", first.confusion, CLASSES), False)
        tb = CLASSES.index("tb")
        curves[f"{name} ({first.area_under_curve['tb']:.3f})"] = receiver_operating_curve(
            probabilities[:, tb], truths == tb
        )
    write_csv(out / "classes.csv", rows)
    chart = line_chart("TB against the rest (area)", "false positive rate", "recall", curves, limits=(0, 1, 0, 1))
    write_png(out / "roc-tb.png", chart, False)
    cases = next(iter(results.values()))[0][0].cases
    text = f"# Classification, {cases} {options.split} cases\n\n{markdown_table(table)}\n{_tests(results)}"
    (out / "summary.md").write_text(text)
    first_run = Path(options.classifier[0].rpartition("=")[2])
    seen = sources_of(settings_of(trained_classifier(first_run)[1]))[0]
    write_metrics(out, next(iter(results.values()))[0][0].headline, seen)
    print(text)


def classify_split(cohort: Cohort, run: Path, split: str) -> tuple[ClassificationScores, np.ndarray, np.ndarray]:
    """Scores, probabilities (n, classes) and truths (n,) of a run's best classifier on the labelled cases of a split.

    Raises:
        UnsuitableInput: the split has no labelled case, or the run no classifier.
    """
    network, record = trained_classifier(run)
    settings = settings_of(record)
    cases = [case for case in cohort.of_split(split) if is_usable(case, settings)]
    if not cases:
        raise UnsuitableInput(f"{cohort.folder} has no labelled {split} case; choose another --split.")
    folder = run if run.is_dir() else run.parent
    probabilities = predict_cases(network, cohort, cases, folder / "volumes", settings)
    truths = truths_of(cases)
    return score_classes(probabilities, truths), probabilities, truths


def per_class(scores: ClassificationScores) -> list[dict[str, float | str]]:
    """One row a class: recall, precision, area under the curve, and what its cases were taken for."""
    rows: list[dict[str, float | str]] = []
    for i, name in enumerate(CLASSES):
        row: dict[str, float | str] = {
            "class": name,
            "recall": scores.recall[name],
            "precision": scores.precision[name],
        }
        row["area_under_curve"] = scores.area_under_curve[name]
        rows.append(row | {f"taken for {other}": int(scores.confusion[i, j]) for j, other in enumerate(CLASSES)})
    return rows


def _tests(results: dict[str, list[tuple[ClassificationScores, np.ndarray, np.ndarray]]]) -> str:
    """McNemar's test of each pair of classifiers, over the runs that both have."""
    lines = []
    names = list(results)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pairs = list(zip(results[one], results[other], strict=False))
            right = [np.concatenate([p.argmax(1) == t for _, p, t in side]) for side in zip(*pairs, strict=True)]
            lines.append(f"- {one} against {other}: McNemar's exact test, p = {mcnemar(*right):.3g}")
    return "\n".join(lines) + "\n" if lines else ""
