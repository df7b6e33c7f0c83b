"""What is on a radiograph beside the patient: metal that is worn, and letters that are burned in."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_FINER = 4  # drawn so many times finer, since Pillow draws without soft edges


def worn_thickness(shape: tuple[int, int], count: int, rng: np.random.Generator) -> Tensor:
    """Line integrals (rows, columns) of ``count`` things worn: rows of buttons, chains, leads with electrodes."""
    total = np.zeros(shape, dtype=np.float32)
    for maker in rng.choice(len(_WORN), count):
        drawing = Image.new("L", (shape[1] * _FINER, shape[0] * _FINER))
        _WORN[maker](ImageDraw.Draw(drawing), drawing.size, rng)
        total += _reduced(drawing) * np.float32(rng.uniform(0.4, 2.5))
    return torch.from_numpy(total)


def burn_in_letters(grey: Tensor, count: int, rng: np.random.Generator) -> Tensor:
    """A copy of pictures (N, 1, rows, columns) with ``count`` markers near their upper corners and sides.

    An R stands on the patient's right, which is displayed on the left, and an L on the other side.
    """
    rows, columns = grey.shape[2:]
    for _ in range(count):
        right = bool(rng.random() < 0.5)
        word = "R" if right else "L"
        if rng.random() < 0.4:
            word = str(rng.choice(("PORTABLE", "AP", "PA", "ERECT", "SUPINE", "12:40", "CHEST")))
        height = rows * float(rng.uniform(0.03, 0.06) if len(word) == 1 else rng.uniform(0.018, 0.03))
        mark = _written(word, max(4, round(height * _FINER)))
        mark = mark.rotate(float(rng.normal(0, 12)) if len(word) == 1 else 0.0, expand=True)
        drawing = Image.new("L", (columns * _FINER, rows * _FINER))
        middle = rng.uniform(0.02, 0.14) if right else rng.uniform(0.86, 0.98)
        left = int(np.clip(middle * drawing.width - mark.width / 2, 0, max(0, drawing.width - mark.width)))
        top = int(rng.uniform(0.01, 0.2 if rng.random() < 0.85 else 0.95) * (drawing.height - mark.height))
        drawing.paste(mark, (left, max(0, top)))
        alpha = torch.from_numpy(_reduced(drawing)).to(grey) * float(rng.uniform(0.7, 1))
        grey = grey + alpha * (1 - grey)
    return grey


def _written(word: str, height: int) -> Image.Image:
    font = _font(height)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(word))
    picture = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(picture).text((-left, -top), word, fill=255, font=font)
    return picture


@cache
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)


def _reduced(drawing: Image.Image) -> np.ndarray:
    return np.asarray(drawing.reduce(_FINER), dtype=np.float32) / 255


def _disc(draw: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, hollow: bool) -> None:
    box = [*(centre - radius), *(centre + radius)]
    if hollow:
        draw.ellipse(box, outline=255, width=max(1, round(radius * 0.4)))
    else:
        draw.ellipse(box, fill=255)


def _buttons(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    start, step = np.array([rng.uniform(0.4, 0.6), rng.uniform(0, 0.4)]), rng.uniform(0.1, 0.2)
    radius, hollow = rng.uniform(0.008, 0.016) * size[0], bool(rng.random() < 0.5)
    for turn in range(int(rng.integers(1, 5))):
        _disc(draw, (start + np.array([rng.normal(0, 0.004), turn * step])) * size, radius, hollow)


def _chain(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    along = np.linspace(-1, 1, 60)
    depth = rng.uniform(0.08, 0.4)
    points = np.stack([0.5 + rng.uniform(0.1, 0.2) * along, depth * (1 - along**2)], -1) * size
    draw.line([tuple(p) for p in points], fill=160, width=max(1, round(rng.uniform(0.003, 0.007) * size[0])))
    if rng.random() < 0.5:
        _disc(draw, points[30], 0.015 * size[0], True)


def _lead(draw: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    """A wire from an edge of the picture to an electrode on the chest."""
    end = rng.uniform((0.15, 0.15), (0.85, 0.8))
    start = np.array([float(rng.integers(2)), rng.uniform(0, 1)]) if rng.random() < 0.6 else rng.uniform((0, 1), (1, 1))
    bend = (start + end) / 2 + rng.normal(0, 0.15, 2)
    t = np.linspace(0, 1, 40)[:, None]
    points = ((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end) * size
    draw.line([tuple(p) for p in points], fill=200, width=max(1, round(rng.uniform(0.003, 0.006) * size[0])))
    _disc(draw, end * size, rng.uniform(0.008, 0.016) * size[0], bool(rng.random() < 0.6))


_WORN: tuple[Callable[[ImageDraw.ImageDraw, tuple[int, int], np.random.Generator], None], ...] = (
    _buttons,
    _chain,
    _lead,
    _lead,
)
