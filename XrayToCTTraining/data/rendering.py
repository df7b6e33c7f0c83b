"""The digitally reconstructed radiograph (DRR) of a CT, as X2CT's preparation stores it."""

import numpy as np
import torch

from XrayToCTLib.projection import Geometry, attenuation_from_hu, cone_beam_projection


def rendered(hu: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Line integrals of a CT (D, H, W) in HU, divided by their maximum: (rows, columns) of ``geometry``, [0, 1]."""
    volume = torch.from_numpy(np.asarray(hu, np.float32))[None, None]
    line = cone_beam_projection(attenuation_from_hu(volume), geometry)[0, 0].numpy()
    return line / max(float(line.max()), 1e-6)
