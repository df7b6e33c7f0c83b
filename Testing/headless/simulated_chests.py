"""Simulated chests that several tests share."""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import ndimage

from XrayToCTTraining.simulation.habitus import random_habitus
from XrayToCTTraining.simulation.patient import Label, Patient
from XrayToCTTraining.simulation.phantom import simulate_chest

SEEDS = (0, 1, 2, 3)
SIZE = 64
SIDE_MM = 320.0


@lru_cache(maxsize=32)
def chest(seed: int, label: Label = "healthy", size: int = SIZE) -> Patient:
    return simulate_chest(seed, size, SIDE_MM, label)


def variant(seed: int, size: int = SIZE, **changes: Any) -> Patient:
    """A healthy chest with another habitus, all else (size, posture, texture) equal."""
    habitus = random_habitus(np.random.default_rng([seed, 1]))
    return simulate_chest(seed, size, SIDE_MM, habitus=replace(habitus, **changes))


def centroid(mask: np.ndarray) -> tuple[float, ...]:
    return tuple(float(c) for c in ndimage.center_of_mass(mask))
