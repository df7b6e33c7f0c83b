"""The picture that shows how a training does: radiograph, projection, slices and truth of a few cases."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, radiograph_from_ct


def picture_grid(rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], geometry: Geometry) -> Tensor:
    """One row a case, (3, rows x S, 8 x S) in [0, 1].

    Columns: radiograph, projection of the prediction, then axial, coronal and sagittal middle slices of the prediction,
    then the same of the truth.

    Args:
        rows: radiograph (S, S), prediction and truth (S, S, S) in network values.
    """
    lines = []
    for radiograph, predicted, truth in rows:
        volume = torch.from_numpy(predicted)[None, None]
        projection = normalise(radiograph_from_ct(volume, geometry)[0, 0].numpy() + 1e-9 * radiograph)
        lines.append(np.hstack([radiograph, projection, *_slices(predicted), *_slices(truth)]))
    grey = torch.from_numpy(np.vstack(lines).astype(np.float32)).clamp(0, 1)
    return grey.expand(3, *grey.shape)


def _slices(volume: np.ndarray) -> list[np.ndarray]:
    """Axial (front up), coronal and sagittal (front left) slices through the middle."""
    middle = volume.shape[0] // 2
    return [volume[:, middle], volume[middle], volume[:, :, middle].T]
