"""Draw the network inputs of all radiographs below a folder on contact sheets, to look at them.

    python Testing/headless/contact_sheet.py FOLDER OUT.png [--side 96] [--columns 20] [--rows 8]

Writes OUT_0.png, OUT_1.png and so on, in the order of the sorted paths, and prints the files that were refused or
carry a warning about their grey scale.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.radiograph import network_input, read_radiograph


def draw_sheet(tiles: list[np.ndarray], columns: int) -> Image.Image:
    """One picture of (side, side) tiles in [0, 1], row by row, with a grey line between them."""
    side = tiles[0].shape[0] + 2
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * side, columns * side), 0.5, dtype=np.float32)
    for index, tile in enumerate(tiles):
        top, left = (index // columns) * side, (index % columns) * side
        sheet[top : top + side - 2, left : left + side - 2] = tile
    return Image.fromarray((sheet * 255).round().astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description="Contact sheets of the network inputs of all radiographs in a folder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, help="name of the PNG files; a number is added to it")
    parser.add_argument("--side", type=int, default=96, help="side of one radiograph in pixels")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rows", type=int, default=8)
    arguments = parser.parse_args()
    tiles = []
    for path in sorted(path for path in arguments.folder.rglob("*") if path.is_file() and path.suffix != ".csv"):
        try:
            radiograph = read_radiograph(path)
        except UnsuitableInput as error:
            print(error)
            continue
        for warning in radiograph.warnings:
            if "millimetres" not in warning:
                print(f"{path.name}: {warning}")
        tiles.append(network_input(radiograph, arguments.side))
    page = arguments.columns * arguments.rows
    for number, start in enumerate(range(0, len(tiles), page)):
        output = arguments.output.with_name(f"{arguments.output.stem}_{number}.png")
        draw_sheet(tiles[start : start + page], arguments.columns).save(output)
        print(output)


if __name__ == "__main__":
    main()
