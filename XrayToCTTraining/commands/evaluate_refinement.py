"""``evaluate refinement``: what shape induction on each single radiograph gains, and how often it is refused."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.refinement import refine
from XrayToCTTraining.commands import positive
from XrayToCTTraining.data.cohort import SPLITS, open_cohort
from XrayToCTTraining.data.samples import radiograph_of
from XrayToCTTraining.tables import markdown_table, write_csv
from XrayToCTTraining.trained import trained_generator

NOTE = """
Correlation of the volume's projection with the radiograph that it was made from. A refinement is refused, and the
volume from before kept, where on no step of the way the correlation was better and no check of the volume lost.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True, help="radiographs")
    own.add_argument("--run", type=Path, required=True, help="run of `fit reconstruction`")
    own.add_argument("--steps", type=positive, default=12, help="as in `xray-to-ct generate --refine`")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--limit", type=positive, default=20, help="only the first so many cases of the split")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables")


def run(options: argparse.Namespace) -> None:
    """Writes ``cases.csv`` and ``summary.md``."""
    cohort = open_cohort(options.cohort).limited(options.split, options.limit)
    cases = cohort.of_split(options.split)
    if not cases:
        raise UnsuitableInput(f"{options.cohort} has no {options.split} case; choose another --split.")
    generator, geometry, _ = trained_generator(options.run)
    rows = []
    for case in tqdm(cases, unit="case", mininterval=2):
        radiograph = radiograph_of(cohort, case, generator.config.size)[None]
        result = refine(generator, radiograph, geometry, options.steps)
        rows.append(
            {
                "case": case.name,
                "steps kept": result.after.steps,
                "ncc before": result.before.ncc,
                "ncc after": result.after.ncc,
                "details before": result.before.details_ncc,
                "details after": result.after.details_ncc,
                "checks before": result.before.checks_passed,
                "checks after": result.after.checks_passed,
            }
        )
    write_csv(options.out / "cases.csv", rows)
    gains = np.array([row["ncc after"] - row["ncc before"] for row in rows])
    refused = np.mean([row["steps kept"] == 0 for row in rows])
    table = [
        {"figure": "radiographs", "value": str(len(rows))},
        {"figure": "steps", "value": str(options.steps)},
        {"figure": "refused", "value": f"{refused:.0%}"},
        {"figure": "gain of the correlation, median", "value": f"{np.median(gains):.4f}"},
        {"figure": "gain of the correlation, smallest", "value": f"{gains.min():.4f}"},
    ]
    for name in ("ncc", "details", "checks"):
        before, after = (np.mean([row[f"{name} {when}"] for row in rows]) for when in ("before", "after"))
        table.append({"figure": f"{name}, mean before and after", "value": f"{before:.3f} and {after:.3f}"})
    text = f"# Refinement, {options.split} cases\n\n{markdown_table(table)}{NOTE}"
    write_bytes_atomically(options.out / "summary.md", text.encode())
    print(text)
