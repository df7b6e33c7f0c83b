"""``evaluate uncertainty``: is the error that the program expects the true one?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTLib.uncertainty import NOT_COVERED, SAMPLES
from XrayToCTTraining.calibration import CALIBRATION, fit_calibration, reliability, sampled
from XrayToCTTraining.charts import line_chart
from XrayToCTTraining.commands import positive
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.tables import markdown_table, write_csv
from XrayToCTTraining.trained import trained_generator

NOTE = f"""
Calibrated on the validation cases, measured on the {{split}} cases. Spearman: rank correlation of expected and true
absolute error over voxels, mean of the cases. Gap: mean distance of expected from measured error over the mean of the
latter. {NOT_COVERED}
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument("--run", type=Path, required=True, help="run of `fit reconstruction`")
    own.add_argument("--split", choices=("test", "training"), default="test", help="what the calibration is judged on")
    own.add_argument("--limit", type=positive, default=0, help="only the first so many cases of each split")
    own.add_argument("--samples", type=positive, default=SAMPLES, help="volumes of each radiograph")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and the chart")


def run(options: argparse.Namespace) -> None:
    """Writes the calibration for ``export``, ``reliability.csv``, ``reliability.png`` and ``summary.md``."""
    if options.samples < 2:
        raise UnsuitableInput("One volume has no spread; give --samples 2 or more.")
    cohort = open_cohort(options.cohort)
    generator, _, _ = trained_generator(options.run)
    splits = {}
    for split in ("validation", options.split):
        cases = [case for case in cohort.limited(split, options.limit).of_split(split) if case.has_ct]
        if not cases:
            raise UnsuitableInput(f"{options.cohort} has no {split} case with a CT; prepare CTs or simulate patients.")
        splits[split] = sampled(generator, cohort, cases, options.samples)
    calibration = fit_calibration(splits["validation"])
    found = reliability(splits[options.split], calibration)
    write_bytes_atomically(options.out / CALIBRATION, json.dumps(asdict(calibration), indent=2).encode())
    rows = [
        {"expected error (HU)": f"{expected:.1f}", "measured error (HU)": f"{measured:.1f}"}
        for expected, measured in zip(found.expected, found.measured, strict=True)
    ]
    write_csv(options.out / "reliability.csv", rows)
    limit = float(max(found.expected.max(), found.measured.max())) * 1.05
    lines = {"measured": (found.expected, found.measured), "perfect": (np.array([0, limit]), np.array([0, limit]))}
    chart = line_chart("Reliability", "expected error (HU)", "measured error (HU)", lines, limits=(0, limit, 0, limit))
    write_png(options.out / "reliability.png", chart, False)
    table = [
        {"figure": "cases", "value": str(len(splits[options.split]))},
        {"figure": "samples of each", "value": str(options.samples)},
        {"figure": "Spearman", "value": f"{found.spearman:.3f}"},
        {"figure": "gap", "value": f"{found.gap:.3f}"},
        {"figure": "error within the expected one", "value": f"{found.within_one:.3f} (a Gaussian: 0.683)"},
        {"figure": "within twice", "value": f"{found.within_two:.3f} (a Gaussian: 0.954)"},
    ]
    text = f"# Uncertainty\n\n{markdown_table(table)}{NOTE.format(split=options.split)}"
    write_bytes_atomically(options.out / "summary.md", text.encode())
    print(text)
