"""``evaluate classification``: how often classifiers are right, how sure they are, and which is better."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.classifier import CLASSES
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTTraining.charts import confusion_picture, line_chart
from XrayToCTTraining.class_calibration import BINS, TEMPERATURE, ClassCalibration, calibrate
from XrayToCTTraining.classification_metrics import ClassificationScores, receiver_operating_curve, score_classes
from XrayToCTTraining.classifiers import (
    activated,
    activation_config,
    is_usable,
    logits_of_cases,
    settings_of,
    sources_of,
    trained_classifier,
    truths_of,
)
from XrayToCTTraining.data.cohort import SPLITS, Cohort, open_cohort
from XrayToCTTraining.evaluation_files import write_metrics
from XrayToCTTraining.statistics import mcnemar, spread
from XrayToCTTraining.tables import markdown_table, write_csv

NOTE = f"""
Temperature: fitted on the validation cases of the cohort, on which the best epoch was chosen too. Calibration error:
mean distance of confidence from accuracy over {BINS} bins of confidence, on the {{split}} cases, without and with the
temperature; cross-entropy of the same cases likewise, which needs no bins.
"""
UNKNOWN = "not fitted"


@dataclass(frozen=True)
class Judged:
    """A run's best classifier on the labelled cases of a split: scores, probabilities (n, classes) and truths (n,).

    source: of the volumes it was judged by. calibration: None where the cohort has no labelled validation case.
    """

    scores: ClassificationScores
    probabilities: np.ndarray
    truths: np.ndarray
    source: str
    calibration: ClassCalibration | None

    @property
    def right(self) -> np.ndarray:
        return self.probabilities.argmax(1) == self.truths


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
    """Writes ``summary.md``, ``classes.csv``, charts, figures, and the first run's temperature for ``export``."""
    cohort, out = open_cohort(options.cohort), options.out
    results: dict[str, list[Judged]] = {}
    for entry in options.classifier:
        name, _, folder = entry.rpartition("=")
        results.setdefault(name or "classifier", []).append(judge(cohort, Path(folder), options.split))
    out.mkdir(parents=True, exist_ok=True)
    table, rows, curves = [], [], {}
    for name, runs in results.items():
        table.append({"classifier": name, "runs": len(runs), **_cells(runs)})
        for number, judged in enumerate(runs):
            rows += [{"classifier": name, "run": number, **line} for line in per_class(judged.scores)]
        first = runs[0]
        picture = confusion_picture(f"{name}, run 0", first.scores.confusion, CLASSES)
        write_png(out / f"confusion-{name}.png", picture, False)
        tb = CLASSES.index("tb")
        curves[f"{name} ({first.scores.area_under_curve['tb']:.3f})"] = receiver_operating_curve(
            first.probabilities[:, tb], first.truths == tb
        )
    write_csv(out / "classes.csv", rows)
    chart = line_chart("TB against the rest (area)", "false positive rate", "recall", curves, limits=(0, 1, 0, 1))
    write_png(out / "roc-tb.png", chart, False)
    first = next(iter(results.values()))[0]
    title = f"# Classification, {first.scores.cases} {options.split} cases"
    text = f"{title}\n\n{markdown_table(table)}\n{_tests(results)}{NOTE.format(split=options.split)}"
    (out / "summary.md").write_text(text)
    write_metrics(out, first.scores.headline | _errors(first), first.source)
    if first.calibration is not None:
        stored = {"temperature": first.calibration.temperature}
        write_bytes_atomically(out / TEMPERATURE, json.dumps(stored, indent=2).encode())
    else:
        (out / TEMPERATURE).unlink(missing_ok=True)  # of an evaluation before
    print(text)


def judge(cohort: Cohort, run_folder: Path, split: str) -> Judged:
    """A run's best classifier on the labelled cases of a split, its temperature fitted on the validation cases.

    Raises:
        UnsuitableInput: the split has no labelled case, or the run no classifier.
    """
    network, record = trained_classifier(run_folder)
    settings = settings_of(record)
    volumes = (run_folder if run_folder.is_dir() else run_folder.parent) / "volumes"

    def seen(name: str) -> tuple[np.ndarray, np.ndarray]:
        cases = [case for case in cohort.of_split(name) if is_usable(case, settings)]
        return logits_of_cases(network, cohort, cases, volumes, settings), truths_of(cases)

    logits, truths = seen(split)
    if not len(truths):
        raise UnsuitableInput(f"{cohort.folder} has no labelled {split} case; choose another --split.")
    validation = (logits, truths) if split == "validation" else seen("validation")
    calibration = calibrate(validation, (logits, truths), activation_config(network)) if len(validation[1]) else None
    probabilities = activated(network, logits)
    return Judged(score_classes(probabilities, truths), probabilities, truths, sources_of(settings)[0], calibration)


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


def _cells(runs: list[Judged]) -> dict[str, str]:
    """Mean and spread over runs of the headline and of the calibration."""
    heads = [judged.scores.headline for judged in runs]
    columns = {name: [head[name] for head in heads] for name in heads[0]}
    known = [judged.calibration for judged in runs if judged.calibration is not None]
    columns["temperature"] = [calibration.temperature for calibration in known]
    columns["calibration error"] = [calibration.error_before for calibration in known]
    columns["calibrated"] = [calibration.error_after for calibration in known]
    columns["cross-entropy"] = [calibration.loss_before for calibration in known]
    columns["with temperature"] = [calibration.loss_after for calibration in known]
    cells = {}
    for name, values in columns.items():
        mean, deviation = spread(values) if values else (0.0, 0.0)
        cells[name] = f"{mean:.3f} ± {deviation:.3f}" if values else UNKNOWN
    return cells


def _errors(judged: Judged) -> dict[str, float]:
    found = judged.calibration
    if found is None:
        return {}
    return {"calibration_error": found.error_before, "calibration_error_calibrated": found.error_after}


def _tests(results: dict[str, list[Judged]]) -> str:
    """McNemar's test of each pair of classifiers, over the runs that both have."""
    lines = []
    names = list(results)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pairs = list(zip(results[one], results[other], strict=False))
            right = [np.concatenate([judged.right for judged in side]) for side in zip(*pairs, strict=True)]
            lines.append(f"- {one} against {other}: McNemar's exact test, p = {mcnemar(*right):.3g}")
    return "\n".join(lines) + "\n" if lines else ""
