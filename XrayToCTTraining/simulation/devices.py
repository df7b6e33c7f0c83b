"""Devices: the random one of a training step, and those of the simulated hospitals.

The ranges of :func:`random_style` were set so that real films lie among the simulated ones after the reader's
normalisation: quantiles, energies of detail and borders of 480 real radiographs (NIH ChestX-ray14 and the COVID-19
Image Data Collection) at 128 x 128.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from XrayToCTTraining.simulation.acquisition import CLEAN, NOMINAL, Placement, Style

DOMAINS = ("drr", "real-a", "real-b")


def random_style(rng: np.random.Generator) -> Style:
    """A device drawn at random; three in ten are clean. Grey values only, so that a training pair stays aligned."""
    if rng.random() < 0.3:
        return CLEAN
    kind = rng.choice(3, p=(0.6, 0.25, 0.15))
    return (_digital, _film, _photograph)[kind](rng)


def device(domain: str, rng: np.random.Generator) -> tuple[Style, Placement]:
    """A device of a domain: ``drr`` is the nominal projection, ``real-a`` and ``real-b`` differ from it and each other.

    ``real-a``: a clinic with film: soft beam, scatter, S-shaped curve, blur and fog, letters; half of its films are
    photographed. ``real-b``: a ward with a digital detector: hard beam, strong multi-scale processing, noise of a low
    dose, leads, and a patient who lies a little askew under a portable tube.

    Raises:
        KeyError: an unknown domain.
    """
    return {"drr": lambda _: (CLEAN, NOMINAL), "real-a": _film_clinic, "real-b": _ward}[domain](rng)


def _digital(rng: np.random.Generator) -> Style:
    """A digital detector: logarithmic, windowed, with multi-scale processing."""
    return Style(
        bone=rng.uniform(0.55, 1.25),
        scatter=_log_uniform(rng, 0.02, 1.0),
        quanta=_log_uniform(rng, 3e5, 3e8),
        heel=abs(rng.normal(0, 0.25)),
        heel_degrees=rng.uniform(0, 360),
        blur=rng.uniform(0, 0.006),
        window=(_sometimes(rng, 0.6, 0, 6), 100 - _sometimes(rng, 0.5, 0, 5)),
        film=_sometimes(rng, 0.4, 1, 4),
        film_middle=rng.uniform(0.1, 0.6),
        gamma=math.exp(rng.normal(-0.4, 0.3)),
        detail=rng.uniform(0, 2.2),
        equalising=rng.uniform(0, 1.3),
        **_around(rng),
    )


def _film(rng: np.random.Generator) -> Style:
    """Film and screen: an S-shaped curve, fog, blur, uneven exposure."""
    return Style(
        bone=rng.uniform(0.8, 1.3),
        scatter=_log_uniform(rng, 0.1, 1.5),
        quanta=_log_uniform(rng, 1e5, 3e7),
        heel=abs(rng.normal(0, 0.4)),
        heel_degrees=rng.uniform(0, 360),
        blur=rng.uniform(0, 0.009),
        window=(rng.uniform(0, 6), 100 - rng.uniform(0, 6)),
        fog=_log_uniform(rng, 1e-4, 5e-3),
        film=rng.uniform(1.5, 5.5),
        film_middle=rng.uniform(0.15, 0.6),
        gamma=math.exp(rng.normal(-0.25, 0.25)),
        detail=rng.uniform(0, 1.2),
        equalising=rng.uniform(0, 0.5),
        **_around(rng),
    )


def _photograph(rng: np.random.Generator) -> Style:
    """A film photographed in front of a light box. Its perspective is the reader's business (``straighten_film``)."""
    return replace(
        _film(rng),
        vignette=rng.uniform(0, 0.5),
        glare=_sometimes(rng, 0.5, 0.05, 0.5),
        coarseness=rng.uniform(0.004, 0.013),
    )


def _film_clinic(rng: np.random.Generator) -> tuple[Style, Placement]:
    photographed = rng.random() < 0.5
    style = Style(
        bone=rng.uniform(1.0, 1.3),
        scatter=rng.uniform(0.1, 0.5),
        quanta=_log_uniform(rng, 1e6, 1e8),
        heel=rng.uniform(0.1, 0.5),
        heel_degrees=rng.uniform(60, 120),
        blur=rng.uniform(0.003, 0.006),
        window=(rng.uniform(0, 4), rng.uniform(97, 100)),
        fog=_log_uniform(rng, 1e-4, 1e-3),
        film=rng.uniform(1.5, 3.5),
        film_middle=rng.uniform(0.15, 0.35),
        detail=rng.uniform(0.2, 0.8),
        margins=_margins(rng),
        margin_grey=float(rng.random() < 0.3),
        letters=int(rng.integers(1, 3)),
        objects=int(rng.random() < 0.2),
        vignette=rng.uniform(0.1, 0.4) if photographed else 0.0,
        glare=rng.uniform(0.05, 0.3) if photographed else 0.0,
        coarseness=rng.uniform(0.006, 0.011) if photographed else 0.0,
    )
    corners = tuple((float(x), float(y)) for x, y in rng.normal(0, 0.008 if photographed else 0, (4, 2)))
    return style, _askew(rng, 1.0, corners)


def _ward(rng: np.random.Generator) -> tuple[Style, Placement]:
    style = Style(
        bone=rng.uniform(0.55, 0.8),
        scatter=rng.uniform(0.05, 0.4),
        quanta=_log_uniform(rng, 3e5, 5e6),
        heel=rng.uniform(0, 0.3),
        heel_degrees=rng.uniform(0, 360),
        blur=rng.uniform(0, 0.003),
        window=(rng.uniform(0, 3), 100.0),
        gamma=rng.uniform(0.7, 1.1),
        detail=rng.uniform(1.0, 2.5),
        equalising=rng.uniform(0.8, 1.6),
        margins=_margins(rng),
        letters=int(rng.integers(1, 3)),
        objects=int(rng.integers(0, 3)),
    )
    return style, _askew(rng, 2.0)


def _askew(
    rng: np.random.Generator, degrees: float, corners: tuple[tuple[float, float], ...] = NOMINAL.corners
) -> Placement:
    down, left = rng.normal(0, 15, 2)
    return Placement(
        tilt_degrees=float(np.clip(rng.normal(0, degrees), -5, 5)),
        distance=rng.uniform(0.9, 1.3),
        source_offset_mm=(float(down), float(left)),
        corners=corners,
    )


def _around(rng: np.random.Generator) -> dict[str, Any]:
    """Margins, letters and things worn; they are as frequent on digital pictures as on films."""
    margins, grey = (_margins(rng), float(rng.random() < 0.3)) if rng.random() < 0.3 else ((0.0,) * 4, 0.0)
    if rng.random() < 0.12:
        # A film that is not square is padded with black (``square_field``).
        band = rng.uniform(0, 0.15)
        margins, grey = ((band, band, 0.0, 0.0) if rng.random() < 0.7 else (0.0, 0.0, band, band)), 0.0
    return {
        "margins": margins,
        "margin_grey": grey,
        "letters": int(rng.choice(4, p=(0.3, 0.4, 0.2, 0.1))),
        "objects": int(rng.choice(4, p=(0.75, 0.13, 0.08, 0.04))),
    }


def _margins(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """What the reader leaves of a collimator's margin: mostly nothing, at most a few hundredths."""
    top, bottom, left, right = np.where(rng.random(4) < 0.4, rng.uniform(0, 0.05, 4), 0)
    return float(top), float(bottom), float(left), float(right)


def _sometimes(rng: np.random.Generator, share: float, low: float, high: float) -> float:
    return rng.uniform(low, high) if rng.random() < share else 0.0


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))
