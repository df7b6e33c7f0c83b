"""Command line of the training package: ``python -m XrayToCTTraining``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from XrayToCTLib.errors import XrayToCTError

PROG = "python -m XrayToCTTraining"
COMMANDS = {
    "prepare": "bring CTs and radiographs from public data sets into the one format that trainings read",
    "simulate": "write a cohort of simulated patients (resumes where it stopped)",
    "fit": "train a network (resumes where it stopped)",
    "blend": "mix the weights of a generator before and after a fine-tuning",
    "evaluate": "figures, tables and charts of trained networks",
    "reproduce": "run a whole experiment of the paper and set its table beside ours",
    "export": "write weights and model cards for the runtime, or ONNX",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 done, 2 wrong usage, 3 unsuitable input, 4 model, 5 device, 130 cancelled."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] not in COMMANDS:
        return _overview(words)
    # only the module of the command at hand is imported: the others bring libraries that it may not need
    command = import_module(f"XrayToCTTraining.commands.{words[0]}")
    try:
        if words[0] == "fit":
            command.run(words[1:])
        else:
            command.run(_parser(words[0], command).parse_args(words[1:]))
    except XrayToCTError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Cancelled; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


def _parser(name: str, command: object) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROG} {name}",
        description=COMMANDS[name].capitalize() + ".",
        epilog=command.EXAMPLES,  # type: ignore[attr-defined]
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)  # type: ignore[attr-defined]
    return parser


def _overview(words: list[str]) -> int:
    """The list of commands; asked for, or because none of them was named."""
    is_wanted = words[:1] in (["-h"], ["--help"])
    lines = [f"usage: {PROG} COMMAND [options]", "", *(f"  {name:<11}{text}" for name, text in COMMANDS.items())]
    lines += ["", f"`{PROG} COMMAND --help` shows its options and examples."]
    print("\n".join(lines), file=sys.stdout if is_wanted else sys.stderr)
    return 0 if is_wanted else 2
