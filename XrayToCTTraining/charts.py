"""Line charts and confusion matrices as pictures, drawn with Pillow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#1f5fa8", "#c8502a", "#2f8a4a", "#7a4fa0", "#8a6d1f", "#3a8f9a", "#a03a6a")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 460, 76, 44, 24, 56


def line_chart(
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    log_y: bool = False,
    limits: tuple[float, float, float, float] | None = None,
) -> np.ndarray:
    """Lines by name, each (x, y), as a picture (rows, columns, 3) uint8.

    ``limits``: x and y ranges (x0, x1, y0, y1); else those of the data. Values that are not finite, or not positive on
    a logarithmic axis, are left out.
    """
    data = {name: _usable(np.asarray(x, float), np.asarray(y, float), log_y) for name, (x, y) in lines.items()}
    if limits is None:
        xs, ys = (np.concatenate([pair[i] for pair in data.values()]) for i in (0, 1))
        limits = (xs.min(), xs.max(), ys.min() if log_y else min(0.0, ys.min()), ys.max() * 1.05)
    x0, x1, y0, y1 = limits
    scale = np.log10 if log_y else (lambda values: values)
    low, high = float(scale(np.float64(y0))), float(scale(np.float64(y1)))

    def place(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
        across = _LEFT + (x - x0) / max(x1 - x0, 1e-12) * (_WIDTH - _LEFT - _RIGHT)
        up = _HEIGHT - _BOTTOM - (scale(y) - low) / max(high - low, 1e-12) * (_HEIGHT - _TOP - _BOTTOM)
        return list(zip(across.tolist(), up.tolist(), strict=True))

    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    _axes(draw, title, x_label, y_label)
    for part in np.linspace(0, 1, 5):
        y = 10 ** (low + part * (high - low)) if log_y else y0 + part * (y1 - y0)
        ((_, height),) = place(np.array([x0]), np.array([y]))
        draw.line([(_LEFT, height), (_WIDTH - _RIGHT, height)], "#e4e4e4")
        draw.text((_LEFT - 6, height), f"{y:.3g}", "#333333", _font(13), anchor="rm")
        ((across, _),) = place(np.array([x0 + part * (x1 - x0)]), np.array([y0]))
        draw.text((across, _HEIGHT - _BOTTOM + 6), f"{x0 + part * (x1 - x0):.3g}", "#333333", _font(13), anchor="mt")
    for index, (x, y) in enumerate(data.values()):
        colour = COLOURS[index % len(COLOURS)]
        points = place(x, y)
        if len(points) > 1:
            draw.line(points, colour, 2)
    for index, name in enumerate(data):  # last, on white, so that no line runs through a name
        corner = (_WIDTH - _RIGHT - 10, _TOP + 10 + 20 * index)
        draw.rectangle(draw.textbbox(corner, name, _font(14), anchor="rt"), "white", "white", 4)
        draw.text(corner, name, COLOURS[index % len(COLOURS)], _font(14), anchor="rt")
    return np.asarray(image)


def confusion_picture(title: str, confusion: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Counts, rows true and columns predicted, as a picture (rows, columns, 3) uint8; shades by share of the row."""
    cell, margin = 96, 130
    side = margin + cell * len(classes)
    image = Image.new("RGB", (side + 20, side + 20), "white")
    draw = ImageDraw.Draw(image)
    draw.text((side / 2, 18), title, "black", _font(16), anchor="mm")
    draw.text((margin + cell * len(classes) / 2, 60), "predicted", "#333333", _font(14), anchor="mm")
    draw.text((12, 96), "true", "#333333", _font(14), anchor="lm")
    for i, name in enumerate(classes):
        draw.text((margin + cell * (i + 0.5), 96), name, "#333333", _font(14), anchor="mm")
        draw.text((margin - 10, margin + cell * (i + 0.5)), name, "#333333", _font(14), anchor="rm")
        for j in range(len(classes)):
            share = confusion[i, j] / max(int(confusion[i].sum()), 1)
            shade = tuple(int(255 - share * (255 - c)) for c in (31, 95, 168))
            box = (margin + cell * j, margin + cell * i, margin + cell * (j + 1), margin + cell * (i + 1))
            draw.rectangle(box, shade, "#ffffff", 2)
            ink = "white" if share > 0.5 else "black"
            middle = (margin + cell * (j + 0.5), margin + cell * (i + 0.5))
            draw.text(middle, str(int(confusion[i, j])), ink, _font(18), anchor="mm")
    return np.asarray(image)


def _usable(x: np.ndarray, y: np.ndarray, log_y: bool) -> tuple[np.ndarray, np.ndarray]:
    good = np.isfinite(x) & np.isfinite(y) & ((y > 0) | (not log_y))
    return x[good], y[good]


def _axes(draw: ImageDraw.ImageDraw, title: str, x_label: str, y_label: str) -> None:
    box = (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM)
    draw.rectangle(box, outline="#999999")
    draw.text((_WIDTH / 2, 20), title, "black", _font(17), anchor="mm")
    draw.text(((box[0] + box[2]) / 2, _HEIGHT - 14), x_label, "#333333", _font(14), anchor="mm")
    draw.text((_LEFT, _TOP - 8), y_label, "#333333", _font(14), anchor="ls")


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
