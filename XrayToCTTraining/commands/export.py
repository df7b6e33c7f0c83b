"""``export``: a run as weights with a model card for the runtime, and as ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path

from XrayToCTTraining.export import export_run

EXAMPLES = """examples:
  %(prog)s runs/paper --name mine --out weights --data "LIDC-IDRI, 916 scans; TBX11K radiographs" \\
    --results results/reconstruction --results results/uncertainty --onnx
  xray-to-ct generate chest.dcm -o result --model weights/mine.safetensors

Checkpoints of the original networks (.pth) are imported by `xray-to-ct models import`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="folder of a training")
    parser.add_argument("--name", required=True, help="of the model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files")
    parser.add_argument("--data", required=True, help="a sentence on what it was trained on, for the card")
    parser.add_argument(
        "--results", type=Path, action="append", default=[], help="folder of `evaluate` for the card; repeatable"
    )
    parser.add_argument("--onnx", action="store_true", help="write an ONNX file too")


def run(options: argparse.Namespace) -> None:
    for path in export_run(options.run, options.name, options.out, options.data, options.results, options.onnx):
        print(path)
