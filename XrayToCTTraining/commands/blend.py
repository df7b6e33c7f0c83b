"""``blend``: the weights of two stages mixed."""

import argparse
from pathlib import Path

from XrayToCTTraining.blending import blend_generators

EXAMPLES = """examples:
  %(prog)s runs/stage-1 runs/stage-2 --share 0.8 --run runs/blended
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, help="run of `fit reconstruction`, or a checkpoint of one")
    parser.add_argument("second", type=Path, help="the run that went on from it")
    parser.add_argument("--share", type=_share, required=True, help="of the second's weights, 0 to 1")
    parser.add_argument("--run", type=Path, required=True, help="folder of the new run")


def run(options: argparse.Namespace) -> None:
    print(blend_generators(options.first, options.second, options.share, options.run))


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return share
