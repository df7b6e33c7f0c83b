"""``python -m XrayToCTTraining evaluate``: figures, tables and charts of trained networks."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from XrayToCTTraining.commands import (
    evaluate_checks,
    evaluate_classification,
    evaluate_cohort,
    evaluate_curves,
    evaluate_fidelity,
    evaluate_input_check,
    evaluate_radiographs,
    evaluate_refinement,
    evaluate_styles,
    evaluate_tables,
    evaluate_uncertainty,
    evaluate_volumes,
)

EXAMPLES = """examples:
  %(prog)s reconstruction --cohort runs/lidc --run runs/paper --out results/reconstruction
  %(prog)s reprojection --cohort runs/tbx11k --run runs/paper --out results/reprojection
  %(prog)s lesions --cohort runs/cohort --run runs/compact --out results/lesions
  %(prog)s classification --cohort runs/tbx11k --out results/classes \\
    --classifier ct=runs/ct-0 --classifier ct=runs/ct-1 --classifier xray=runs/xray-0
  %(prog)s styles --cohort runs/cohort --run runs/xray-0 --out results/styles
  %(prog)s radiographs --cohort runs/real --classifier ct=runs/ct-0 --classifier xray=runs/xray-0 \\
    --generator runs/compact --out results/radiographs
  %(prog)s cohort --cohort runs/cohort --reference chest.nii.gz --out results/cohort
  %(prog)s uncertainty --cohort runs/cohort --run runs/compact --out results/uncertainty
  %(prog)s refinement --cohort runs/real --run runs/compact --limit 20 --out results/refinement
  %(prog)s table --results ours=results/a --results mean="results/a:mean training volume" --out results/table.md
  %(prog)s document docs/results.md
  %(prog)s fidelity --model compact --ct chest.nii.gz --cohort runs/cohort --out results/fidelity
  %(prog)s checks --cohort runs/cohort --atlas chest.nii.gz --ct chest.nii.gz --ct other.nrrd \
    --out results/checks
  %(prog)s input-check --cohort runs/xrays --pairs runs/cohort --dicom downloads/dicom --out results/input-check
  %(prog)s curves --run runs/paper --figures reconstruction,projection --out results/curves.png
"""


class Task(NamedTuple):
    """An evaluation: what it is, its options, and what does it."""

    text: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


TASKS = {
    "reconstruction": Task(
        "generated volumes against true CTs, beside the mean and the nearest training volume",
        evaluate_volumes.add_reconstruction_arguments,
        evaluate_volumes.run_reconstruction,
    ),
    "reprojection": Task(
        "generated volumes, projected, against the radiographs that they were made from",
        evaluate_volumes.add_reprojection_arguments,
        evaluate_volumes.run_reprojection,
    ),
    "lesions": Task(
        "what is left of planted lesions in generated volumes, by kind and size",
        evaluate_volumes.add_arguments,
        evaluate_volumes.run_lesions,
    ),
    "fidelity": Task(
        "what survives of lesions that are planted one at a time into real CTs or simulated patients",
        evaluate_fidelity.add_arguments,
        evaluate_fidelity.run,
    ),
    "uncertainty": Task(
        "expected against true errors of generated volumes; a calibration for `export`",
        evaluate_uncertainty.add_arguments,
        evaluate_uncertainty.run,
    ),
    "refinement": Task(
        "shape induction on each single radiograph: what it gains, how often it is refused",
        evaluate_refinement.add_arguments,
        evaluate_refinement.run,
    ),
    "classification": Task(
        "classifiers of radiographs, of CT volumes and of both, over runs; a temperature for `export`",
        evaluate_classification.add_arguments,
        evaluate_classification.run,
    ),
    "radiographs": Task(
        "whether classifiers tell sick from healthy patients on real radiographs",
        evaluate_radiographs.add_arguments,
        evaluate_radiographs.run,
    ),
    "styles": Task(
        "an X-ray classifier on the same patients as different devices see them",
        evaluate_styles.add_arguments,
        evaluate_styles.run,
    ),
    "cohort": Task(
        "what a cohort with CTs looks like, and its Hounsfield units by tissue",
        evaluate_cohort.add_arguments,
        evaluate_cohort.run,
    ),
    "table": Task("several evaluations side by side", evaluate_tables.add_table_arguments, evaluate_tables.run_table),
    "document": Task(
        "put tables into a Markdown page, where it says <!-- from FILE --> ... <!-- end -->",
        evaluate_tables.add_document_arguments,
        evaluate_tables.run_document,
    ),
    "checks": Task(
        "how often the checks of anatomy are wrong, and what they find",
        evaluate_checks.add_arguments,
        evaluate_checks.run,
    ),
    "input-check": Task(
        "how well odd pictures are told from held-out radiographs, by kind",
        evaluate_input_check.add_arguments,
        evaluate_input_check.run,
    ),
    "curves": Task("a chart of a training's losses or figures", evaluate_curves.add_arguments, evaluate_curves.run),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True)
    for name, task in TASKS.items():
        task.add_arguments(what.add_parser(name, help=task.text, description=task.text))


def run(options: argparse.Namespace) -> None:
    TASKS[options.what].run(options)
