"""``evaluate styles``: an X-ray classifier on the same patients as different devices see them.

It shows whether a class rests on the device, on letters or on what is worn, in place of the patient.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from XrayToCTLib.classifier import CLASSES
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.xray_classifier import XrayClassifier
from XrayToCTTraining.classification_metrics import score_classes
from XrayToCTTraining.classifiers import activated, trained_classifier, truths_of
from XrayToCTTraining.data.cohort import SPLITS, Case, Cohort, open_cohort
from XrayToCTTraining.data.lines import Lines, lines_of
from XrayToCTTraining.simulation.acquisition import CLEAN, Style
from XrayToCTTraining.simulation.devices import device, random_style
from XrayToCTTraining.statistics import mcnemar
from XrayToCTTraining.tables import markdown_table, write_csv

PROJECTION = "projection"
NOTE = """
The same patients each time; letters, things worn, noise and styles are drawn anew for each. Same class: share of
patients whose class is that on the projection. p: McNemar's exact test of the accuracy against that on the projection.
"""


def _random_device(rng: np.random.Generator) -> Style:
    style = random_style(rng)
    while style == CLEAN:
        style = random_style(rng)
    return style


STYLES: dict[str, Callable[[np.random.Generator], Style]] = {
    PROJECTION: lambda rng: CLEAN,
    "projection, three markers": lambda rng: Style(letters=3),
    "projection, three things worn": lambda rng: Style(objects=3),
    "random device": _random_device,
    "film clinic (real-a)": lambda rng: device("real-a", rng)[0],
    "ward (real-b)": lambda rng: device("real-b", rng)[0],
}


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True, help="cases with CTs and labels")
    own.add_argument("--run", type=Path, required=True, help="run of `fit xray-classifier`")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--out", type=Path, required=True, help="folder of the table")


def run(options: argparse.Namespace) -> None:
    """Writes ``summary.md`` and ``styles.csv``, a row a style.

    Raises:
        UnsuitableInput: the run has no X-ray classifier, or the split no labelled case with a CT.
    """
    network, _ = trained_classifier(options.run)
    if not isinstance(network, XrayClassifier):
        raise UnsuitableInput(f"{options.run} holds no X-ray classifier; give a run of `fit xray-classifier`.")
    cohort = open_cohort(options.cohort)
    cases = [case for case in cohort.of_split(options.split) if case.label and case.has_ct]
    if not cases:
        raise UnsuitableInput(
            f"{cohort.folder} has no labelled {options.split} case with a CT; choose another --split."
        )
    scores = scores_by_style(network, cohort, cases)
    truths = truths_of(cases)
    clean = scores[PROJECTION].argmax(1)
    rows = []
    for name, values in scores.items():
        predicted = values.argmax(1)
        row: dict[str, float | str] = {"device": name, **score_classes(values, truths).headline}
        row["same class"] = float((predicted == clean).mean())
        row["p"] = mcnemar(predicted == truths, clean == truths)
        rows.append(row)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "styles.csv", rows)
    table = markdown_table([{k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows])
    text = f"# Styles, {len(cases)} {options.split} cases\n\n{table}{NOTE}"
    (options.out / "summary.md").write_text(text)
    print(text)


def scores_by_style(network: XrayClassifier, cohort: Cohort, cases: Sequence[Case]) -> dict[str, np.ndarray]:
    """Probabilities (n, classes) of cases with CTs, by the name of the style in which they are seen."""
    rows: dict[str, list[np.ndarray]] = {name: [] for name in STYLES}
    for number, case in enumerate(cases):
        lines = lines_of(cohort, case, network.config.size)
        for turn, (name, drawn) in enumerate(STYLES.items()):
            rng = np.random.default_rng([number, turn])
            rows[name].append(_logits(network, lines, drawn(rng), rng))
    return {name: activated(network, np.array(values).reshape(-1, len(CLASSES))) for name, values in rows.items()}


@torch.no_grad()
def _logits(network: XrayClassifier, lines: Lines, style: Style, rng: np.random.Generator) -> np.ndarray:
    picture = torch.from_numpy(lines.developed(style, rng))[None, None]
    return network(picture)[0].float().numpy()
