"""The radiograph of a simulated patient: the projection, in the random grey-scale style of some device."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.projection import BONE_PER_MM, Geometry, attenuation_from_hu, cone_beam_projection


@dataclass(frozen=True)
class Style:
    """How a device turns line integrals into grey values.

    Attributes:
        bone: attenuation of cortical bone as a multiple of its value at 60 keV (softer beams: larger).
        curve: 0 gives the line integral, larger values ever more of the exponential film curve.
        gamma: exponent after scaling to [0, 1].
        blur_pixels: standard deviation of the detector's blur; noise: of white noise, in [0, 1] grey values.
        scatter: share of a broad blur that is added.
    """

    bone: float = 1.0
    curve: float = 0.0
    gamma: float = 1.0
    blur_pixels: float = 0.0
    noise: float = 0.0
    scatter: float = 0.0


CLEAN = Style()


def random_style(rng: np.random.Generator) -> Style:
    """A device drawn at random; one in four is clean."""
    if rng.random() < 0.25:
        return CLEAN
    return Style(
        bone=rng.uniform(0.6, 1.15),
        curve=rng.choice([0.0, rng.uniform(0.1, 0.5)]),
        gamma=float(np.exp(rng.uniform(-0.5, 0.6))),
        blur_pixels=rng.uniform(0, 0.8),
        noise=rng.uniform(0, 0.02),
        scatter=rng.uniform(0, 0.3),
    )


def device_style(domain: str, rng: np.random.Generator) -> Style:
    """A device of a domain: ``drr`` is clean; ``real-a`` and ``real-b`` differ from it, and from each other, in style.

    ``real-a``: a soft beam on film: strong film curve, bright, blurred, with scatter. ``real-b``: a hard beam on a
    noisy digital detector: dark, little bone contrast.

    Raises:
        KeyError: an unknown domain.
    """
    if domain == "drr":
        return CLEAN
    ranges = {
        "real-a": {
            "bone": (1.0, 1.2),
            "curve": (0.35, 0.5),
            "gamma": (0.6, 0.75),
            "blur": (0.6, 1.0),
            "noise": (0.0, 0.01),
        },
        "real-b": {
            "bone": (0.5, 0.7),
            "curve": (0.0, 0.1),
            "gamma": (1.5, 1.9),
            "blur": (0.0, 0.3),
            "noise": (0.015, 0.03),
        },
    }[domain]
    bone, curve, gamma, blur, noise = (
        rng.uniform(*ranges[name]) for name in ("bone", "curve", "gamma", "blur", "noise")
    )
    return Style(bone, curve, gamma, blur, noise, scatter=rng.uniform(0.15, 0.3) if domain == "real-a" else 0.0)


DOMAINS = ("drr", "real-a", "real-b")


def acquire(hu: Tensor, geometry: Geometry, style: Style, rng: np.random.Generator) -> Tensor:
    """Radiographs (N, 1, rows, columns), bone bright, in arbitrary grey values, of volumes ``hu`` (N, 1, D, H, W)."""
    line = cone_beam_projection(attenuation_from_hu(hu, bone_per_mm=BONE_PER_MM * style.bone), geometry)
    if style.scatter:
        line = line + style.scatter * (_blur(line, line.shape[-1] / 12) - line)
    if style.curve:
        line = (1 - torch.exp(-style.curve * line)) / style.curve
    image = (line / line.amax((2, 3), keepdim=True).clamp_min(1e-6)) ** style.gamma
    if style.blur_pixels > 0.1:
        image = _blur(image, style.blur_pixels)
    if style.noise:
        noise = rng.standard_normal(tuple(image.shape), dtype=np.float32)
        image = image + style.noise * torch.from_numpy(noise).to(image)
    return image


def _blur(image: Tensor, sigma: float) -> Tensor:
    radius = min(int(3 * sigma) + 1, image.shape[-1] - 1, image.shape[-2] - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device) / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(image, (radius, radius, radius, radius), mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
