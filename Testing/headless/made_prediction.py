"""A prediction of the asymmetric body, made without any network (no tests here)."""

from pathlib import Path

import numpy as np

from asymmetric_body import asymmetric_body
from XrayToCTLib.classification import Saliency
from XrayToCTLib.comparison import compare
from XrayToCTLib.models import ModelInfo
from XrayToCTLib.pipeline import Prediction, project
from XrayToCTLib.plausibility import Check
from XrayToCTLib.projection import Geometry
from XrayToCTLib.radiograph import Radiograph
from XrayToCTLib.uncertainty import Uncertainty
from XrayToCTLib.volume import network_from_ct

SIDE = 64
SHA256 = "0123456789abcdef" * 4


def made_prediction(radiograph: Radiograph | None = None, source: Path = Path("chest.png")) -> Prediction:
    """At 64 voxels a side, with two checks and a warning."""
    volume = network_from_ct(asymmetric_body(), SIDE)
    geometry = Geometry(detector_pixels=(SIDE, SIDE))
    projection = project(volume, geometry)
    image = np.clip(projection + 0.1, 0, 1)
    return Prediction(
        source=source,
        radiograph=radiograph,
        network_input=image,
        model=ModelInfo(
            "chest-64", Path("chest-64.safetensors"), SHA256, "generator", {"size": SIDE}, geometry, {}, None
        ),
        device="cpu",
        geometry=geometry,
        size_is_nominal=True,
        output=volume,
        volume=volume,
        projection=projection,
        comparison=compare(image, projection),
        classes={"healthy": 0.25, "sick": 0.625, "tb": 0.125},
        checks=(
            Check("chest wall closed", True, 0.0, "No gap opens the lungs."),
            Check("two lungs", False, 1.0, "There is one lung."),
        ),
        refinement=None,
        uncertainty=Uncertainty(np.full((SIDE,) * 3, 120, np.float32), True, 8, 120.0, 120.0),
        warnings=("Sizes are nominal.", *(radiograph.warnings if radiograph else ())),
        seconds={"read": 0.1},
        findings={"cavity": 0.25, "effusion": 0.5},
        saliency=Saliency("sick", volume),
    )
