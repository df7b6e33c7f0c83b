"""What the classifier says of a volume: classes, findings, and where the evidence lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from XrayToCTLib.classifier import CTClassifier, classify, saliency
from XrayToCTLib.devices import device_failures
from XrayToCTLib.marking import TB_NOTICE
from XrayToCTLib.models import ModelInfo

CLASSIFIER_SIDE = 128  # voxels along each axis of the volumes that classifiers are trained on


@dataclass(frozen=True)
class Saliency:
    """Where the evidence for a class lies in a volume: (D, H, W) float32, from 0 to a maximum of 1."""

    class_name: str
    values: np.ndarray


@dataclass(frozen=True)
class Classification:
    """Probabilities of classes and findings (empty where the network has none); evidence for the likeliest class."""

    classes: dict[str, float]
    findings: dict[str, float]
    saliency: Saliency


def classify_volume(classifier: CTClassifier, volume: np.ndarray, device: torch.device) -> Classification:
    """The classifier's answer to network values (D, H, W), resampled where a smaller generator made them."""
    config = classifier.config
    with device_failures(device):
        classifier.to(device)
        own = torch.from_numpy(volume)[None, None].to(device)
        batch = own
        if max(batch.shape) != CLASSIFIER_SIDE:
            batch = F.interpolate(batch, (CLASSIFIER_SIDE,) * 3, mode="trilinear")
        scores = classify(classifier, batch)[0].tolist()
        with torch.no_grad():
            logits = classifier.with_findings(batch)[1]
        likeliest = max(range(len(scores)), key=scores.__getitem__)
        place = saliency(classifier, batch, likeliest)
        if place.shape != own.shape:
            place = F.interpolate(place, own.shape[2:], mode="trilinear")
        values = place[0, 0].float().cpu().numpy()
    found = [] if logits is None else logits[0].sigmoid().tolist()
    return Classification(
        classes=dict(zip(config.classes, scores, strict=True)),
        findings=dict(zip(config.findings, found, strict=True)),
        saliency=Saliency(config.classes[likeliest], values),
    )


def classifier_warnings(info: ModelInfo) -> list[str]:
    """What must stand beside the classes: where they come from, and how often they were right on simulated patients."""
    metrics = info.metadata.get("metrics")
    tested = metrics.get("generated") if isinstance(metrics, dict) else None
    accuracy = tested.get("accuracy") if isinstance(tested, dict) else None
    if not isinstance(accuracy, float):
        return [TB_NOTICE]
    return [
        TB_NOTICE,
        f"The classifier was right in {accuracy:.0%} of simulated test patients seen through generated CTs, where "
        "guessing is right in 33%.",
    ]
