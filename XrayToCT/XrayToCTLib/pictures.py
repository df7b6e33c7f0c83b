"""Pictures of radiographs, volumes and their comparison: arrays in, 8-bit pictures out, PNG files with the notice.

Pictures are composed clean; the notice is burnt in once, by :func:`png_bytes`, so that nothing that the machine made
leaves as a file without it.
"""

from __future__ import annotations

import io
import math
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.comparison import difference_picture
from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE, WINDOWS
from XrayToCTLib.marking import SYNTHETIC_NOTICE
from XrayToCTLib.orientation import display_slice

FloatArray = NDArray[np.floating]
Picture = NDArray[np.uint8]  # (rows, columns) grey, or (rows, columns, 3) sRGB

#: How many slices of each plane a montage shows.
MONTAGE: Mapping[str, int] = MappingProxyType({"axial": 6, "coronal": 4, "sagittal": 4})


class SideLetters(NamedTuple):
    """The patient's side at each edge of a displayed slice: Right, Left, Anterior, Posterior, Head, Foot."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True)
class Overlay:
    """A map (D, H, W) to draw over slices of a volume: invisible at 0, yellow from ``limit`` on, in ``unit``."""

    values: FloatArray
    limit: float
    unit: str = ""


#: What `orientation.display_slice` puts at the edges.
SIDE_LETTERS: Mapping[str, SideLetters] = MappingProxyType(
    {
        "axial": SideLetters("R", "L", "A", "P"),
        "coronal": SideLetters("R", "L", "H", "F"),
        "sagittal": SideLetters("A", "P", "H", "F"),
    }
)

# The axis of (D, H, W) that a plane cuts, the axes that run down and across, and the letters at the cut axis's ends.
_AXES = {"axial": (1, 0, 2, "HF"), "coronal": (0, 1, 2, "AP"), "sagittal": (2, 1, 0, "RL")}
# The part of the volume's side over which a montage spreads its slices: the outer ones would show skin and air.
_SPREAD = {"axial": 0.56, "coronal": 0.4, "sagittal": 0.5}
_GAP = 4
_MAX_PIXELS = 64_000_000  # of a drawn picture; a distorted aspect ratio must not allocate without bound
_LETTERS, _LABELS, _NOTICE = (255, 214, 102), (200, 210, 220), (255, 214, 102)


def gray_picture(values: FloatArray) -> Picture:
    """Values (H, W), clipped to [0, 1], as 0 (black) to 255 (white).

    Raises ValueError: not two-dimensional, empty, or a value is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"a picture needs finite values (H, W), got shape {values.shape}")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def slice_picture(
    volume: FloatArray, plane: str, index: int | None = None, window: tuple[float, float] = WINDOWS["lung"]
) -> Picture:
    """One slice as a radiologist hangs it, see `orientation.display_slice`, a pixel a voxel.

    Args:
        volume: (D, H, W), network values in [0, 1], clip(HU + 1024, 0, 2500) / 2500.
        plane: axial, coronal or sagittal.
        index: along the axis that the plane cuts, from 0; None for the middle.
        window: level and width in HU. Grey is linear in between (DICOM PS3.3 C.11.2.1.3.2, LINEAR_EXACT).

    Returns:
        (rows, columns), 0 to 255.

    Raises:
        ValueError: another plane, an index outside, a width that is not positive, or values that are not finite.
    """
    volume = np.asarray(volume)
    if volume.ndim != 3:
        raise ValueError(f"a volume must be (D, H, W), got shape {volume.shape}")
    if plane not in _AXES:
        raise ValueError(f"plane must be axial, coronal or sagittal, not {plane!r}")
    size = volume.shape[_AXES[plane][0]]
    index = size // 2 if index is None else operator.index(index)
    if not 0 <= index < size:
        raise ValueError(f"{plane} slice {index} asked for, the volume has 0 to {size - 1}")
    level, width = window
    if not (math.isfinite(level) and 0 < width < math.inf):
        raise ValueError(f"a window needs a finite level and a positive width, got {window!r}")
    hu = np.asarray(display_slice(volume, plane, index), dtype=np.float64) * HU_RANGE - HU_OFFSET
    return gray_picture((hu - level) / width + 0.5)


def slice_grid(
    volume: FloatArray,
    side_mm: Sequence[float],
    counts: Mapping[str, int] = MONTAGE,
    window: tuple[float, float] = WINDOWS["lung"],
    width: int = 1200,
    overlay: Overlay | None = None,
) -> Picture:
    """A montage of evenly spread slices, a row a plane, with side letters, positions and the window drawn in.

    Args:
        volume: (D, H, W), network values in [0, 1].
        side_mm: physical sides (D, H, W); slices are drawn in true proportion.
        counts: number of slices of each plane, in the order of the rows.
        window: level and width in HU.
        width: columns of the montage; every row of slices fills it.
        overlay: a map of the volume's shape, drawn over it.

    Returns:
        (rows, width, 3), sRGB. Positions are distances from the volume's centre, with the letter of their side.

    Raises:
        ValueError: as `slice_picture`, no slices, or sides or a width that no picture can be drawn for.
    """
    if len(side_mm) != 3 or not all(0 < side < math.inf for side in side_mm):
        raise ValueError(f"sides must be three positive lengths in mm (D, H, W), got {side_mm!r}")
    if not counts or min(counts.values()) < 1:
        raise ValueError("a montage needs at least one slice of each plane named")
    if width < 64 * max(counts.values()):
        raise ValueError(f"{max(counts.values())} slices abreast do not fit into {width} pixels")
    if overlay is not None and overlay.values.shape != np.shape(volume):
        raise ValueError(f"an overlay of shape {overlay.values.shape} does not fit a volume of {np.shape(volume)}")
    rows = [
        _slice_row(np.asarray(volume), side_mm, plane, count, window, width, overlay) for plane, count in counts.items()
    ]
    return _stack(rows, width)


def side_by_side(
    radiograph: FloatArray, projection: FloatArray, difference: FloatArray, limit: float = 0.5, panel_width: int = 400
) -> Picture:
    """X-ray, projection and their difference beside each other, with captions, side letters and the colour scale.

    Args:
        radiograph: (H, W), in [0, 1], bone bright.
        projection: (H, W), in the radiograph's grey scale: `comparison.Comparison.matched`.
        difference: (H, W), projection minus radiograph; drawn by `comparison.difference_picture`.
        limit: the difference with the full colour.
        panel_width: columns of each of the three.

    Returns:
        (rows, 3 panel_width + gaps, 3), sRGB.

    Raises:
        ValueError: shapes that differ, values that are not finite, or a limit that is not positive.
    """
    shapes = {np.shape(radiograph), np.shape(projection), np.shape(difference)}
    if len(shapes) != 1:
        raise ValueError(f"radiograph, projection and difference must have one shape, got {sorted(shapes)}")
    pictures = (gray_picture(radiograph), gray_picture(projection), difference_picture(difference, limit))
    height = round(panel_width * pictures[0].shape[0] / pictures[0].shape[1])
    bar = max(22, panel_width // 14)
    canvas = _canvas(3 * panel_width + 2 * _GAP, height + 2 * bar)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=round(bar * 0.6))
    for number, (picture, caption) in enumerate(zip(pictures, ("X-ray", "Projection", "Difference"), strict=True)):
        left = number * (panel_width + _GAP)
        panel = _resized(picture, panel_width, height)
        _draw_letters(panel, SIDE_LETTERS["coronal"])
        canvas.paste(panel, (left, bar))
        draw.text((left + panel_width / 2, bar / 2), caption, _LABELS, font, anchor="mm")
    _draw_colour_scale(canvas, (2 * (panel_width + _GAP), bar + height, panel_width, bar), limit)
    return np.asarray(canvas)


def with_notice(picture: Picture, notice: str = SYNTHETIC_NOTICE) -> Picture:
    """The picture over a strip that bears the notice, in as many lines as it takes to stay legible.

    Args:
        picture: (rows, columns) or (rows, columns, 3), uint8.
        notice: what the strip says.

    Returns:
        The same kind of picture with more rows. One that is too narrow for the longest word is centred on more columns.

    Raises:
        ValueError: the picture is of another kind.
    """
    image = _image(picture)
    size = min(28.0, max(12.0, image.width / 48))
    font = ImageFont.load_default(size=size)
    margin = 6  # letters reach a little beyond their nominal length
    room = max(image.width, *(math.ceil(font.getlength(word)) + margin for word in notice.split()))
    lines: list[str] = []
    for word in notice.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= room - margin:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    line = math.ceil(1.5 * size)
    result = Image.new(image.mode, (room, image.height + line * len(lines)))
    result.paste(image, ((room - image.width) // 2, 0))
    draw = ImageDraw.Draw(result)
    for number, words in enumerate(lines):
        colour = _NOTICE if image.mode == "RGB" else 255
        draw.text((room / 2, image.height + line * (number + 0.5)), words, colour, font, anchor="mm")
    return np.asarray(result)


def png_bytes(picture: Picture, synthetic: bool = True, marks: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A picture (rows, columns) or (rows, columns, 3), uint8, as a PNG file.

    Unless ``synthetic`` is False, which is for the plain radiograph and for exact pixels, the notice is burnt in below
    and stands in the file's text chunk "Comment". ``marks`` go into text chunks of their names, burnt in or not. Raises
    ValueError: the picture is of another kind.
    """
    chunks = PngInfo()
    chunks.add_text("Software", "XrayToCT")
    if synthetic:
        notice = marks.get("XrayToCT.Notice", SYNTHETIC_NOTICE)
        chunks.add_text("Comment", notice)
        picture = with_notice(picture, notice)
    for key, value in marks.items():
        chunks.add_itxt(key, value)
    file = io.BytesIO()
    _image(picture).save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def write_png(
    path: str | os.PathLike[str],
    picture: Picture,
    synthetic: bool = True,
    marks: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write :func:`png_bytes` whole or not at all. Returns the path. Raises OSError, ValueError."""
    return write_bytes_atomically(path, png_bytes(picture, synthetic, marks))


def _image(picture: Picture) -> Image.Image:
    if picture.dtype != np.uint8 or not picture.size or not (picture.ndim == 2 or picture.shape[2:] == (3,)):
        raise ValueError(f"a picture must be uint8 (H, W) or (H, W, 3), got {picture.dtype} {picture.shape}")
    return Image.fromarray(np.ascontiguousarray(picture))


def _canvas(width: int, height: int) -> Image.Image:
    if not 0 < width * height <= _MAX_PIXELS:
        raise ValueError(f"a picture of {width} x {height} pixels cannot be drawn")
    return Image.new("RGB", (width, height))


def _resized(picture: Picture, width: int, height: int) -> Image.Image:
    _canvas(width, height)
    return _image(picture).convert("RGB").resize((width, height), Image.Resampling.BICUBIC)


def _stack(rows: Sequence[Image.Image], width: int) -> Picture:
    canvas = _canvas(width, sum(row.height + _GAP for row in rows) - _GAP)
    top = 0
    for row in rows:
        canvas.paste(row, (0, top))
        top += row.height + _GAP
    return np.asarray(canvas)


def _slice_row(
    volume: FloatArray,
    side_mm: Sequence[float],
    plane: str,
    count: int,
    window: tuple[float, float],
    width: int,
    overlay: Overlay | None,
) -> Image.Image:
    if plane not in _AXES:
        raise ValueError(f"plane must be axial, coronal or sagittal, not {plane!r}")
    cut, down, across, ends = _AXES[plane]
    # Borders in whole pixels, so that the tiles of a row fill its width to the last one.
    lefts = [round(number * (width + _GAP) / count) for number in range(count + 1)]
    height = max(1, round(((width + _GAP) / count - _GAP) * side_mm[down] / side_mm[across]))
    row = _canvas(width, height)
    size = volume.shape[cut] if volume.ndim == 3 else 0
    for number in range(count):
        part = 0.5 + _SPREAD[plane] * (number / (count - 1) - 0.5 if count > 1 else 0)
        index = min(int(part * size), size - 1)
        picture = slice_picture(volume, plane, index, window)
        if overlay is not None:
            picture = _painted(picture, display_slice(overlay.values, plane, index) / overlay.limit)
        tile = _resized(picture, lefts[number + 1] - _GAP - lefts[number], height)
        _draw_letters(tile, SIDE_LETTERS[plane])
        offset = round(((index + 0.5) / size - 0.5) * side_mm[cut])
        _draw_label(tile, f"{ends[offset > 0]} {abs(offset)} mm" if offset else "0 mm", "ls")
        if number == 0:
            scale = f"W {window[1]:g} / L {window[0]:g}"
            if overlay is not None:  # there is no room for both, and the colours are what the picture is for
                scale = f"yellow: {overlay.limit:g} {overlay.unit}".rstrip()
            _draw_label(tile, scale, "rs")
        row.paste(tile, (lefts[number], 0))
    return row


def _painted(grey: Picture, parts: FloatArray) -> Picture:
    """A grey picture (H, W) under colours from nothing at 0 over red to yellow at 1, as an sRGB picture."""
    share = np.clip(np.nan_to_num(parts), 0, 1)[..., None]
    colour = np.concatenate([np.full_like(share, 255), 230 * share, 30 * share], axis=-1)
    return np.rint((1 - 0.75 * share) * grey[..., None] + 0.75 * share * colour).astype(np.uint8)


def _draw_letters(tile: Image.Image, letters: SideLetters) -> None:
    font = ImageFont.load_default(size=min(22.0, max(11.0, tile.width / 15)))
    draw, margin = ImageDraw.Draw(tile), 4
    places = (
        ((margin, tile.height / 2), "lm"),
        ((tile.width - margin, tile.height / 2), "rm"),
        ((tile.width / 2, margin), "ma"),
        ((tile.width / 2, tile.height - margin), "md"),
    )
    for letter, (place, anchor) in zip(letters, places, strict=True):
        draw.text(place, letter, _LETTERS, font, anchor=anchor, stroke_width=1, stroke_fill=(0, 0, 0))


def _draw_label(tile: Image.Image, text: str, anchor: str) -> None:
    font = ImageFont.load_default(size=min(15.0, max(10.0, tile.width / 19)))
    place = (5 if anchor[0] == "l" else tile.width - 5, tile.height - 6)
    ImageDraw.Draw(tile).text(place, text, _LABELS, font, anchor=anchor, stroke_width=1, stroke_fill=(0, 0, 0))


def _draw_colour_scale(canvas: Image.Image, box: tuple[int, int, int, int], limit: float) -> None:
    """A bar of the difference's colours with its ends, in the box (left, top, width, height)."""
    left, top, width, height = box
    font = ImageFont.load_default(size=round(height * 0.5))
    bar_width, bar_height = width // 2, height // 3
    values = np.broadcast_to(np.linspace(-limit, limit, bar_width), (bar_height, bar_width))
    middle = top + height / 2
    canvas.paste(_image(difference_picture(values, limit)), (left + width // 4, round(middle - bar_height / 2)))
    draw = ImageDraw.Draw(canvas)
    draw.text((left + width // 4 - 6, middle), f"lower -{limit:g}", _LABELS, font, anchor="rm")
    draw.text((left + width // 4 + bar_width + 6, middle), f"+{limit:g} higher", _LABELS, font, anchor="lm")
