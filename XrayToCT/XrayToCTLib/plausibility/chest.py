"""What the checks share: the body, the lungs and the spine of a volume, on a grid of 5 mm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE
from XrayToCTLib.orientation import network_point_to_lps
from XrayToCTLib.plausibility.lung_pieces import LungPiece, find_lungs

GRID_MM = 5.0
VOXEL_ML = GRID_MM**3 / 1000
MIN_SPINE_HU = 65.0
AIRWAY_HU = -500.0

_AIR_HU = -400.0
_TISSUE_HU = -350.0  # denser than this is body, lighter is air or lung
_CLOSING_MM = 20.0  # gaps up to twice this wide are bridged to find where the chest wall should be
_MARROW_HU = 300.0  # brighter tissue counts no more than this: contrast medium outshines the spine
_TISSUE = (_TISSUE_HU + HU_OFFSET) / HU_RANGE
_PADDING = 0.002  # network values below this are nothing, or the emptiest air


@dataclass(frozen=True)
class Lungs:
    """The two lungs: masks (D, H, W), and what the other checks measure from."""

    right: np.ndarray
    left: np.ndarray
    front: int  # first and last index along D, H; midpoint of the outer borders along W
    back: int
    top: int
    bottom: int
    middle: float

    @property
    def both(self) -> np.ndarray:
        return self.right | self.left


@dataclass(frozen=True)
class Spine:
    """Index along D and W of the densest column that runs along the lungs, and its density."""

    depth: int
    across: int
    hu: float


@dataclass(frozen=True)
class Face:
    """One side of what was scanned.

    reach_mm: over how many mm the body reaches it, in every row (H,); index: its place along D or W. On the grid.
    """

    name: str
    reach_mm: np.ndarray
    index: float


@dataclass(frozen=True)
class Chest:
    """What all checks share; arrays (D, H, W) on the 5 mm grid.

    hu: float32; body: tissue, the largest piece; inside: body with everything that its skin, gaps bridged, encloses;
    air: labels of the connected air spaces inside; pieces: lungs, largest first; faces: front, back, right, left;
    rows: first and last row that was scanned.
    """

    hu: np.ndarray
    body: np.ndarray
    inside: np.ndarray
    air: np.ndarray
    pieces: tuple[LungPiece, ...]
    lungs: Lungs | None
    spine: Spine | None
    faces: tuple[Face, ...]
    rows: tuple[int, int]

    @property
    def midline(self) -> float:
        """Index along W: the spine, where there is one near the middle of the lungs; else that middle."""
        assert self.lungs is not None
        return self.lungs.middle if self.spine is None else (self.lungs.middle + self.spine.across) / 2

    def place_mm(self, index: tuple[float, float, float]) -> tuple[float, float, float]:
        """LPS in mm from the volume's centre, of an index (D, H, W) of the grid."""
        d, h, w = ((i - (n - 1) / 2) * GRID_MM for i, n in zip(index, self.hu.shape, strict=True))
        return network_point_to_lps((d, h, w))


def measure(volume: np.ndarray, side_mm: tuple[float, float, float]) -> Chest:
    """Network values (D, H, W) of a body, and their extent in mm, to what the checks measure from."""
    clean = np.clip(np.nan_to_num(volume.astype(np.float32)), 0, 1)
    hu = _on_grid(clean, side_mm) * np.float32(HU_RANGE) - np.float32(HU_OFFSET)
    body = largest(hu > _TISSUE_HU)
    inside = _bridge(body)
    air, _ = ndimage.label(inside & (hu < _AIR_HU))
    pieces = find_lungs(hu, air, GRID_MM)
    lungs = _two_lungs(pieces)
    spine = _find_spine(hu, inside, lungs) if lungs else None
    faces, rows = _scanned(clean, side_mm, hu.shape)
    return Chest(hu, body, inside, air, pieces, lungs, spine, faces, rows)


def _on_grid(volume: np.ndarray, side_mm: tuple[float, float, float]) -> np.ndarray:
    """Resample (D, H, W) to the working grid; every voxel is the mean over its own extent."""
    for axis, side in enumerate(side_mm):
        count, target = volume.shape[axis], max(2, round(side / GRID_MM))
        edges = np.linspace(0, count, target + 1)[:, None]
        overlap = np.minimum(edges[1:], np.arange(1, count + 1)) - np.maximum(edges[:-1], np.arange(count))
        weights = (np.maximum(overlap, 0) * (target / count)).astype(np.float32)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return np.ascontiguousarray(volume)


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected piece of a mask."""
    labels, count = ndimage.label(mask)
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:])) if count else mask


def _bridge(body: np.ndarray) -> np.ndarray:
    """The body closed by a ball, then with the holes of each axial slice filled."""
    if not body.any():
        return body
    r = round(_CLOSING_MM / GRID_MM) + 1
    # Body goes on above and below the volume; at the other faces it ends.
    padded = np.pad(np.pad(body, ((r, r), (0, 0), (r, r))), ((0, 0), (r, r), (0, 0)), mode="edge")
    beyond = ndimage.distance_transform_edt(~padded, sampling=GRID_MM) > _CLOSING_MM
    if not beyond.any():
        return np.ones_like(body)
    closed = ndimage.distance_transform_edt(~beyond, sampling=GRID_MM) > _CLOSING_MM
    closed = closed[r:-r, r:-r, r:-r] | body
    return np.stack([_filled(closed[:, row]) for row in range(body.shape[1])], axis=1)


def _filled(plane: np.ndarray) -> np.ndarray:
    """An axial slice (D, W) without holes; between parts that are cut off at the same side is inside, too."""
    walled = np.pad(plane, ((0, 0), (1, 1)))
    for side, edge in ((0, plane[:, 0]), (-1, plane[:, -1])):
        reached = np.flatnonzero(edge)
        if reached.size:
            walled[reached[0] : reached[-1] + 1, side] = True
    return ndimage.binary_fill_holes(walled)[:, 1:-1]


def _two_lungs(pieces: tuple[LungPiece, ...]) -> Lungs | None:
    if len(pieces) < 2:
        return None
    right, left = sorted((piece.mask for piece in pieces[:2]), key=lambda mask: np.nonzero(mask)[2].mean())
    d, h, w = np.nonzero(right | left)
    front, back, top, bottom = (int(np.percentile(c, q)) for c in (d, h) for q in (1, 99))
    if back - front < 4 or bottom - top < 8:
        return None
    return Lungs(right, left, front, back, top, bottom, float(np.percentile(w, 1) + np.percentile(w, 99)) / 2)


def _find_spine(hu: np.ndarray, inside: np.ndarray, lungs: Lungs) -> Spine | None:
    """The most persistent dense column: a low percentile over the rows leaves out the heart, also with contrast."""
    dense = np.where(inside, np.clip(hu, 0, _MARROW_HU), 0)[:, lungs.top : lungs.bottom + 1]
    column = np.percentile(ndimage.gaussian_filter(dense, (3, 3, 2)), 20, axis=1)
    reach = round(45 / GRID_MM)
    start = max(0, round(lungs.middle) - reach)
    column = column[:, start : round(lungs.middle) + reach + 1]
    depth, across = np.unravel_index(int(np.argmax(column)), column.shape)
    peak = float(column[depth, across])
    return Spine(int(depth), int(across) + start, peak) if peak >= MIN_SPINE_HU else None


def _scanned(
    volume: np.ndarray, side_mm: tuple[float, float, float], shape: tuple[int, ...]
) -> tuple[tuple[Face, ...], tuple[int, int]]:
    """The faces of what was scanned, without the empty planes that make a cube of it, and its rows on the grid."""
    bounds = []
    for axis, count in enumerate(volume.shape):
        planes = np.flatnonzero((volume > _PADDING).any(axis=tuple(a for a in range(3) if a != axis)))
        bounds.append((int(planes[0]), int(planes[-1])) if planes.size else (0, count - 1))
    rows = ((np.arange(shape[1]) + 0.5) * volume.shape[1] / shape[1]).astype(int)
    faces = []
    for axis, across, names in ((0, 2, ("front", "back")), (2, 0, ("right side", "left side"))):
        (low, high), count = bounds[axis], volume.shape[axis]
        # The first plane beside padding may be padding in part.
        ends = min(low + (low > 0), high), max(high - (high < count - 1), low)
        step = side_mm[across] / volume.shape[across]
        for name, end in zip(names, ends, strict=True):
            plane = np.moveaxis(volume.take(end, axis), axis // 2, 0)[rows] > _TISSUE
            # From the first to the last tissue: lung that is cut off in between counts.
            reach = plane.shape[1] - np.argmax(plane, axis=1) - np.argmax(plane[:, ::-1], axis=1)
            place = (end + 0.5) * shape[axis] / count - 0.5
            faces.append(Face(name, np.where(plane.any(axis=1), reach * step, 0), place))
    scale = shape[1] / volume.shape[1]
    return tuple(faces), (math.ceil(bounds[1][0] * scale), max(0, int((bounds[1][1] + 1) * scale) - 1))
