"""Classifiers beside the CT's: of the X-ray alone, and of X-ray and CT together, which is not shipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from XrayToCTLib.classifier import probabilities, temperature_of
from XrayToCTLib.devices import device_failures
from XrayToCTLib.evidence import CLASSIFIER_NAMES, classifier_batch, on_real_radiographs
from XrayToCTLib.joint_classifier import JointClassifier
from XrayToCTLib.marking import TB_NOTICE, class_words
from XrayToCTLib.models import installed, load_joint_classifier, load_xray_classifier
from XrayToCTLib.radiograph import Radiograph, network_input
from XrayToCTLib.xray_classifier import XrayClassifier

Scores = dict[str, float]


@dataclass(frozen=True)
class OtherClassifiers:
    """In evaluation mode, moved to a device when used; None where it is not installed. Temperatures: 1 without one.

    ``warnings``: what must stand beside their classes.
    """

    xray: XrayClassifier | None = None
    joint: JointClassifier | None = None
    xray_temperature: float = 1.0
    joint_temperature: float = 1.0
    warnings: tuple[str, ...] = ()


def load_other_classifiers() -> OtherClassifiers:
    """What there is of them on the search path.

    Raises:
        ModelError: a model is damaged.
    """
    xray, joint = installed("xray_classifier"), installed("joint_classifier")
    there = [info for info in (xray, joint) if info is not None]
    return OtherClassifiers(
        xray=load_xray_classifier(xray) if xray else None,
        joint=load_joint_classifier(joint) if joint else None,
        xray_temperature=(temperature_of(xray.metadata) if xray else None) or 1.0,
        joint_temperature=(temperature_of(joint.metadata) if joint else None) or 1.0,
        warnings=tuple(warning for info in there for warning in on_real_radiographs(info.kind, info.metadata)),
    )


def other_classes(
    others: OtherClassifiers,
    radiograph: Radiograph | None,
    image: np.ndarray,
    volume: np.ndarray,
    device: torch.device,
) -> dict[str, Scores | None]:
    """Probability by class of each of ``xray`` and ``joint``, None for one that is not installed.

    Args:
        radiograph: as it was read; None takes ``image``, (S, S) in [0, 1], the generator's input.
        volume: network values (D, H, W) that were generated from it.

    Raises:
        DeviceError: the device failed. UnsuitableInput: the volume is too small for the network.
    """

    def seen(size: int) -> torch.Tensor:
        pixels = image if radiograph is None else network_input(radiograph, size)
        return torch.from_numpy(pixels)[None, None].to(device)

    found: dict[str, Scores | None] = {"xray": None, "joint": None}
    with device_failures(device), torch.no_grad():
        if others.xray is not None:
            own = others.xray.config
            logits = others.xray.to(device)(seen(own.size)) / others.xray_temperature
            found["xray"] = dict(zip(own.classes, logits[0].softmax(0).tolist(), strict=True))
        if others.joint is not None:
            parts = others.joint.config
            logits = others.joint.to(device)(seen(parts.xray.size), classifier_batch(volume, device))
            scores = probabilities(parts.ct, logits, others.joint_temperature)[0].tolist()
            found["joint"] = dict(zip(parts.ct.classes, scores, strict=True))
    return found


def side_by_side_sentence(results: Mapping[str, Scores | None]) -> str:
    """The scores of ``ct``, ``xray`` and ``joint`` in words; "not installed" for a classifier that is not."""
    names = {name: CLASSIFIER_NAMES[f"{name}_classifier"] for name in results}
    parts = [f"{names[name][:1].upper()}{names[name][1:]}: {_in_words(scores)}." for name, scores in results.items()]
    return " ".join([*parts, TB_NOTICE])


def _in_words(scores: Scores | None) -> str:
    if scores is None:
        return "not installed"
    return "; ".join(f"{class_words(name)} {value:.2f}" for name, value in scores.items())
