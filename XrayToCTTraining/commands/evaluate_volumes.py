"""``evaluate reconstruction``, ``reprojection`` and ``lesions``: generated volumes of the cases of a cohort."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTTraining.case_pictures import telling_picture
from XrayToCTTraining.commands import positive
from XrayToCTTraining.data.cohort import SPLITS, open_cohort
from XrayToCTTraining.evaluation import (
    evaluate_cts,
    evaluate_lesions,
    evaluate_reconstruction,
    evaluate_reprojection,
    mean_training_volume,
    telling_cases,
)
from XrayToCTTraining.evaluation_files import write_evaluation
from XrayToCTTraining.fidelity import lesion_table
from XrayToCTTraining.strategies import predictor
from XrayToCTTraining.tables import markdown_table, write_csv

CONTRAST = """
Contrast: mean HU of a lesion's voxels above that of the lung around it, at the same voxels in truth and prediction.
Found: at least half of the contrast is kept. Lesions of less than 50 HU either way, or without lung around them, are
left out.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    """Those that the three have in common."""
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument("--run", type=Path, required=True, help="run of `fit reconstruction`")
    own.add_argument("--style", type=Path, help="run of `fit cyclegan` to apply to radiographs before")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--limit", type=positive, default=0, help="only the first so many cases of the split")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables")


def add_reconstruction_arguments(own: argparse.ArgumentParser) -> None:
    add_arguments(own)
    help_text = (
        "a real CT, unseen in training, to evaluate on as well; repeatable, and then beside the mean of the others"
    )
    own.add_argument("--ct", type=Path, action="append", default=[], help=help_text)


def add_reprojection_arguments(own: argparse.ArgumentParser) -> None:
    add_arguments(own)
    own.add_argument("--pairs", type=Path, help="cases with CTs, whose mean is shown beside")


def run_reconstruction(options: argparse.Namespace) -> None:
    predict, geometry, size = predictor(options.run, options.style)
    cohort = open_cohort(options.cohort).limited(options.split, options.limit)
    rows = evaluate_reconstruction(predict, cohort, options.split, geometry, size)
    write_evaluation(options.out, rows, f"Reconstruction, {options.split} cases")
    picture = telling_picture(predict, cohort, telling_cases(rows, "rmse_hu"), geometry, size)
    write_png(options.out / "cases.png", picture)
    if options.ct:
        mean = mean_training_volume(cohort, cohort.of_split("training"), size)
        real = evaluate_cts(predict, options.ct, geometry, mean)
        write_evaluation(options.out / "real-ct", real, f"Reconstruction of {', '.join(ct.name for ct in options.ct)}")


def run_reprojection(options: argparse.Namespace) -> None:
    predict, geometry, size = predictor(options.run, options.style)
    mean = None
    if options.pairs is not None:
        pairs = open_cohort(options.pairs)
        mean = mean_training_volume(pairs, [case for case in pairs.of_split("training") if case.has_ct], size)
    xrays = open_cohort(options.cohort).limited(options.split, options.limit)
    rows = evaluate_reprojection(predict, xrays, options.split, geometry, size, mean)
    if not rows:
        raise UnsuitableInput(f"{options.cohort} has no {options.split} case; choose another --split.")
    write_evaluation(options.out, rows, f"Reprojection, {options.split} cases")
    picture = telling_picture(predict, xrays, telling_cases(rows, "reprojection_rmse"), geometry, size)
    write_png(options.out / "cases.png", picture)


def run_lesions(options: argparse.Namespace) -> None:
    predict, _, size = predictor(options.run, options.style)
    cohort = open_cohort(options.cohort).limited(options.split, options.limit)
    scores = evaluate_lesions(predict, cohort, options.split, size)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "lesions.csv", [{**asdict(s), "kept": s.kept, "found": s.found} for s in scores])
    table = [{k: f"{v:.2f}" if isinstance(v, float) else v for k, v in row.items()} for row in lesion_table(scores)]
    text = f"# {len(scores)} planted lesions, {options.split} cases\n\n{markdown_table(table)}{CONTRAST}"
    (options.out / "summary.md").write_text(text)
    print(text)
