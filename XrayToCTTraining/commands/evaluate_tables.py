"""``evaluate table``: evaluations side by side; ``evaluate document``: tables put into a page where it names them.

So that no figure of a page is typed by hand.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

import numpy as np

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTTraining.evaluation import GENERATOR
from XrayToCTTraining.statistics import bootstrap_interval
from XrayToCTTraining.tables import markdown_table

_BLOCK = re.compile(r"<!-- from (\S+) -->\n.*?<!-- end -->", re.DOTALL)


def add_table_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument(
        "--results",
        action="append",
        required=True,
        metavar="NAME=FOLDER[:METHOD]",
        help="of `evaluate`; its generator, or another method in its summary.csv; repeatable",
    )
    own.add_argument(
        "--paired",
        action="store_true",
        help="one more column: the first less the second over the cases of both, with a 95 %% interval",
    )
    own.add_argument("--figures", default="", help="names separated by commas (default: all of the first)")
    own.add_argument("--out", type=Path, required=True, help="Markdown file")


def add_document_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("page", type=Path)


def run_table(options: argparse.Namespace) -> None:
    """Prints the table and writes it: a row a figure, a column an evaluation, mean ± standard deviation over cases."""
    sources: dict[str, tuple[Path, str]] = {}
    for entry in options.results:
        name, _, rest = entry.partition("=")
        folder, _, method = rest.partition(":")
        sources[name] = Path(folder), method or GENERATOR
    columns = {name: _means(*source) for name, source in sources.items()}
    figures = options.figures.split(",") if options.figures else list(next(iter(columns.values())))
    for name, cells in columns.items():
        if missing := [figure for figure in figures if figure not in cells]:
            raise UnsuitableInput(f"{name} has no figure {missing[0]!r}; it has {', '.join(cells)}.")
    if options.paired:
        columns |= _differences(sources, figures)
    rows = [{"": figure, **{name: cells[figure] for name, cells in columns.items()}} for figure in figures]
    text = markdown_table(rows)
    write_bytes_atomically(options.out, text.encode())
    print(text)


def run_document(options: argparse.Namespace) -> None:
    """Renews each block ``<!-- from FILE --> ... <!-- end -->`` of a page by what the file holds, headings left out.

    FILE is relative to the folder in which the command runs.
    """
    page = options.page.read_text()
    text, count = _BLOCK.subn(lambda block: _block(block[1]), page)
    if not count:
        raise UnsuitableInput(f"{options.page} names no file; write <!-- from FILE --> and <!-- end --> where it goes.")
    write_bytes_atomically(options.page, text.encode())
    print(f"{options.page}: {count} tables")


def _differences(sources: dict[str, tuple[Path, str]], figures: list[str]) -> dict[str, dict[str, str]]:
    """A column of paired differences of the first two sources, by figure, headed by their names."""
    if len(sources) < 2:
        raise UnsuitableInput("--paired compares two evaluations; give --results twice.")
    (one, first), (other, second) = list(sources.items())[:2]
    above, below = _cases(*first), _cases(*second)
    if not (both := [case for case in above if case in below]):
        raise UnsuitableInput(f"{one} and {other} have no case in common; leave out --paired.")
    cells = {}
    for figure in figures:
        values = np.array([float(above[case][figure]) - float(below[case][figure]) for case in both])
        low, high = bootstrap_interval(values)
        cells[figure] = f"{np.nanmean(values):+.2g} ({low:+.2g} to {high:+.2g})"
    return {f"{one} less {other}": cells}


def _cases(folder: Path, method: str) -> dict[str, dict[str, str]]:
    """A method's figures by case."""
    rows = _rows(folder / "cases.csv", method, "leave out --paired, or evaluate again")
    return {row["case"]: row for row in rows}


def _means(folder: Path, method: str) -> dict[str, str]:
    rows = _rows(folder / "summary.csv", method, "give NAME=FOLDER of `evaluate`")
    if not rows:
        raise UnsuitableInput(f"{folder / 'summary.csv'} knows no method {method!r}; leave it out, or see the file.")
    return {row["figure"]: f"{float(row['mean']):.4g} ± {float(row['deviation']):.2g}" for row in rows}


def _rows(path: Path, method: str, advice: str) -> list[dict[str, str]]:
    """A method's rows of a file that an evaluation wrote; ``advice`` is for where it wrote none."""
    if not path.is_file():
        raise UnsuitableInput(f"{path.parent} holds no {path.name}; {advice}.")
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["method"] == method]


def _block(name: str) -> str:
    path = Path(name)
    if not path.is_file():
        raise UnsuitableInput(f"There is no {name}; run the commands of the page first.")
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# ")]
    content = "\n".join(lines).strip()
    return f"<!-- from {name} -->\n{content}\n<!-- end -->"
