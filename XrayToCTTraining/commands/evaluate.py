"""``python -m XrayToCTTraining evaluate``: figures, tables and charts of trained networks."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.models import default_model, load_input_check
from XrayToCTLib.pictures import write_png
from XrayToCTLib.uncertainty import SAMPLES
from XrayToCTLib.volume import network_from_ct
from XrayToCTTraining.case_pictures import telling_picture
from XrayToCTTraining.charts import line_chart
from XrayToCTTraining.cohort_sheet import contact_sheet, varied_cases
from XrayToCTTraining.commands import (
    evaluate_checks,
    evaluate_classification,
    evaluate_refinement,
    evaluate_tables,
    evaluate_uncertainty,
    positive,
)
from XrayToCTTraining.data.cohort import SPLITS, open_cohort
from XrayToCTTraining.engine import LOG
from XrayToCTTraining.evaluation import (
    GENERATOR,
    Row,
    Summary,
    evaluate_ct,
    evaluate_lesions,
    evaluate_reconstruction,
    evaluate_reprojection,
    mean_training_volume,
    summarise,
    telling_cases,
    write_metrics,
)
from XrayToCTTraining.fidelity import lesion_table
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
from XrayToCTTraining.input_check_fit import trained_input_check
from XrayToCTTraining.strategies import predictor
from XrayToCTTraining.tables import markdown_table, write_csv
from XrayToCTTraining.tissue_histograms import (
    cohort_histograms,
    histogram_picture,
    histogram_rows,
    tissue_histograms,
)

EXAMPLES = """examples:
  %(prog)s reconstruction --cohort runs/lidc --run runs/paper --out results/reconstruction
  %(prog)s reprojection --cohort runs/tbx11k --run runs/paper --out results/reprojection
  %(prog)s lesions --cohort runs/cohort --run runs/compact --out results/lesions
  %(prog)s classification --cohort runs/tbx11k --out results/classes \\
    --classifier ct=runs/ct-0 --classifier ct=runs/ct-1 --classifier xray=runs/xray-0
  %(prog)s cohort --cohort runs/cohort --reference chest.nii.gz --out results/cohort
  %(prog)s uncertainty --cohort runs/cohort --run runs/compact --out results/uncertainty
  %(prog)s refinement --cohort runs/real --run runs/compact --limit 20 --out results/refinement
  %(prog)s table --results ours=results/a --results mean="results/a:mean training volume" --out results/table.md
  %(prog)s document docs/results.md
  %(prog)s checks --cohort runs/cohort --atlas chest.nii.gz --ct other.nrrd --out results/checks
  %(prog)s input-check --cohort runs/xrays --pairs runs/cohort --dicom downloads/dicom --out results/input-check
  %(prog)s curves --run runs/paper --figures reconstruction,projection --out results/curves.png
"""
PROTOCOLS = """
`psnr_x2ct` follows X2CT-GAN's published protocol (peak 4095 on data that span 2500, mean over slices); `psnr_honest`
has the data's own range as its peak: never compare one with the other. Cells: mean ± standard deviation over cases
[95 % bootstrap interval of the mean].
"""
CONTRAST = """
Contrast: mean HU of a lesion's voxels above that of the lung around it, at the same voxels in truth and prediction.
Found: at least half of the contrast is kept. Lesions of less than 50 HU either way, or without lung around them, are
left out.
"""
TISSUES = """
One rule for both: lung below -400 HU and bone above 250 HU inside the body, fat -150 to -30 HU and soft tissue -30 to
130 HU in between, without borders and known lesions. Blood with contrast medium passes for bone. Overlap: common area
of both histograms, 0 to 1.
"""
ODD_PICTURES = """
Area under the curve: chance that such a picture gets a higher score than a frontal radiograph of the split. Warned of:
share beyond the limit; of frontal pictures these are false warnings. Reason right: share whose warning names the kind.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True)

    def task(name: str, text: str) -> argparse.ArgumentParser:
        return what.add_parser(name, help=text, description=text)

    for name, text in (
        ("reconstruction", "generated volumes against true CTs, beside the mean and the nearest training volume"),
        ("reprojection", "generated volumes, projected, against the radiographs that they were made from"),
        ("lesions", "what is left of planted lesions in generated volumes, by kind and size"),
    ):
        own = task(name, text)
        own.add_argument("--cohort", type=Path, required=True)
        own.add_argument("--run", type=Path, required=True, help="run of `fit reconstruction`")
        own.add_argument("--style", type=Path, help="run of `fit cyclegan` to apply to radiographs before")
        own.add_argument("--split", choices=SPLITS, default="test")
        own.add_argument("--limit", type=positive, default=0, help="only the first so many cases of the split")
        own.add_argument("--out", type=Path, required=True, help="folder of the tables")
        if name == "reconstruction":
            own.add_argument("--ct", type=Path, help="a real CT, unseen in training, to evaluate on as well")
        elif name == "reprojection":
            own.add_argument("--pairs", type=Path, help="cases with CTs, whose mean is shown beside")

    own = task("uncertainty", "expected against true errors of generated volumes; a calibration for `export`")
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument("--run", type=Path, required=True, help="run of `fit reconstruction`")
    own.add_argument("--split", choices=("test", "training"), default="test", help="what the calibration is judged on")
    own.add_argument("--limit", type=positive, default=0, help="only the first so many cases of each split")
    own.add_argument("--samples", type=positive, default=SAMPLES, help="volumes of each radiograph")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and the chart")

    own = task("refinement", "shape induction on each single radiograph: what it gains, how often it is refused")
    own.add_argument("--cohort", type=Path, required=True, help="radiographs")
    own.add_argument("--run", type=Path, required=True, help="run of `fit reconstruction`")
    own.add_argument("--steps", type=positive, default=12, help="as in `xray-to-ct generate --refine`")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--limit", type=positive, default=20, help="only the first so many cases of the split")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables")

    own = task(
        "classification", "classifiers of radiographs, of CT volumes and of both, over runs; a temperature for `export`"
    )
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument(
        "--classifier",
        action="append",
        required=True,
        metavar="NAME=RUN",
        help="a run, or a checkpoint of one; repeatable",
    )
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and charts")

    own = task("cohort", "what a cohort with CTs looks like, and its Hounsfield units by tissue")
    own.add_argument("--cohort", type=Path, required=True)
    own.add_argument("--reference", type=Path, help="a real CT whose Hounsfield units are shown beside")
    own.add_argument("--count", type=positive, default=12, help="how many cases, taking the classes in turn")
    own.add_argument("--out", type=Path, required=True, help="folder of the pictures and the table")

    own = task("table", "several evaluations side by side")
    own.add_argument(
        "--results",
        action="append",
        required=True,
        metavar="NAME=FOLDER[:METHOD]",
        help="of `evaluate`; its generator, or another method in its summary.csv; repeatable",
    )
    own.add_argument("--figures", default="", help="names separated by commas (default: all of the first)")
    own.add_argument("--out", type=Path, required=True, help="Markdown file")

    own = task("document", "put tables into a Markdown page, where it says <!-- from FILE --> ... <!-- end -->")
    own.add_argument("page", type=Path)
    evaluate_checks.add_arguments(task("checks", "how often the checks of anatomy are wrong, and what they find"))
    own = task("input-check", "how well odd pictures are told from held-out radiographs, by kind")
    own.add_argument("--cohort", type=Path, required=True, help="prepared real radiographs")
    own.add_argument("--pairs", type=Path, help="simulated cases: frontal and lateral views, sections")
    own.add_argument("--ct", type=Path, action="append", default=[], help="a real CT, seen from the side; repeatable")
    own.add_argument("--dicom", type=Path, help="folder of DICOM files of any modality")
    own.add_argument("--run", type=Path, help="run of `fit input-check`; without it, the check of the runtime")
    own.add_argument("--split", choices=SPLITS, default="test")
    own.add_argument("--seed", type=int, default=0, help="of what is cropped, drawn and photographed")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables and the picture")

    own = task("curves", "a chart of a training's losses or figures")
    own.add_argument("--run", type=Path, action="append", required=True, help="repeatable")
    own.add_argument("--figures", default="reconstruction", help="names in log.jsonl, separated by commas")
    own.add_argument("--linear", action="store_true", help="no logarithmic axis")
    own.add_argument("--out", type=Path, required=True, help="PNG file")


def run(options: argparse.Namespace) -> None:
    {
        "reconstruction": _reconstruction,
        "reprojection": _reprojection,
        "lesions": _lesions,
        "uncertainty": evaluate_uncertainty.run,
        "refinement": evaluate_refinement.run,
        "classification": evaluate_classification.run,
        "cohort": _cohort,
        "table": evaluate_tables.run_table,
        "document": evaluate_tables.run_document,
        "checks": evaluate_checks.run,
        "input-check": _input_check,
        "curves": _curves,
    }[options.what](options)


def _reconstruction(options: argparse.Namespace) -> None:
    predict, geometry, size = predictor(options.run, options.style)
    cohort = open_cohort(options.cohort).limited(options.split, options.limit)
    rows = evaluate_reconstruction(predict, cohort, options.split, geometry, size)
    write_evaluation(options.out, rows, f"Reconstruction, {options.split} cases")
    picture = telling_picture(predict, cohort, telling_cases(rows, "rmse_hu"), geometry, size)
    write_png(options.out / "cases.png", picture)
    if options.ct is not None:
        mean = mean_training_volume(cohort, cohort.of_split("training"), size)
        real = evaluate_ct(predict, options.ct, geometry, mean)
        write_evaluation(options.out / "real-ct", real, f"Reconstruction of {options.ct.name}")


def _reprojection(options: argparse.Namespace) -> None:
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


def _lesions(options: argparse.Namespace) -> None:
    predict, _, size = predictor(options.run, options.style)
    cohort = open_cohort(options.cohort).limited(options.split, options.limit)
    scores = evaluate_lesions(predict, cohort, options.split, size)
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "lesions.csv", [{**asdict(s), "kept": s.kept, "found": s.found} for s in scores])
    table = [{k: f"{v:.2f}" if isinstance(v, float) else v for k, v in row.items()} for row in lesion_table(scores)]
    text = f"# {len(scores)} planted lesions, {options.split} cases\n\n{markdown_table(table)}{CONTRAST}"
    (options.out / "summary.md").write_text(text)
    print(text)


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


def _cohort(options: argparse.Namespace) -> None:
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


def _input_check(options: argparse.Namespace) -> None:
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


def _curves(options: argparse.Namespace) -> None:
    lines = {}
    for run in options.run:
        if not (run / LOG).is_file():
            raise UnsuitableInput(f"{run} holds no {LOG}; give the folder of a training.")
        rows = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
        for figure in options.figures.split(","):
            points = [(row["step"], row[figure]) for row in rows if figure in row]
            if not points:
                raise UnsuitableInput(f"{run / LOG} has no figure {figure!r}; it has {', '.join(sorted(rows[0]))}.")
            name = figure if len(options.run) == 1 else f"{run.name}: {figure}"
            steps, values = zip(*points, strict=True)
            lines[name] = (steps, values)
    chart = line_chart(", ".join(run.name for run in options.run), "step", "", lines, log_y=not options.linear)
    write_png(options.out, chart, False)
    print(options.out)
