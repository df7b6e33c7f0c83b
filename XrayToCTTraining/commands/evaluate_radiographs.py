"""``evaluate radiographs``: what classifiers, which learned from simulated patients, say of real radiographs.

Nobody here has real radiographs with a traceable diagnosis of tuberculosis. What can be asked is whether a classifier
tells the sick from the healthy, and whom it calls tuberculous.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from XrayToCTLib.classifier import CLASSES
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.classification_metrics import area_interval, area_under_curve
from XrayToCTTraining.classifiers import activated, logits_of_cases, settings_of, sources_of, trained_classifier
from XrayToCTTraining.data.cohort import Case, Cohort, open_cohort
from XrayToCTTraining.evaluation_files import write_metrics
from XrayToCTTraining.strategies import volumes_of
from XrayToCTTraining.tables import markdown_table, write_csv

NOTE = """
Area: chance that a sick patient is given a smaller probability of being healthy than a healthy one, with its 95 %
bootstrap interval over cases; 0.5 is guessing. Labels of public radiographs are mostly mined from reports, and noisy.
Nobody of these patients is known to have tuberculosis.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True, help="real radiographs labelled healthy or sick")
    own.add_argument(
        "--classifier", action="append", required=True, metavar="NAME=RUN", help="a run, or a checkpoint; repeatable"
    )
    own.add_argument("--generator", type=Path, help="run that makes the volumes for classifiers that see any")
    own.add_argument("--origin", default="", help="only cases whose file lies in this folder of the data set")
    own.add_argument("--out", type=Path, required=True, help="folder of the table")


def run(options: argparse.Namespace) -> None:
    """Writes ``summary.md``, ``cases.csv`` and, of the first classifier, the figures for ``export``."""
    whole = open_cohort(options.cohort)
    real = (case for case in whole.cases if case.domain == "real" and case.origin.startswith(options.origin))
    cases = tuple(case for case in real if case.label in ("healthy", "sick"))
    ill = np.array([case.label == "sick" for case in cases], dtype=bool)
    if ill.all() or not ill.any():
        raise UnsuitableInput(
            f"{options.cohort} has not both healthy and sick patients with real radiographs there; give others."
        )
    cohort = replace(whole, cases=cases)
    table, rows, figures = [], [], []
    for entry in options.classifier:
        name, _, folder = entry.rpartition("=")
        scores = _scores(cohort, cases, Path(folder), options.generator, options.out / "volumes")
        rows += [_row(name, case, values) for case, values in zip(cases, scores, strict=True)]
        figures.append(_figures(scores, ill))
        table.append({"classifier": name, **_cells(figures[-1], scores, ill)})
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "cases.csv", rows)
    title = f"# {len(cases)} real radiographs, {(~ill).sum()} of healthy and {ill.sum()} of sick patients"
    text = f"{title}\n\n{markdown_table(table)}{NOTE}"
    (options.out / "summary.md").write_text(text)
    write_metrics(options.out, figures[0], "radiographs")
    print(text)


def _scores(cohort: Cohort, cases: Sequence[Case], run: Path, generator: Path | None, volumes: Path) -> np.ndarray:
    """Probabilities (n, classes)."""
    network, record = trained_classifier(run)
    settings = settings_of(record)
    folder = None
    if sources_of(settings)[0] != "none":
        if generator is None:
            raise UnsuitableInput(f"The classifier {run} sees volumes; give the --generator that makes them.")
        folder = volumes_of(cohort, generator, None, volumes)
    return activated(network, logits_of_cases(network, cohort, cases, folder, settings))


def _figures(scores: np.ndarray, ill: np.ndarray) -> dict[str, float]:
    risk = 1 - scores[:, CLASSES.index("healthy")]
    low, high = area_interval(risk, ill)
    return {"cases": len(ill), "area": area_under_curve(risk, ill), "area_low": low, "area_high": high}


def _cells(figures: dict[str, float], scores: np.ndarray, ill: np.ndarray) -> dict[str, str]:
    cells = {"area": f"{figures['area']:.3f} ({figures['area_low']:.3f} to {figures['area_high']:.3f})"}
    called = scores.argmax(1)
    for kind, mask in (("healthy", ~ill), ("sick", ill)):
        shares = [f"{np.mean(called[mask] == number):.0%} {name}" for number, name in enumerate(CLASSES)]
        cells[f"the {kind} are called"] = ", ".join(shares)
    return cells


def _row(name: str, case: Case, scores: np.ndarray) -> dict[str, str]:
    return {"classifier": name, "case": case.name, "label": case.label} | {
        kind: f"{value:.4f}" for kind, value in zip(CLASSES, scores, strict=True)
    }
