"""``evaluate cohort``: what a cohort with CTs looks like, and its Hounsfield units by tissue."""

from __future__ import annotations

import argparse
from pathlib import Path

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTLib.volume import network_from_ct
from XrayToCTTraining.cohort_sheet import contact_sheet, varied_cases
from XrayToCTTraining.commands import positive
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.tables import markdown_table, write_csv
from XrayToCTTraining.tissue_histograms import (
    cohort_histograms,
    histogram_picture,
    histogram_rows,
    tissue_histograms,
)

TISSUES = """
One rule for both: lung below -400 HU and bone above 250 HU inside the body, fat -150 to -30 HU and soft tissue -30 to
130 HU in between, without borders and known lesions. Blood with contrast medium passes for bone. Overlap: common area
of both histograms, 0 to 1.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument("--reference", type=Path, help="a real CT whose Hounsfield units are shown beside")
    own.add_argument("--count", type=positive, default=12, help="how many cases, taking the classes in turn")
    own.add_argument("--out", type=Path, required=True, help="folder of the pictures and the table")


def run(options: argparse.Namespace) -> None:
    cohort, out = open_cohort(options.cohort), options.out
    cases = varied_cases(cohort.cases, options.count)
    if not cases:
        raise UnsuitableInput(f"{cohort.folder} has no case with a CT; simulate or prepare some.")
    reference = None
    if options.reference is not None:
        size = cohort.hu(cases[0]).shape[0]
        reference = tissue_histograms(network_from_ct(read_ct(options.reference), size, cases[0].side_mm))
    ours = cohort_histograms(cohort, cases)
    rows = histogram_rows(ours, reference)
    out.mkdir(parents=True, exist_ok=True)
    write_png(out / "patients.png", contact_sheet(cohort, cases))
    write_png(out / "hounsfield.png", histogram_picture(ours, reference), False)
    write_csv(out / "hounsfield.csv", rows)
    beside = "" if options.reference is None else f" beside {options.reference.name}"
    text = f"# {len(cases)} cases of {cohort.folder.name}{beside}\n\n{markdown_table(rows)}{TISSUES}"
    (out / "summary.md").write_text(text)
    print(text)
