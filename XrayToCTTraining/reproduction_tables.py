"""The paper's tables 1 and 2 from an experiment, beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTTraining.paper import FIGURES, TABLE_1, TABLE_2
from XrayToCTTraining.reproduce import CYCLEGAN, LAMBDAS, OURS, X2CT, Experiment, Outcome, induction
from XrayToCTTraining.statistics import mcnemar, spread
from XrayToCTTraining.tables import markdown_table, write_csv

NOTE = (
    "Ours: mean ± standard deviation over {seeds} seeds, on the test radiographs of the data given. Paper: three runs "
    "on TBX11K, Sizikova et al. 2022; the two columns compare only where the data are the same.\n"
)


def table_1(experiment: Experiment, out: Path) -> str:
    """Strategies against each other, lambda4 chosen on validation; and radiograph against CT against both.

    Writes ``table1.md`` and ``table1.csv`` to ``out`` and returns the former.
    """
    seeds = range(experiment.scale.seeds)
    best = experiment.best_lambda()
    chosen = induction(best)
    rows = {
        X2CT: [experiment.outcome(X2CT, seed) for seed in seeds],
        CYCLEGAN: [experiment.outcome(CYCLEGAN, seed) for seed in seeds],
        "induction": [experiment.outcome(chosen, seed) for seed in seeds],
        OURS: [experiment.outcome(OURS, seed) for seed in seeds],
        "X-ray alone": [experiment.outcome(chosen, seed, "xray") for seed in seeds],
        "X-ray and CT (joint)": [experiment.outcome(chosen, seed, "joint") for seed in seeds],
    }
    tests = "".join(
        f"- induction against {name}: McNemar's exact test over all seeds and cases, p = "
        f"{mcnemar(_right(rows['induction']), _right(rows[name])):.3g}\n"
        for name in rows
        if name != "induction"
    )
    heading = f"# Table 1: strategies (lambda4 = {best:g}, chosen on validation)\n\n"
    return _write(out / "table1", heading, rows, TABLE_1, tests)


def table_2(experiment: Experiment, out: Path) -> str:
    """Shape induction for each lambda4. Writes ``table2.md`` and ``table2.csv`` to ``out`` and returns the former."""
    seeds = range(experiment.scale.seeds)
    # lambda4 = 0 is stage 2 without radiographs, which is X2CT
    rows = {
        f"{value:g}": [experiment.outcome(induction(value) if value else X2CT, seed) for seed in seeds]
        for value in LAMBDAS
    }
    accuracies = {name: np.mean([run.validation_accuracy for run in runs]) for name, runs in rows.items()}
    lines = "".join(f"- lambda4 = {name}: validation accuracy {value:.3f}\n" for name, value in accuracies.items())
    published = {f"{value:g}": figures for value, figures in TABLE_2.items()}
    return _write(out / "table2", "# Table 2: weight of shape induction\n\n", rows, published, lines)


def _write(
    path: Path, heading: str, rows: dict[str, list[Outcome]], published: Mapping[str, tuple[str, ...]], after: str
) -> str:
    table, flat = [], []
    for name, runs in rows.items():
        line: dict[str, str] = {"": name}
        for figure, theirs in zip(FIGURES, published.get(name, ("",) * len(FIGURES)), strict=True):
            mean, deviation = spread([run.test[figure] for run in runs])
            line[figure] = f"{mean:.3f} ± {deviation:.3f}"
            line[f"{figure}, paper"] = theirs
        table.append(line)
        flat += [{"row": name, "seed": seed, **run.test} for seed, run in enumerate(runs)]
    write_csv(path.with_suffix(".csv"), flat)
    text = f"{heading}{markdown_table(table)}\n{NOTE.format(seeds=len(next(iter(rows.values()))))}\n{after}"
    write_bytes_atomically(path.with_suffix(".md"), text.encode())
    return text


def _right(runs: list[Outcome]) -> np.ndarray:
    return np.concatenate([np.array(run.right, dtype=bool) for run in runs])
