"""Framing of a radiograph: frames and collimator margins off, then a square field without stretching."""

import numpy as np
from scipy import ndimage

# Frames are searched on a copy of about this many pixels a side: enough for a margin of a fifth of a percent.
_SEARCH_SIDE = 512
_TOLERANCE = 0.03
_DARK = 0.06
_WIDEST_LONE_MARGIN = 0.15
_PENUMBRA = 3  # percent of the length over which the edge of a collimator is blurred


def content_box(picture: np.ndarray) -> tuple[slice, slice]:
    """Find the part of a radiograph inside black or white frames and collimator margins.

    A side is cut only where whole lines show nothing but the frame's own grey level, letters in it aside. Where that
    level is not black, the frame must also end in a step along a straight line: opaque parts of a body fade, frames
    do not. A margin wider than 15 % then needs a frame at the opposite side too, lest an abdomen that a narrow window
    shows all white be taken for one. No side loses more than 45 % of the length.

    Args:
        picture: (H, W) in [0, 1], bone bright (air and frame may then both be black, and air may be cut).

    Returns:
        Slices of rows and columns.
    """
    step = max(1, min(-(-max(picture.shape) // _SEARCH_SIDE), min(picture.shape) // 32))
    search = picture[::step, ::step]
    top, bottom, left, right = 0, search.shape[0], 0, search.shape[1]
    for _ in range(4):  # a black frame may lie inside a white one
        view = search[top:bottom, left:right]
        if min(view.shape) < 16:
            break
        found = [_frame_lines(np.rot90(view, turns)) for turns in range(4)]  # top, right, bottom, left
        cuts = [0 if lines > widest and not found[side - 2][0] else lines for side, (lines, widest) in enumerate(found)]
        if not any(cuts):
            break
        top, right, bottom, left = top + cuts[0], right - cuts[1], bottom - cuts[2], left + cuts[3]
    height, width = picture.shape
    # Lines between two searched lines are kept: better a sliver of the frame than a line too few.
    return (
        slice(max(0, (top - 1) * step + 1), height if bottom == search.shape[0] else bottom * step),
        slice(max(0, (left - 1) * step + 1), width if right == search.shape[1] else right * step),
    )


def _frame_lines(view: np.ndarray) -> tuple[int, int]:
    """Number of lines at the top of ``view`` (H, W) that show a frame only.

    The second number is how many of them may go where the opposite side has no frame.
    """
    widest = int(0.45 * view.shape[0])
    level = float(np.median(view[0]))
    content = np.abs(view - level) > _TOLERANCE
    if content[0].mean() > 0.3:
        return 0, widest
    labels, count = ndimage.label(content)
    if count == 0:
        return 0, widest
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    body = (areas >= 0.005 * view.size)[labels]  # letters and specks are no body
    lines = np.flatnonzero(body.mean(axis=1) > 0.01)
    if lines.size == 0 or lines[0] > widest:
        return 0, widest
    first = int(lines[0])
    if level > _DARK:
        inside = view[min(first + 2 + _PENUMBRA * view.shape[0] // 100, view.shape[0] - 1)]
        if np.mean(np.abs(inside - level) > 0.1) < 0.6:
            return 0, widest
        widest = int(_WIDEST_LONE_MARGIN * view.shape[0])
    return first, widest


def square_field(pixels: np.ndarray, size: int, pixel_aspect: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """Resample a picture to a square, padded with 0 on both sides of its shorter direction, never stretched.

    Every output pixel is the mean of the picture over its own area (areas outside count as 0), so fine patterns do
    not alias and the sum is kept.

    Args:
        pixels: (H, W).
        size: side of the output in pixels.
        pixel_aspect: (height, width) of an input pixel, in any unit; only their ratio matters.

    Returns:
        (size, size) float32.
    """
    height, width = (count * side for count, side in zip(pixels.shape, pixel_aspect, strict=True))
    side = max(height, width)
    down = _area_weights(pixels.shape[0], side / pixel_aspect[0], size)
    across = _area_weights(pixels.shape[1], side / pixel_aspect[1], size)
    return (down @ pixels.astype(np.float32) @ across.T).astype(np.float32)


def _area_weights(count: int, extent: float, size: int) -> np.ndarray:
    """(size, count) shares of ``count`` unit pixels in ``size`` equal cells over a concentric interval ``extent``."""
    edges = np.linspace(-0.5, 0.5, size + 1) * extent + count / 2
    starts = np.arange(count)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return (np.maximum(overlap, 0) * (size / extent)).astype(np.float32)
