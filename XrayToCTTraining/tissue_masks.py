"""Body, lungs and bone of a volume by thresholds: the same rule for the truth and for the prediction."""

import numpy as np
from scipy import ndimage

from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE

BODY_ABOVE_HU = -400.0
BONE_ABOVE_HU = 250.0


def tissue_masks(volume: np.ndarray) -> dict[str, np.ndarray]:
    """Boolean masks ``body``, ``lungs`` and ``bone`` of network values (D, H, W).

    The body is the largest piece denser than -400 HU, with the holes of each axial slice filled; the lungs are what is
    less dense inside it; bone is what is denser than 250 HU inside it.
    """
    hu = volume * HU_RANGE - HU_OFFSET
    dense = hu > BODY_ABOVE_HU
    pieces, count = ndimage.label(dense)
    if count > 1:
        dense = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    body = np.stack([ndimage.binary_fill_holes(dense[:, row]) for row in range(dense.shape[1])], axis=1)
    return {"body": body, "lungs": body & (hu <= BODY_ABOVE_HU), "bone": body & (hu > BONE_ABOVE_HU)}
