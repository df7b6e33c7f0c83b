"""The radiograph of a simulated patient, as a real device would give it.

Geometry and appearance are kept apart. :class:`Placement` says where a structure lands on the film; it is for pictures
whose CT need not lie under them pixel by pixel. :class:`Style` changes grey values only, so it is free to be as wild as
devices are where radiograph and CT are a training pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.projection import BONE_PER_MM, Geometry, attenuation_from_hu, cone_beam_projection
from XrayToCTTraining.simulation.worn_objects import burn_in_letters, worn_thickness


@dataclass(frozen=True)
class Placement:
    """How patient, source and film stood to each other, against the nominal geometry.

    Attributes:
        tilt_degrees: the film shows the patient turned by this angle, clockwise as displayed.
        distance: source distances as a multiple of the nominal ones; the field at the isocentre stays the same.
        source_offset_mm: of the source from the central ray: (down, to the patient's left).
        corners: how far each corner lies off a rectangle, (4, 2) as (right, down), in shares of the side (top left, top
            right, bottom right, bottom left): what straightening a photographed film leaves.
    """

    tilt_degrees: float = 0.0
    distance: float = 1.0
    source_offset_mm: tuple[float, float] = (0.0, 0.0)
    corners: tuple[tuple[float, float], ...] = ((0.0, 0.0),) * 4


@dataclass(frozen=True)
class Style:
    """How a device turns line integrals into grey values. Lengths are shares of the picture's width.

    Attributes:
        bone: attenuation of cortical bone as a multiple of its value at 60 keV (softer beams: larger).
        scatter: of scattered to primary radiation behind the whole patient (a good grid: 0.1, none: 1 and more).
        quanta: detected in one pixel of the open beam; infinite: no noise.
        heel: how much the beam's logarithm falls across the picture, along ``heel_degrees`` (0: to the right).
        blur: standard deviation of detector and focus.
        window: percentiles of the logarithmic signal that become 0 and 1; (0, 100) of a clean picture: 0 and maximum.
        fog: light that a film shows everywhere, as a share of the open beam.
        film: slope of the S-shaped curve of film or of a display (0: linear in the logarithm); ``film_middle``: the
            signal in the middle of that curve, 0 to 1 of the window.
        gamma: exponent of the grey values.
        detail: gain of structures below 3 % of the width, ``equalising`` of those below 15 % (multi-scale processing).
        margins: (top, bottom, left, right) of the collimator, and ``margin_grey``: their grey value.
        letters: markers and lines of text; objects: things worn (buttons, chain, leads).
        vignette: loss of light in the corners, ``glare``: of a reflection, both of a photographed film.
        coarseness: size of a pixel of the recorded picture; smaller ones than ours change nothing.
    """

    bone: float = 1.0
    scatter: float = 0.0
    quanta: float = math.inf
    heel: float = 0.0
    heel_degrees: float = 0.0
    blur: float = 0.0
    window: tuple[float, float] = (0.0, 100.0)
    fog: float = 0.0
    film: float = 0.0
    film_middle: float = 0.5
    gamma: float = 1.0
    detail: float = 0.0
    equalising: float = 0.0
    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    margin_grey: float = 0.0
    letters: int = 0
    objects: int = 0
    vignette: float = 0.0
    glare: float = 0.0
    coarseness: float = 0.0


CLEAN = Style()
NOMINAL = Placement()


def acquire(
    hu: Tensor, geometry: Geometry, style: Style, rng: np.random.Generator, placement: Placement = NOMINAL
) -> Tensor:
    """The radiograph of a CT.

    Args:
        hu: (N, 1, D, H, W) Hounsfield units.
        geometry: the nominal one. rng: places of letters and objects, and noise.

    Returns:
        (N, 1, rows, columns) in [0, 1], bone bright; with :data:`CLEAN` the line integrals over their maximum.
    """
    line = project(hu, geometry, style.bone, placement)
    return develop(line, style, rng)


def project(hu: Tensor, geometry: Geometry, bone: float = 1.0, placement: Placement = NOMINAL) -> Tensor:
    """Line integrals (N, 1, rows, columns) of Hounsfield units (N, 1, D, H, W) under a placement."""
    attenuation = attenuation_from_hu(hu, bone_per_mm=BONE_PER_MM * bone)
    if any(placement.source_offset_mm):
        attenuation = _under_shifted_source(attenuation, geometry, placement.source_offset_mm)
    if placement.distance != 1:
        geometry = replace(
            geometry,
            source_to_axis_mm=geometry.source_to_axis_mm * placement.distance,
            source_to_detector_mm=geometry.source_to_detector_mm * placement.distance,
        )
    line = cone_beam_projection(attenuation, geometry)
    if placement.tilt_degrees or any(map(any, placement.corners)):
        line = _turned(line, placement.tilt_degrees, placement.corners)
    return line


def develop(line: Tensor, style: Style, rng: np.random.Generator) -> Tensor:
    """Grey values in [0, 1] of line integrals, both (N, 1, rows, columns)."""
    if style == CLEAN:
        return line / line.amax((2, 3), keepdim=True).clamp_min(1e-6)
    width = line.shape[-1]
    if style.objects:
        line = line + worn_thickness((line.shape[2], width), style.objects, rng).to(line)
    signal = -torch.log(_detected(line, style, rng))
    if style.blur * width > 0.1:
        signal = _blurred(signal, style.blur * width)
    for gain, radius in ((style.detail, 0.012), (style.equalising, 0.06)):
        if gain:
            signal = signal + gain * (signal - _blurred(signal, radius * width))
    grey = _tone(signal, style)
    grey = _photographed(grey, style, rng)
    grey = _collimated(grey, style.margins, style.margin_grey)
    return burn_in_letters(grey, style.letters, rng) if style.letters else grey


def _detected(line: Tensor, style: Style, rng: np.random.Generator) -> Tensor:
    """What the detector counts, as a share of the open beam, always positive."""
    if style.heel:
        angle = math.radians(style.heel_degrees)
        across, down = (torch.linspace(-0.5, 0.5, n, dtype=line.dtype, device=line.device) for n in line.shape[:1:-1])
        line = line + style.heel * (math.cos(angle) * across + math.sin(angle) * down[:, None])
    primary = torch.exp(-line)
    beam = primary
    if style.scatter:
        # Scatter comes from wherever the patient is lit and shielded by what is around: a broad blur of the transmitted
        # beam in the logarithm, where a plain blur would let the open beam beside the patient outshine everything.
        beam = primary + style.scatter * torch.exp(-_blurred(line, line.shape[-1] / 10))
    if style.fog:
        beam = beam + style.fog
    if math.isfinite(style.quanta):
        noise = torch.from_numpy(rng.standard_normal(tuple(beam.shape), dtype=np.float32)).to(beam)
        beam = beam + noise * torch.sqrt(beam / style.quanta)  # Poisson's, for large numbers
    return beam.clamp_min(1e-6)


def _tone(signal: Tensor, style: Style) -> Tensor:
    """The signal through window, film curve and gamma, in [0, 1]."""
    shares = torch.tensor(style.window, dtype=signal.dtype, device=signal.device) / 100
    low, high = torch.quantile(signal.flatten(1), shares, dim=1)[..., None, None, None]
    grey = ((signal - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    if style.film:
        ends = torch.tensor([0.0, 1.0], dtype=signal.dtype, device=signal.device)
        first, last = torch.sigmoid(style.film * (ends - style.film_middle))
        grey = ((torch.sigmoid(style.film * (grey - style.film_middle)) - first) / (last - first)).clamp(0, 1)
    return grey**style.gamma


def _photographed(grey: Tensor, style: Style, rng: np.random.Generator) -> Tensor:
    """Vignette, a reflection, and coarse pixels."""
    if style.vignette or style.glare:
        rows, columns = (torch.linspace(-1, 1, n, dtype=grey.dtype, device=grey.device) for n in grey.shape[2:])
        grey = grey * (1 - style.vignette * (rows[:, None] ** 2 + columns**2) / 2)
        row, column, size = rng.uniform(-0.8, 0.8), rng.uniform(-0.8, 0.8), rng.uniform(0.1, 0.5)
        spot = torch.exp(-((rows[:, None] - row) ** 2 + (columns - column) ** 2) / (2 * size**2))
        grey = grey + style.glare * spot * (1 - grey)
    if style.coarseness * grey.shape[-1] > 1:
        small = [max(8, round(n / (style.coarseness * grey.shape[-1]))) for n in grey.shape[2:]]
        small_picture = F.interpolate(grey, small, mode="bilinear", antialias=True)
        grey = F.interpolate(small_picture, grey.shape[2:], mode="bilinear")
    return grey


def _collimated(grey: Tensor, margins: tuple[float, float, float, float], value: float) -> Tensor:
    """One grey value in the margins (top, bottom, left, right)."""
    if not any(margins):
        return grey
    rows, columns = grey.shape[2:]
    top, bottom, left, right = (round(m * n) for m, n in zip(margins, (rows, rows, columns, columns), strict=True))
    framed = torch.full_like(grey, value)
    inside = (..., slice(top, rows - bottom), slice(left, columns - right))
    framed[inside] = grey[inside]
    return framed


def _under_shifted_source(attenuation: Tensor, geometry: Geometry, offset_mm: tuple[float, float]) -> Tensor:
    """The volume, sheared so that the central source sees what a source off the central ray sees of the original.

    A ray from the source at offset o to a detector point u passes the plane at distance t from the source in
    u t / SID + o (1 - t / SID): the nominal point plus a shift that is the same for the whole coronal slice.
    """
    depth, height, width = attenuation.shape[2:]
    depth_mm, height_mm, width_mm = geometry.volume_mm
    behind = (torch.arange(depth, dtype=attenuation.dtype) - (depth - 1) / 2) * (depth_mm / depth)
    from_source = geometry.source_to_axis_mm + (-behind if geometry.view == "PA" else behind)
    share = 1 - from_source / geometry.source_to_detector_mm
    theta = torch.eye(2, 3, dtype=attenuation.dtype).repeat(depth, 1, 1)
    theta[:, 0, 2] = share * offset_mm[1] * 2 / width_mm
    theta[:, 1, 2] = share * offset_mm[0] * 2 / height_mm
    grid = F.affine_grid(theta, [depth, 1, height, width], align_corners=False).to(attenuation)
    shifted = [F.grid_sample(v[:, None], grid, align_corners=False, padding_mode="border") for v in attenuation[:, 0]]
    return torch.stack(shifted).transpose(1, 2)


def _turned(picture: Tensor, degrees: float, corners: tuple[tuple[float, float], ...]) -> Tensor:
    """The picture turned clockwise, then pulled at its corners; edges are continued."""
    rows, columns = picture.shape[2:]
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], dtype=np.float64)
    homography = _homography(square + 2 * np.array(corners), square)  # from the picture we see to the film
    angle = math.radians(degrees)
    down, across = np.meshgrid(
        (np.arange(rows) + 0.5) * 2 / rows - 1, (np.arange(columns) + 0.5) * 2 / columns - 1, indexing="ij"
    )
    points = np.stack([across, down, np.ones_like(down)], -1) @ homography.T
    x, y = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
    ratio = columns / rows  # so that a picture that is not square is turned and not sheared
    turned = np.stack(
        [math.cos(angle) * x + math.sin(angle) * y / ratio, -math.sin(angle) * x * ratio + math.cos(angle) * y], -1
    )
    grid = torch.from_numpy(turned).to(picture)[None].expand(len(picture), -1, -1, -1)
    return F.grid_sample(picture, grid, align_corners=False, padding_mode="border")


def _homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) that takes four points (4, 2) to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1).reshape(3, 3)


def _blurred(image: Tensor, sigma: float) -> Tensor:
    radius = min(int(3 * sigma) + 1, image.shape[-1] - 1, image.shape[-2] - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(image, (radius, radius, radius, radius), mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
