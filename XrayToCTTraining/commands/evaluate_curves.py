"""``evaluate curves``: a chart of a training's losses or figures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.pictures import write_png
from XrayToCTTraining.charts import line_chart
from XrayToCTTraining.checkpoints import LOG


def add_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("--run", type=Path, action="append", required=True, help="repeatable")
    own.add_argument("--figures", default="reconstruction", help="names in log.jsonl, separated by commas")
    own.add_argument("--linear", action="store_true", help="no logarithmic axis")
    own.add_argument("--out", type=Path, required=True, help="PNG file")


def run(options: argparse.Namespace) -> None:
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
