"""``evaluate input-check``: how well odd pictures are told from held-out radiographs, by kind."""

from __future__ import annotations

import argparse
from pathlib import Path

from XrayToCTLib.models import default_model, load_input_check
from XrayToCTLib.pictures import write_png
from XrayToCTTraining.data.cohort import SPLITS, open_cohort
from XrayToCTTraining.evaluation_files import write_metrics
from XrayToCTTraining.input_check_evaluation import (
    ct_group,
    dicom_groups,
    figures_of,
    picture_rows,
    radiograph_groups,
    score_groups,
    simulated_groups,
    summary_rows,
    worst_picture,
)
from XrayToCTTraining.tables import markdown_table, write_csv
from XrayToCTTraining.trained import trained_input_check

ODD_PICTURES = """
Area under the curve: chance that such a picture gets a higher score than a frontal radiograph of the split. Warned of:
share beyond the limit; of frontal pictures these are false warnings. Reason right: share whose warning names the kind.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True, help="prepared real radiographs")
    own.add_argument("--pairs", type=Path, help="simulated cases: frontal and lateral views, sections")
    own.add_argument("--ct", type=Path, action="append", default=[], help="a real CT, seen from the side; repeatable")
    own.add_argument("--dicom", type=Path, help="folder of DICOM files of any modality")
    own.add_argument("--run", type=Path, help="run of `fit input-check`; without it, the check of the runtime")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--seed", type=int, default=0, help="of what is cropped, drawn and photographed")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and the picture")


def run(options: argparse.Namespace) -> None:
    network = trained_input_check(options.run)[0] if options.run else load_input_check(default_model("input_check"))
    cohort, out = open_cohort(options.cohort), options.out
    groups = radiograph_groups(cohort, options.split, options.seed)
    refused = 0
    if options.pairs is not None:
        pairs = open_cohort(options.pairs)
        groups += simulated_groups(pairs, options.split, options.seed)
        groups += [ct_group(options.ct, pairs, options.seed)] if options.ct else []
    if options.dicom is not None:
        found, refused = dicom_groups(options.dicom)
        groups += found
    results = score_groups(groups, network)
    rows = summary_rows(results)
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / "summary.csv", rows)
    write_csv(out / "cases.csv", picture_rows(results))
    write_png(out / "worst.png", worst_picture(results), False)
    write_metrics(out, figures_of(results))
    text = f"# Input check, {options.split} split of {cohort.folder.name}\n\n{markdown_table(rows)}{ODD_PICTURES}"
    if options.dicom is not None:
        text += f"Of the odd pictures in DICOM the reader refuses {refused} by their headers, before this check.\n"
    (out / "summary.md").write_text(text)
    print(text)
