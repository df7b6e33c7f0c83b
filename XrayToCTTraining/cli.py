"""Command line of the training package: ``python -m XrayToCTTraining``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from XrayToCTLib.errors import XrayToCTError

DOMAINS = ("drr", "real-a", "real-b")

EXAMPLES = """examples:
  python -m XrayToCTTraining simulate runs/cohort --patients 640 --atlas chest.nii.gz --workers 2
  python -m XrayToCTTraining fit generator runs/cohort --run runs/generator --steps 2000
  python -m XrayToCTTraining fit ct-classifier runs/cohort --run runs/classifier --generator runs/generator
  python -m XrayToCTTraining evaluate runs/cohort --run runs/generator
  python -m XrayToCTTraining export runs/cohort --generator runs/generator --classifier runs/classifier --out weights
"""


def _parser() -> argparse.ArgumentParser:
    def command(group: Any, name: str, summary: str) -> argparse.ArgumentParser:
        return group.add_parser(name, help=summary, description=summary)

    parser = argparse.ArgumentParser(
        prog="python -m XrayToCTTraining",
        description="Simulate chests, and train and export the networks of XrayToCT.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = command(commands, "simulate", "write a cohort of simulated patients (resumes where it stopped)")
    simulate.add_argument("out", type=Path, help="folder of the cohort")
    simulate.add_argument("--patients", type=int, default=640)
    simulate.add_argument("--seed", type=int, default=0)
    simulate.add_argument("--size", type=int, default=128, help="voxels along each side")
    simulate.add_argument("--side-mm", type=float, default=320.0, help="physical side of the volume")
    simulate.add_argument("--domain", choices=DOMAINS, default="drr", help="style of the radiographs")
    simulate.add_argument("--atlas", type=Path, action="append", default=[], help="a real chest CT to warp; repeatable")
    simulate.add_argument("--workers", type=int, default=1)

    fit = command(commands, "fit", "train a network (`fit --help` lists them)")
    fit.add_argument("words", nargs=argparse.REMAINDER)

    evaluate = command(commands, "evaluate", "print the metrics of a generator on a split of a cohort")
    evaluate.add_argument("cohort", type=Path)
    evaluate.add_argument("--run", type=Path, required=True, help="run of the generator")
    evaluate.add_argument("--split", choices=("training", "validation", "test"), default="test")
    evaluate.add_argument("--ct", type=Path, help="a real CT to evaluate on as well")

    export = command(commands, "export", "write weights (safetensors) and model cards for the runtime")
    export.add_argument("cohort", type=Path)
    export.add_argument("--generator", type=Path, required=True, help="run of the generator")
    export.add_argument("--classifier", type=Path, required=True, help="run of the classifier")
    export.add_argument("--ct", type=Path, help="a real CT, unseen in training, to evaluate on as well")
    export.add_argument("--out", type=Path, required=True)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 2 wrong usage, 3 unsuitable input, 130 cancelled."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words[:1] == ["fit"]:
            from XrayToCTTraining.fit_cli import fit

            fit(words[1:])
            return 0
        options = _parser().parse_args(words)
        from XrayToCTTraining import commands

        getattr(commands, options.command)(options)
    except XrayToCTError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Cancelled; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0
