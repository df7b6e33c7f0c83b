"""The command line: ``xray-to-ct``. Arguments, exit codes and what is printed; the work is done in :mod:`commands`."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from XrayToCTLib import __version__
from XrayToCTLib.errors import CANCELLED, CANCELLED_MESSAGE, XrayToCTError
from XrayToCTLib.options import DEVICES, FORMATS, INVERSIONS, MOST_STEPS, VIEWS, Reading
from XrayToCTLib.reader_study import command as study

EXAMPLES = {
    "": """examples:
  xray-to-ct generate chest.dcm -o result
  xray-to-ct generate folder_of_radiographs -o results --formats nrrd,dicom --json
  xray-to-ct check result/ct.nrrd
""",
    "generate": """examples:
  xray-to-ct generate chest.png -o result
  xray-to-ct generate chest.dcm -o result --formats nrrd,dicom,mrb,png --json
  xray-to-ct generate folder_of_radiographs -o results --anonymise --formats dicom,pdf
""",
    "project": """examples:
  xray-to-ct project ct.nrrd -o projection.png
  xray-to-ct project ct_folder -o drr.nrrd --kind drr --sad 1650 --sid 1800 --pixels 512 512 --size-mm 430 430
""",
    "compare": "example:\n  xray-to-ct compare chest.dcm result/ct.nrrd -o difference.png\n",
    "classify": "example:\n  xray-to-ct classify result/ct.nrrd -o saliency.nrrd --json\n",
    "check": "example:\n  xray-to-ct check result/ct.nrrd\n",
    "models": """examples:
  xray-to-ct models list
  xray-to-ct models show compact
  xray-to-ct models import 90_net_G.pth --name x2ct
  xray-to-ct models verify compact
""",
    "study": study.EXAMPLES,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 done, 2 wrong usage, 3 unsuitable input, 4 model, 5 device, 130 cancelled."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if wrong := _wrong_combination(options):
        parser.error(wrong)
    # A scheduler or a parent that ends this process gets the same clean-up as Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _run(options)
    except XrayToCTError as error:
        if options.debug:
            traceback.print_exc()
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(CANCELLED_MESSAGE, file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        print(
            f"Internal error ({type(error).__name__}: {error}); run again with --debug and report it.", file=sys.stderr
        )
        return 1


def _run(options: argparse.Namespace) -> int:
    if options.command == "study":  # without the seconds that torch takes to load
        return study.run_study(options)
    from XrayToCTLib import commands

    return commands.run(options)


def _wrong_combination(options: argparse.Namespace) -> str | None:
    """What is wrong with options that are right one by one."""
    if options.command == "generate" and (options.xray is None) == (options.network_input is None):
        return "generate needs either XRAY or --network-input X.npy"
    if options.command == "generate" and options.crop:
        try:
            Reading(crop=tuple(options.crop))
        except ValueError as error:
            return f"--crop: {error}"
    beam = ("sad", "sid", "pixels", "size_mm")
    if options.command == "project" and options.kind == "mean" and any(getattr(options, name) for name in beam):
        return "--sad, --sid, --pixels and --size-mm belong to --kind drr"
    return None


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xray-to-ct",
        description="A chest CT volume from one frontal chest radiograph. Synthetic: not for diagnostic use.",
        epilog=EXAMPLES[""],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"xray-to-ct {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_generate(commands)
    _add_project(commands)
    _add_compare(commands)
    for name, summary in (
        ("classify", "probability of healthy, sick and TB for a CT volume"),
        ("check", "anatomical plausibility of a CT volume"),
    ):
        command = _add(commands, name, summary)
        command.add_argument("ct", type=Path, metavar="CT", help="NRRD, NIfTI or MetaImage file, or a DICOM folder")
        command.add_argument("--json", action="store_true", help="print one JSON object")
        if name == "classify":
            command.add_argument(
                "-o", "--output", type=Path, metavar="OUT", help="where the classifier looked: .nrrd, .nii.gz or .mha"
            )
            _add_device(command)
    _add_models(commands)
    study.add_arguments(_add(commands, "study", "a blinded reader study: make one, follow it, evaluate it"))
    return parser


def _add(commands: argparse._SubParsersAction, name: str, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=EXAMPLES.get(name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--debug", action="store_true", help="show a traceback where something fails")
    return command


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=DEVICES, default="auto")


def _add_generate(commands: argparse._SubParsersAction) -> None:
    command = _add(
        commands, "generate", "a CT volume, its projection and a class from a radiograph, or a folder of them"
    )
    command.add_argument("xray", type=Path, metavar="XRAY", nargs="?", help="radiograph (DICOM, PNG, ...) or a folder")
    command.add_argument("--network-input", type=Path, metavar="X.npy", help="in place of XRAY: skip the preprocessing")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    command.add_argument("--model", metavar="NAME|FILE", help="default: the shipped model")
    _add_device(command)
    command.add_argument("--view", choices=VIEWS, help="default: the header's, else PA")
    command.add_argument("--invert", choices=INVERSIONS, default="auto", help="grey scale (default: auto)")
    command.add_argument("--flip", action="store_true", help="exchange left and right of the X-ray")
    command.add_argument(
        "--crop",
        type=float,
        nargs=4,
        metavar=("TOP", "BOTTOM", "LEFT", "RIGHT"),
        help="the part of the X-ray to keep, its edges as fractions from the upper left corner (all: 0 1 0 1)",
    )
    command.add_argument(
        "--refine",
        type=_count,
        default=0,
        metavar="STEPS",
        help="steps of shape induction on this X-ray, kept only where they do no harm (12 is a good number)",
    )
    command.add_argument(
        "--uncertainty",
        type=_samples,
        default=8,
        metavar="SAMPLES",
        help="volumes from which the expected error is estimated, 2 or more, or 0 for none (default: 8)",
    )
    command.add_argument(
        "--formats",
        type=_formats,
        default=("nrrd", "png"),
        metavar="LIST",
        help=f"comma-separated from {','.join(FORMATS)} (default: nrrd,png)",
    )
    command.add_argument(
        "--anonymise", action="store_true", help="keep nothing of the X-ray's header, dates and file name but geometry"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object (a folder: one a line)")


def _add_project(commands: argparse._SubParsersAction) -> None:
    command = _add(commands, "project", "the frontal projection of a CT volume")
    command.add_argument("ct", type=Path, metavar="CT")
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help=".png, .npy, .nrrd, .nii.gz or .mha"
    )
    command.add_argument("--kind", choices=("mean", "drr"), default="drr", help="coronal mean, or cone beam (default)")
    command.add_argument("--sad", type=_positive, metavar="MM", help="source to axis (default 541)")
    command.add_argument("--sid", type=_positive, metavar="MM", help="source to detector (default 949)")
    command.add_argument("--pixels", type=_side, nargs=2, metavar=("H", "W"), help="default 128 128")
    command.add_argument("--size-mm", type=_positive, nargs=2, metavar=("H", "W"), help="detector (default 500 500)")


def _add_compare(commands: argparse._SubParsersAction) -> None:
    command = _add(commands, "compare", "how well the projection of a CT volume matches a radiograph")
    command.add_argument("xray", type=Path, metavar="XRAY")
    command.add_argument("ct", type=Path, metavar="CT")
    command.add_argument(
        "-o", "--output", type=Path, metavar="OUT.png", help="picture of X-ray, projection and difference"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")


def _add_models(commands: argparse._SubParsersAction) -> None:
    command = _add(commands, "models", "list, show, import or verify models")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="the models that are found, and where").add_argument("--json", action="store_true")
    for name, summary in (
        ("show", "a model's card and facts"),
        ("verify", "check a model's file against its checksum"),
    ):
        actions.add_parser(name, help=summary).add_argument("model", metavar="NAME|FILE")
    importing = actions.add_parser("import", help="convert an original checkpoint (.pth)")
    importing.add_argument("checkpoint", type=Path)
    importing.add_argument("--name", required=True, help="name of the new model")
    importing.add_argument(
        "--force", action="store_true", help="import although its orientation could not be confirmed"
    )
    importing.add_argument(
        "--ct",
        type=Path,
        action="append",
        default=[],
        help="CT to check the orientation on (default: a simple phantom)",
    )


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"formats are {', '.join(FORMATS)}, not {text!r}")
    return names


def _samples(text: str) -> int:
    if (count := _count(text)) == 1:
        raise argparse.ArgumentTypeError("one volume has no spread; give 2 or more, or 0 for none")
    return count


def _count(text: str) -> int:
    if not text.isdigit() or int(text) > MOST_STEPS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {MOST_STEPS}")
    return int(text)


def _side(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 8192:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels from 1 to 8192")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


if __name__ == "__main__":
    sys.exit(main())
