"""``reproduce``: one of the paper's tables or figures, or what it could not measure, from prepared data to a page."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.engine import Engine
from XrayToCTTraining.reproduce import CYCLEGAN, SCALES, Experiment, expected_hours
from XrayToCTTraining.reproduction_figures import figure_1, figure_2, figure_4
from XrayToCTTraining.reproduction_tables import table_1, table_2
from XrayToCTTraining.reproduction_truth import CONTROLS, STRATEGIES, truth_table

EXAMPLES = """examples:
  %(prog)s table1 --pairs runs/lidc --xrays runs/tbx11k --out runs/experiment --scale paper --accelerator gpu
  %(prog)s table2 --pairs runs/cohort --xrays runs/shifted --out runs/small --scale small
  %(prog)s truth --pairs runs/cohort --xrays runs/shifted --out runs/small --scale small
  %(prog)s truth --strategies x2ct induction-10 --pairs runs/cohort --xrays runs/projections --out runs/why
  %(prog)s figure1 --pairs runs/cohort --xrays runs/shifted --out runs/small --scale small

Everything of an experiment lies in its --out: a second table or figure uses the runs of the first, and a stopped one
goes on where it was.
"""
TRUTH = "truth"
TABLES = {"table1": table_1, "table2": table_2}
FIGURES = {"figure1": figure_1, "figure2": figure_2, "figure4": figure_4}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=(*TABLES, TRUTH, *FIGURES))
    parser.add_argument(
        "--strategies",
        nargs="+",
        choices=(*STRATEGIES, *CONTROLS),
        metavar="STRATEGY",
        help=f"rows of truth: {', '.join(STRATEGIES)} (default: these); controls: {', '.join(CONTROLS)}",
    )
    parser.add_argument("--pairs", type=Path, required=True, help="cases with CTs")
    parser.add_argument("--xrays", type=Path, required=True, help="radiographs with labels")
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs, tables and figures")
    parser.add_argument("--scale", choices=tuple(SCALES), default="small")
    parser.add_argument("--seeds", type=int, help="number of runs with different seeds (default: the scale's)")
    parser.add_argument("--accelerator", default="auto", help="auto, cpu or gpu")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--precision", default="32-true", help="32-true, bf16-mixed or 16-mixed")


def run(options: argparse.Namespace) -> None:
    if options.strategies and options.what != TRUTH:
        raise UnsuitableInput(f"{options.what} has the paper's strategies; leave out --strategies.")
    strategies = options.strategies or STRATEGIES
    scale = SCALES[options.scale]
    if options.seeds is not None:
        scale = replace(scale, seeds=options.seeds)
    engine = Engine(options.accelerator, options.devices, precision=options.precision)
    experiment = Experiment(open_cohort(options.pairs), open_cohort(options.xrays), options.out, scale, engine)
    hours = expected_hours(experiment, len(set(strategies) - {CYCLEGAN}))
    print(
        f"Reconstruction will take about {hours:.2g} hours in all, from the time of one step; classifiers come on top."
    )
    if options.what == TRUTH:
        print(truth_table(experiment, options.out, strategies))
    elif options.what in TABLES:
        print(TABLES[options.what](experiment, options.out))
    else:
        print(FIGURES[options.what](experiment, options.out))
