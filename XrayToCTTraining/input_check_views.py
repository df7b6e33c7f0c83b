"""What the input check learns from, beside odd pictures: radiographs as stored, and views of simulated patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from XrayToCTLib.framing import square_field
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import acquired, geometry_of, volume_of

SIDE = 96  # of the pictures before they are changed
VOXELS = 64  # of the CTs that lateral views and sections are made of


@dataclass(frozen=True)
class Views:
    """What is made of simulated patients, each (n, SIDE, SIDE): frontal and lateral radiographs, sections of the CT."""

    frontal: np.ndarray
    lateral: np.ndarray
    sections: np.ndarray


def stored_pictures(cohort: Cohort, cases: tuple[Case, ...]) -> np.ndarray:
    """The radiographs of cases, (n, SIDE, SIDE) float32 in [0, 1]."""
    pictures = [square_field(cohort.radiograph(case) / 255, SIDE) for case in cases]
    return np.array(pictures, np.float32).reshape(-1, SIDE, SIDE)


def views_of(cohort: Cohort, cases: list[Case], rng: np.random.Generator) -> Views:
    """Frontal views clean and as some device gives them, lateral views from either side, and sections in any plane."""
    geometry = geometry_of(cohort, SIDE)
    frontal, lateral, sections = list(stored_pictures(cohort, tuple(cases))), [], []
    for case in cases:
        volume = volume_of(cohort, case, VOXELS)
        frontal.append(acquired(volume, geometry, rng)[0].numpy())
        lateral.append(acquired(lateral_view(volume, rng.random() < 0.5), geometry, rng)[0].numpy())
        sections.append(_section(volume[0].numpy(), rng))
    return Views(*(np.array(pictures, np.float32) for pictures in (frontal, lateral, sections)))


def lateral_view(volume: Tensor, from_right: bool) -> Tensor:
    """A volume (1, D, H, W) turned so that a frontal projection shows it from one side."""
    turned = volume.transpose(1, 3)
    return (turned.flip(3) if from_right else turned).contiguous()


def _section(volume: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A slice of a CT (S, S, S) in a window for lungs or for soft tissue, (SIDE, SIDE), in [0, 1]."""
    axis = int(rng.integers(3))
    section = np.take(volume, rng.integers(volume.shape[axis] // 3, 2 * volume.shape[axis] // 3), axis)
    low, high = (0.0, 0.6) if rng.random() < 0.5 else (0.34, 0.52)
    shown = np.clip((section if axis < 2 else section.T) - low, 0, high - low) / (high - low)
    return square_field(shown, SIDE)
