"""The files of an evaluation of volumes, as `export` and `evaluate table` read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from XrayToCTTraining.evaluation import GENERATOR, METRICS, Row, Summary, summarise
from XrayToCTTraining.tables import markdown_table, write_csv

PROTOCOLS = """
`psnr_x2ct` follows X2CT-GAN's published protocol (peak 4095 on data that span 2500, mean over slices); `psnr_honest`
has the data's own range as its peak: never compare one with the other. Cells: mean ± standard deviation over cases
[95 % bootstrap interval of the mean].
"""


def write_evaluation(out: Path, rows: Sequence[Row], title: str) -> list[Summary]:
    """Writes ``cases.csv``, ``summary.csv`` and ``summary.md`` to ``out``, prints the last, and returns the summary."""
    summary = summarise(rows)
    write_csv(out / "cases.csv", [{"case": r.case, "source": r.source, "method": r.method, **r.figures} for r in rows])
    write_csv(out / "summary.csv", [asdict(entry) for entry in summary])
    methods = list(dict.fromkeys(entry.method for entry in summary))
    table = []
    for figure in dict.fromkeys(entry.figure for entry in summary):
        of = {entry.method: entry for entry in summary if entry.figure == figure}
        cells = {m: f"{of[m].mean:.4g} ± {of[m].deviation:.2g} [{of[m].low:.4g}, {of[m].high:.4g}]" for m in methods}
        table.append({"figure": figure, **cells})
    text = f"# {title}\n\n{markdown_table(table)}{PROTOCOLS}"
    (out / "summary.md").write_text(text)
    write_metrics(out, {entry.figure: entry.mean for entry in summary if entry.method == GENERATOR})
    print(text)
    return summary


def write_metrics(out: Path, figures: Mapping[str, float], name: str = "") -> None:
    """Figures that are not defined are left out: JSON has no word for them."""
    known = {figure: value for figure, value in figures.items() if np.isfinite(value)}
    (out / METRICS).write_text(json.dumps({name: known} if name else known, indent=2))
