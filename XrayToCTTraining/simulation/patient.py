"""The simulated patient: a CT whose anatomy, class and lesions are known.

Axis order everywhere in this package: (D, H, W) = anterior to posterior, superior to inferior, patient right to left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

Label = Literal["healthy", "sick", "tb"]
LABELS: tuple[Label, ...] = get_args(Label)
AIR_HU = -1000.0


@dataclass(frozen=True)
class Lesion:
    """One planted finding.

    ``kind`` is one of ``lesions.KINDS[label]``; ``size_mm`` is the diameter of the ball of the same volume (for
    ``miliary`` the mean diameter of a single nodule, for ``hilar_nodes`` that of the largest node); ``centre`` is the
    centroid as voxel indices (D, H, W).
    """

    kind: str
    size_mm: float
    centre: tuple[float, float, float]


@dataclass(frozen=True)
class Patient:
    """A CT volume with its truth.

    ``hu``: float32 (D, H, W), Hounsfield units. ``masks``: boolean (D, H, W) arrays by name: at least ``body``,
    ``lungs`` (with their lesions and effusions, without the trachea), ``bone`` and ``heart``. ``lesion_numbers``:
    uint8 (D, H, W), n in the voxels of the n-th of ``lesions`` (where two overlap, of the later), else 0. ``size_mm``:
    physical extent along (D, H, W).
    """

    hu: np.ndarray
    masks: dict[str, np.ndarray]
    lesion_numbers: np.ndarray
    label: Label
    size_mm: tuple[float, float, float]
    lesions: tuple[Lesion, ...] = field(default=())

    @property
    def lesion(self) -> np.ndarray:
        """Everything diseased, boolean (D, H, W)."""
        return self.lesion_numbers > 0
