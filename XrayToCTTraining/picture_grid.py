"""Pictures that show how a generator does: radiograph, projection, slices and truth of a few cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE
from XrayToCTLib.orientation import display_slice
from XrayToCTLib.pipeline import project
from XrayToCTLib.projection import Geometry

TILE = 192
PLANES = ("axial", "coronal", "sagittal")
LabelledRows = list[tuple[str, list[np.ndarray]]]
_WINDOW_HU = (-1000.0, 400.0)  # lungs and soft tissue in one picture


def picture_grid(rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], geometry: Geometry) -> Tensor:
    """One row a case, (3, rows x S, 8 x S) in [0, 1].

    Columns: radiograph, projection of the prediction, then axial, coronal and sagittal middle slices of the prediction,
    then the same of the truth.

    Args:
        rows: radiograph (S, S), prediction and truth (S, S, S) in network values.
    """
    lines = [
        np.hstack([radiograph, project(predicted, geometry), *middle_slices(predicted), *middle_slices(truth)])
        for radiograph, predicted, truth in rows
    ]
    grey = torch.from_numpy(np.vstack(lines).astype(np.float32)).clamp(0, 1)
    return grey.expand(3, *grey.shape)


def middle_slices(volume: np.ndarray) -> list[np.ndarray]:
    """Axial, coronal and sagittal slice through the middle of (S, S, S)."""
    return [display_slice(volume, plane, volume.shape[0] // 2) for plane in PLANES]


def windowed(volume: np.ndarray) -> np.ndarray:
    """Network values as grey values in [0, 1] of a window that shows lungs and soft tissue."""
    low, high = ((hu + HU_OFFSET) / HU_RANGE for hu in _WINDOW_HU)
    return np.clip((volume - low) / (high - low), 0, 1)


def labelled_grid(columns: Sequence[str], rows: LabelledRows) -> np.ndarray:
    """Grey tiles in [0, 1] with a heading over each column and a label over each row: (rows, columns, 3) uint8."""
    head, line = 26, 22
    image = Image.new("RGB", (TILE * len(columns), head + len(rows) * (TILE + line)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for i, name in enumerate(columns):
        draw.text((TILE * (i + 0.5), head / 2), name, "black", font, anchor="mm")
    for j, (label, tiles) in enumerate(rows):
        top = head + j * (TILE + line)
        draw.text((4, top + line / 2), label, "#333333", font, anchor="lm")
        for i, tile in enumerate(tiles):
            grey = Image.fromarray(np.rint(np.clip(tile, 0, 1) * 255).astype(np.uint8))
            image.paste(grey.resize((TILE, TILE), Image.Resampling.BILINEAR), (TILE * i, top + line))
    return np.asarray(image)
