"""What a file holds before it becomes a radiograph: the values, and what the file says about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from XrayToCTLib.errors import UnsuitableInput

if TYPE_CHECKING:  # a viewer that reads results does not need pydicom, and must not wait for it
    import pydicom

SMALLEST_SIDE = 64
LARGEST_PIXEL_COUNT = 100_000_000


@dataclass(frozen=True)
class RecordedImage:
    """A grey-scale picture as a viewer would display it, with what its file says.

    Attributes:
        values: (H, W) float32 in the file's own unit, row 0 at the top and column 0 at the left of the display.
        spacing_mm: (row, column) pixel spacing as recorded, or None.
        magnification: factor between the plane of ``spacing_mm`` and the patient, or None where nothing tells it.
        view: "PA" or "AP" where the file tells it, else None.
        polarity_known: True where a header says which end of the grey scale is bright, and ``values`` follow it.
        photographed: True where colour or a camera's tags show that the picture may be a photograph of a film.
        warnings: one sentence each.
        header: DICOM header without pixel data, or None.
    """

    values: np.ndarray
    spacing_mm: tuple[float, float] | None = None
    magnification: float | None = None
    view: str | None = None
    polarity_known: bool = False
    photographed: bool = False
    warnings: tuple[str, ...] = ()
    header: pydicom.Dataset | None = None


def unsuitable(path: Path, reason: str, remedy: str) -> UnsuitableInput:
    """The error for a file that cannot be used: one sentence that names the file, the reason and the remedy."""
    return UnsuitableInput(f"{path.name!r} {reason}; {remedy}.")


def unreadable(path: Path, kind: str) -> UnsuitableInput:
    """The error for a file of a known kind whose content cannot be decoded."""
    return unsuitable(path, f"is a damaged, truncated or unsupported {kind} file", "export the radiograph again")


def check_size(path: Path, rows: int, columns: int) -> None:
    """Refuse a picture by its size in pixels, before anything is decoded.

    Raises:
        UnsuitableInput: a side is under 64 pixels, or the picture has more than 100 megapixels.
    """
    if min(rows, columns) < SMALLEST_SIDE:
        raise unsuitable(
            path,
            f"is only {rows} x {columns} pixels",
            f"give a radiograph of at least {SMALLEST_SIDE} pixels on either side",
        )
    if rows * columns > LARGEST_PIXEL_COUNT:
        raise unsuitable(
            path, f"has {rows} x {columns} pixels, more than 100 megapixels", "give a smaller copy of the radiograph"
        )


def positive_spacing(row: float, column: float) -> tuple[float, float] | None:
    """The spacing (mm), or None where it is zero, negative, not finite or absurdly small or large."""
    return (row, column) if all(1e-3 <= side <= 100 for side in (row, column)) else None
