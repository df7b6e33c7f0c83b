"""``xray-to-ct study``: arguments, and what is printed."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sized
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XrayToCTLib.reader_study.answers import Answer, read_answers
from XrayToCTLib.reader_study.study import Study, read_study

if TYPE_CHECKING:
    from XrayToCTLib.reader_study.summary import ArmJudgement, ItemAgreement

EXAMPLES = """examples:
  xray-to-ct study new cases.csv -o study --key key.json --readers R1,R2 --repeats 4
  xray-to-ct study status study
  xray-to-ct study agree study key.json -o study-results

cases.csv has the columns file, arm and, where they are known, class (healthy, sick or tb) and patient:
  file,arm,class,patient
  scans/0001.nrrd,real,tb,p1
  results/0001/ct.nrrd,compact,tb,p1
Readers get the folder study, in the reader study section of the Slicer module; they must not get key.json or cases.csv.
"""


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the three actions to the parser of ``study``."""
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a study, and its key, from a list of CTs")
    new.add_argument("list", type=Path, metavar="CASES.csv", help="columns file, arm, class, patient")
    new.add_argument("-o", "--output", type=Path, required=True, metavar="STUDY", help="new folder, for the readers")
    new.add_argument("--key", type=Path, required=True, metavar="KEY.json", help="outside of STUDY: what is what")
    new.add_argument("--readers", type=_names, required=True, metavar="LIST", help="pseudonyms, comma-separated")
    new.add_argument("--title", default="Reader study", help="what readers see above the cases")
    new.add_argument(
        "--repeats", type=_whole(0, 10_000), default=0, metavar="N", help="cases that each reader sees twice"
    )
    new.add_argument(
        "--size", type=_whole(32, 512), default=128, metavar="VOXELS", help="along each side (default: 128)"
    )
    new.add_argument("--side-mm", type=_side, default=320.0, metavar="MM", help="of a case's cube (default: 320)")
    new.add_argument(
        "--seed", type=_whole(0, 2**63 - 1), help="default: drawn, and kept in the key; small ones can be guessed"
    )
    status = actions.add_parser("status", help="how far each reader is; nothing is unblinded")
    status.add_argument("study", type=Path, metavar="STUDY")
    agree = actions.add_parser("agree", help="unblind: kappa between readers, and how each arm was judged")
    agree.add_argument("study", type=Path, metavar="STUDY")
    agree.add_argument("key", type=Path, metavar="KEY.json")
    agree.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="also write ratings.csv and marks.csv, unblinded"
    )
    agree.add_argument("--weights", choices=("linear", "quadratic"), default="quadratic", help="of the ratings' kappa")
    for action in (status, agree):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run_study(options: argparse.Namespace) -> int:
    """Runs an action and returns its exit code. Raises UnsuitableInput."""
    return {"new": _run_new, "status": _run_status, "agree": _run_agree}[options.action](options)


def _run_new(options: argparse.Namespace) -> int:
    from XrayToCTLib.reader_study.blinding import Blinding, make_study, read_list

    study, warnings = make_study(
        read_list(options.list),
        options.readers,
        options.output,
        options.key,
        options.title,
        options.repeats,
        options.seed,
        Blinding(options.size, options.side_mm),
        _progress,
    )
    print("\n".join(warnings), end="\n" if warnings else "", file=sys.stderr)
    print(f"{options.output}: {_counted(study.cases, 'case')} for {_counted(study.readers, 'reader')}")
    print(f"{options.key}: the key; keep it from the readers")
    return 0


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {total} ", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _run_status(options: argparse.Namespace) -> int:
    study = read_study(options.study)
    counts = {name: len(given) for name, given in _all_answers(options.study, study).items()}
    total = len(study.cases)
    if options.json:
        print(json.dumps({"title": study.title, "cases": total, "answered": counts}))
    else:
        print("\n".join(f"{name:16s}{count:5d} of {total}" for name, count in counts.items()))
    return 0


def _run_agree(options: argparse.Namespace) -> int:
    from XrayToCTLib.reader_study.key import read_key
    from XrayToCTLib.reader_study.summary import agreements, judgements, write_tables

    study = read_study(options.study)
    key = read_key(options.key, study)
    answers = _all_answers(options.study, study)
    agreed, judged = agreements(key, answers, options.weights), judgements(key, answers)
    warnings = [
        f"Reader {name} has read {len(given)} of {len(study.cases)} cases; to look before the end unblinds the study."
        for name, given in answers.items()
        if len(given) < len(study.cases)
    ]
    if options.output:
        write_tables(options.output, study, key, answers)
    if options.json:
        rows = [{"readers": a.readers, "item": a.item, "weights": a.weights, **asdict(a.agreement)} for a in agreed]
        content = {"agreement": rows, "arms": [asdict(arm) for arm in judged], "warnings": warnings}
        print(json.dumps(_without_nan(content)))
    else:
        _print_agreements(agreed)
        print()
        _print_judgements(judged)
        print("\n".join(warnings), end="\n" if warnings else "", file=sys.stderr)
    return 0


def _print_agreements(agreed: list[ItemAgreement]) -> None:
    print(f"{'readers':24s}{'item':24s}{'cases':>6s}{'same':>7s}{'kappa':>8s}  95 % interval")
    for row in agreed:
        first, second = row.readers
        who = f"{first} again" if first == second else f"{first} and {second}"
        name = row.item if row.weights == "none" else f"{row.item} ({row.weights})"
        found = row.agreement
        print(
            f"{who:24s}{name:24s}{found.cases:6d}{_figure(found.observed):>7s}{_figure(found.kappa):>8s}"
            f"  {_interval(found.low, found.high)}"
        )


def _print_judgements(judged: list[ArmJudgement]) -> None:
    intervals, told = "95 % interval", "told from real"
    print(f"{'reader':12s}{'arm':20s}{'cases':>6s}{'realism':>9s}  {intervals:16s}{told:>15s}{'class':>7s}  artefacts")
    for arm in judged:
        found = ", ".join(f"{kind} {share:.0%}" for kind, share in arm.artefacts.items() if share > 0) or "none"
        print(
            f"{arm.reader:12s}{arm.arm:20s}{arm.cases:6d}{_figure(arm.realism):>9s}"
            f"  {_interval(arm.realism_low, arm.realism_high):16s}"
            f"{_figure(arm.told_from_real):>15s}{_figure(arm.class_accuracy):>7s}  {found}"
        )


def _interval(low: float, high: float) -> str:
    return f"{_figure(low)} to {_figure(high)}" if math.isfinite(low) else "-"


def _all_answers(folder: Path, study: Study) -> dict[str, dict[str, Answer]]:
    return {reader.name: read_answers(folder, study, reader.name) for reader in study.readers}


def _figure(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


def _without_nan(value: Any) -> Any:
    """JSON has no word for what is not a number: null."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _counted(things: Sized, word: str) -> str:
    return f"{len(things)} {word}" + ("" if len(things) == 1 else "s")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("name at least one reader")
    return names


def _whole(low: int, high: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdigit() or len(text) > 20 or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return int(text)

    return number


def _side(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 50 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a length from 50 to 1000 mm")
    return value
