"""``evaluate checks``: how often the checks of anatomy are wrong."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from XrayToCTTraining.check_evaluation import (
    Tally,
    alarm_rows,
    checked_ct,
    ct_rows,
    fault_rows,
    flat_rows,
    patients,
    sentences,
    tally,
    warps,
)
from XrayToCTTraining.commands import positive
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.tables import markdown_table, write_csv

NOTE = """
A fault is found where one of the checks in the last column fails; where it had no room it was not planted. Diseased
patients are no normals: what they fail is listed because a disease should not look like a fault. Really cut off: fails
nothing else, and its true body covers over 30 % of a side of the volume, or over 5 % of its front or back.
"""
PREPARED = """
As it is: the whole scan, with whatever lies around the patient. Prepared: as CTs are for training, without bed, table
and clothes, the top 320 mm of the scan.
"""


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--cohort", type=Path, required=True, help="simulated patients with CTs")
    own.add_argument("--atlas", type=Path, action="append", default=[], help="a real CT to warp; repeatable")
    own.add_argument("--ct", type=Path, action="append", default=[], help="a real CT to check; repeatable")
    own.add_argument("--count", type=positive, default=50, help="volumes of each group")
    own.add_argument("--planted", type=positive, default=10, help="how many of them get every fault in turn")
    own.add_argument("--out", type=Path, required=True, help="folder of the tables")


def run(options: argparse.Namespace) -> None:
    cohort, count = open_cohort(options.cohort), options.count
    groups = {"simulated, healthy": patients(cohort, True, count)}
    groups |= {f"warps of {path.name}": warps(path, count) for path in options.atlas}
    tallies: dict[str, Tally] = {}
    for name, subjects in groups.items():
        tallies[name] = tally(subjects, options.planted, _progress(name))
    diseased = tally(patients(cohort, False, count), 0, _progress("simulated, diseased"))
    alarms = {**tallies, "simulated, diseased": diseased}
    text = f"# Checks of anatomy\n\nFalse alarms, in volumes:\n\n{markdown_table(alarm_rows(alarms))}"
    text += f"\nPlanted faults:\n\n{markdown_table(fault_rows(tallies))}{NOTE}"
    cts = [checked_ct(path) for path in options.ct]
    if cts:
        text += f"\nReal CTs, and the checks that they fail:\n\n{markdown_table(ct_rows(cts))}{PREPARED}"
    for ct in cts:
        text += f"\n{ct.name} as it is:\n\n{sentences(ct.as_it_is)}\n{ct.name} prepared:\n\n{sentences(ct.prepared)}"
    options.out.mkdir(parents=True, exist_ok=True)
    write_csv(options.out / "checks.csv", flat_rows(alarms, cts))
    (options.out / "summary.md").write_text(text)
    print(text)


def _progress(group: str) -> Callable[[str], None]:
    return lambda text: print(f"{group}, {text}", file=sys.stderr)
