"""The text of a model card: limits first, then data, settings and figures, all from the run."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from XrayToCTLib.marking import TB_NOTICE

TITLES = {
    "generator": "Generator: one frontal chest radiograph to a CT volume",
    "ct_classifier": "CT classifier: healthy, sick or TB from a CT volume",
    "xray_classifier": "X-ray classifier: healthy, sick or TB from a radiograph",
    "joint_classifier": "Joint classifier: healthy, sick or TB from a radiograph and the CT volume made of it",
    "input_check": "Input check: frontal chest radiographs of adults, as displayed, told from other pictures",
    "style_transfer": "Style transfer: a real radiograph to the style of projections (CycleGAN)",
}
_PAINTED = (
    "Shape induction may paint parts of a real X-ray on the front of the chest wall, where the projection is easiest "
    "to match: stripes in sagittal slices, ribs in a coronal slice far in front, and a spine that is lost."
)
_SPREAD = (
    "Made consistent with the radiograph, the volume repeats the film along each ray, in whatever tissue lies there: "
    "shadows of ribs and vessels in front of and behind their place, thin spots in the chest wall. Agreement with the "
    "radiograph is forced, and no evidence that the volume is right; nor is a closed chest wall, for near the lungs "
    "tissue is kept from becoming air."
)
_SHARPENED = (
    "Part of what it learned is to look like a CT (adversarial loss): ribs, vertebrae and vessels may be drawn sharply "
    "where the radiograph does not tell where they lie. A sharp edge is no more certain than a blurred one."
)
_NO_MORE = "A generated volume does not hold more than its radiograph; small lesions do not survive generation."
_SHORTCUTS = "It may rest on shortcuts: wherever a class comes from one source only, it learns the source."
_PATIENTS = "The TB class was never validated by this project; what it means depends on the labels in the data."
LIMITS = {
    "generator": (
        "Depth is guessed from what the training chests have in common: vessels, fissures and small lesions are "
        "blurred or missing, ribs may lie in the wrong depth.",
        "A finding that is absent from the volume may well be present in the patient, and the reverse.",
        "Frontal chests of adults only; children, lateral views and other body parts give meaningless volumes.",
    ),
    "ct_classifier": (_NO_MORE, _SHORTCUTS),
    "xray_classifier": (_SHORTCUTS,),
    "joint_classifier": (_NO_MORE, _SHORTCUTS),
    "input_check": (
        "It knows the kinds of odd pictures that it was trained on, most of them made from frontal radiographs; other "
        "kinds, such as a hand or an abdomen, may pass.",
        "Lateral views and sections in training came from simulated patients; it has seen no real lateral view.",
        "It cannot tell children from adults; a header that records an age is believed.",
        "A heart on the right or a lung that is white may look mirrored or cropped to it; it warns and never refuses.",
    ),
    "style_transfer": (
        "It may remove findings from a radiograph, or add some: that is what Sizikova et al. 2022 found.",
    ),
}


def limits_of(kind: str, settings: dict[str, Any]) -> tuple[str, ...]:
    """Sentences on what a network of this kind, fitted with these settings, cannot do."""
    tb = _PATIENTS if settings.get("tb_from_patients") else TB_NOTICE
    learned: list[str] = []
    if kind == "generator":
        if settings.get("weights", {}).get("adversarial"):
            learned.append(_SHARPENED)
        if settings.get("consistency"):
            learned.append(_SPREAD)
        elif settings.get("induction_epochs"):
            learned.append(_PAINTED)
    return (tb, *learned, *LIMITS[kind])


def card_text(name: str, kind: str, limits: Sequence[str], settings: dict[str, Any], data: str, results: str) -> str:
    """Markdown.

    Args:
        limits: sentences, those of :func:`limits_of` among them.
        settings: of the fit. data: a sentence on what the network was trained on. results: tables, Markdown.
    """
    known_limits = "\n".join(f"- {sentence}" for sentence in limits)
    lines = "\n".join(f"- {key}: {json.dumps(value)}" for key, value in settings.items())
    figures = re.sub("^# ", "### ", results, flags=re.MULTILINE) if results else "Not evaluated.\n"
    return f"""# {name}

{TITLES[kind]}.

**Synthetic output: not for diagnostic use.**

## Limits and known failures
{known_limits}

## Data
{data}

## Training
{lines}

## Figures
{figures}"""
