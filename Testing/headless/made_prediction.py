"""A prediction of the asymmetric body, made without any network (no tests here)."""

from pathlib import Path

import numpy as np

from asymmetric_body import asymmetric_body
from XrayToCTLib.comparison import compare
from XrayToCTLib.evidence import Evidence, WithoutSurroundings, Zone
from XrayToCTLib.models import ModelInfo
from XrayToCTLib.pipeline import Prediction, project
from XrayToCTLib.plausibility import Check
from XrayToCTLib.projection import Geometry
from XrayToCTLib.radiograph import Radiograph
from XrayToCTLib.uncertainty import Uncertainty
from XrayToCTLib.volume import network_from_ct

SIDE = 64
GEOMETRY = Geometry(detector_pixels=(SIDE, SIDE))
SHA256 = "0123456789abcdef" * 4


def made_prediction(
    radiograph: Radiograph | None = None, source: Path = Path("chest.png"), geometry: Geometry = GEOMETRY
) -> Prediction:
    """At 64 voxels a side, with two checks and a warning."""
    volume = network_from_ct(asymmetric_body(), SIDE)
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
        evidence=made_evidence(),
        other_classes={"xray": {"healthy": 0.5, "sick": 0.3, "tb": 0.2}, "joint": None},
    )


def made_evidence() -> Evidence:
    """Of a class that changes without what surrounds the lungs; the saliency rises from front to back."""
    depth = np.linspace(0, 1, SIDE, dtype=np.float32)
    return Evidence(
        classes={"healthy": 0.25, "sick": 0.625, "tb": 0.125},
        predicted="sick",
        temperature=1.5,
        logits={"healthy": 0.1, "sick": 1.5, "tb": -0.9},
        findings={"cavity": 0.25, "effusion": 0.5},
        saliency=np.broadcast_to(depth[:, None, None], (SIDE,) * 3).copy(),
        without_surroundings=WithoutSurroundings(0.3, 0.12, {"healthy": 0.7, "sick": 0.2, "tb": 0.1}, "healthy", False),
        zones={
            "right_upper": Zone(0.2, {"cavity": 0.2, "effusion": 0.1}),
            "left_lower": Zone(0.1, {"cavity": 0.05, "effusion": 0.4}),
        },
    )
