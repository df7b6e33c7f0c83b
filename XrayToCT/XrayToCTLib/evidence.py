"""What a class of the CT classifier rests on: probabilities, where the evidence lies, and whether it lies in the lungs.

None of it shows that a class is right or wrong: it says where the network found its evidence, and what it answers
once everything but the lungs is wiped out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.classifier import CTClassifier, classify, probabilities, raw_scores
from XrayToCTLib.devices import device_failures
from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTLib.lung_zones import MARGIN_MM, LungZones, lung_zones
from XrayToCTLib.marking import REAL_RADIOGRAPHS, TB_NOTICE, class_words
from XrayToCTLib.models import ModelInfo
from XrayToCTLib.plausibility import Lungs
from XrayToCTLib.saliency import saliency_maps, scaled

CLASSIFIER_SIDE = 128  # voxels along each axis of the volumes that classifiers are trained on
ZONES_ARE = (
    "Zones are thirds of the height of the lungs in the generated volume. The shares say where the network found its "
    "evidence (Grad-CAM, blurred over centimetres), not where disease was seen; findings were learned from simulated "
    "lesions only."
)
CLASSIFIER_NAMES = {
    "ct_classifier": "CT classifier",
    "xray_classifier": "X-ray classifier",
    "joint_classifier": "joint classifier",
}
_WORTH_NAMING = 0.1  # score of a finding
_TISSUE = (1024 - 400) / HU_RANGE  # network value; less is air
_NOT_MEASURED = "not tested: no two lungs were found in the volume."


@dataclass(frozen=True)
class Zone:
    """A zone's shares: of all the class's evidence, and each finding's probability times the zone's share of that
    finding's evidence in the lungs, so that a finding's zones add up to its probability."""

    saliency: float
    findings: dict[str, float]


@dataclass(frozen=True)
class WithoutSurroundings:
    """The class once more, with everything outside the lungs wiped out.

    Attributes:
        saliency_inside_lungs: share of the class's evidence that lies in the lungs and 5 mm around them, in [0, 1].
        lungs_share_of_volume: what that share would be if the evidence lay anywhere.
        classes: probability by class with all tissue outside replaced by its mean, and all air by its own.
        predicted: the largest of these. holds: whether it is the class of the whole volume.
    """

    saliency_inside_lungs: float
    lungs_share_of_volume: float
    classes: dict[str, float]
    predicted: str
    holds: bool


@dataclass(frozen=True)
class Evidence:
    """What the class of a volume rests on.

    Attributes:
        classes: probability by class, with the temperature applied. predicted: the largest of them.
        temperature: of the classifier; None where it was not calibrated. logits: by class, as the network gives them.
        findings: probability by finding of the whole volume, not calibrated; empty without such outputs.
        saliency: (D, H, W) float32 in [0, 1], where the evidence for the predicted class lies.
        without_surroundings: None without two lungs.
        zones: by name, see :mod:`XrayToCTLib.lung_zones`; empty without two lungs.
    """

    classes: dict[str, float]
    predicted: str
    temperature: float | None
    logits: dict[str, float]
    findings: dict[str, float]
    saliency: np.ndarray
    without_surroundings: WithoutSurroundings | None
    zones: dict[str, Zone]

    def as_json(self) -> dict[str, Any]:
        """The JSON object of ``generate --json`` and ``classify --json``; its keys are a contract."""
        test = self.without_surroundings
        return {
            "predicted": self.predicted,
            "temperature": self.temperature,
            "logits": self.logits,
            "saliency_inside_lungs": None if test is None else test.saliency_inside_lungs,
            "lungs_share_of_volume": None if test is None else test.lungs_share_of_volume,
            "without_surroundings": {
                "holds": None if test is None else test.holds,
                "predicted": None if test is None else test.predicted,
                "classes": {} if test is None else test.classes,
                "message": self.surroundings_sentence(),
            },
            "findings": self.findings,
            "zones": {name: {"saliency": z.saliency, "findings": z.findings} for name, z in self.zones.items()},
        }

    def surroundings_sentence(self) -> str:
        """What the class is without what surrounds the lungs, and how much of its evidence lies in them."""
        test = self.without_surroundings
        if test is None:
            return f"The class without what surrounds the lungs was {_NOT_MEASURED}"
        before, after = class_words(self.predicted), class_words(test.predicted)
        then, now = self.classes[self.predicted], test.classes[self.predicted]
        verdict = (
            f"the class stays {before} (score {then:.2f}, then {now:.2f})"
            if test.holds
            else f"the class becomes {after} instead of {before} (score of {before} {then:.2f}, then {now:.2f})"
        )
        return (
            f"With all tissue and all air outside the lungs made even, {verdict}; such a volume is unlike those in "
            f"training, so neither a change nor none says anything of the patient. {_evidence_share(test)}"
        )

    def zones_sentence(self) -> str:
        """The findings, and in which zones of the lungs the network saw its evidence."""
        if not self.zones:
            return f"Findings by zone were {_NOT_MEASURED}"
        parts = [f"Of the evidence for the class, {_by_zone(self.zones)}."]
        for name, value in sorted(self.findings.items(), key=lambda item: -item[1]):
            if value < _WORTH_NAMING:
                continue
            shares = {zone: z.findings[name] for zone, z in self.zones.items()}
            most = max(shares, key=shares.__getitem__)
            where = f", most evidence in the {_zone_words(most)} zone" if shares[most] > 0 else ""
            parts.append(f"{class_words(name).capitalize()}: score {value:.2f}{where}.")
        if self.findings:
            parts.append(f"Findings that are not named score below {_WORTH_NAMING}.")
        return " ".join([*parts, ZONES_ARE])


def classifier_batch(volume: np.ndarray, device: torch.device) -> Tensor:
    """Network values (D, H, W) as classifiers take them: (1, 1, 128, 128, 128), resampled where they are not."""
    batch = torch.from_numpy(volume)[None, None].to(device)
    if max(batch.shape) != CLASSIFIER_SIDE:
        batch = F.interpolate(batch, (CLASSIFIER_SIDE,) * 3, mode="trilinear")
    return batch


def find_evidence(
    classifier: CTClassifier, volume: np.ndarray, lungs: Lungs | None, temperature: float | None, device: torch.device
) -> Evidence:
    """Classify network values (D, H, W) in [0, 1], and find what the class rests on.

    Args:
        classifier: in evaluation mode; moved to ``device``.
        lungs: of the volume, on the grid of its checks; None where there are not two.
        temperature: of the classifier; None where it was not calibrated.

    Raises:
        DeviceError: the device failed. UnsuitableInput: the volume is too small for the network.
    """
    heat = temperature or 1.0
    names = classifier.config.classes
    with device_failures(device):
        classifier.to(device)
        batch = classifier_batch(volume, device)
        logits, found = raw_scores(classifier, batch)
        classes = _named(names, probabilities(classifier.config, logits, heat)[0])
        findings = {} if found is None else _named(classifier.config.findings, found[0].sigmoid())
        predicted = max(classes, key=classes.__getitem__)
        outputs = [names.index(predicted), *range(len(names), len(names) + len(findings))]
        maps = saliency_maps(classifier, batch, outputs)
        wiped, zones = None, {}
        if lungs is not None:
            parts = lung_zones(lungs, (CLASSIFIER_SIDE,) * 3)
            inside = torch.from_numpy(parts.inside).to(device)
            without = _named(names, classify(classifier, _wiped(batch, inside), heat)[0])
            after = max(without, key=without.__getitem__)
            share = _share(maps[0].cpu().numpy(), parts.inside)
            wiped = WithoutSurroundings(share, float(parts.inside.mean()), without, after, after == predicted)
            zones = _zones(maps.cpu().numpy(), parts, findings)
        whole = F.interpolate(maps[None, :1], volume.shape, mode="trilinear")[0, 0]
        saliency = scaled(whole).cpu().numpy().round(3)  # finer differences mean nothing and do not compress
    return Evidence(classes, predicted, temperature, _named(names, logits[0]), findings, saliency, wiped, zones)


def classifier_warnings(info: ModelInfo) -> list[str]:
    """What must stand beside the classes: where they come from, and how often they were right, on whom."""
    warnings = [TB_NOTICE]
    metrics = info.metadata.get("metrics")
    tested = metrics.get("generated") if isinstance(metrics, dict) else None
    accuracy = tested.get("accuracy") if isinstance(tested, dict) else None
    if isinstance(accuracy, float):
        warnings.append(
            f"The classifier was right in {accuracy:.0%} of simulated test patients seen through generated CTs, where "
            "guessing is right in 33%."
        )
    return [*warnings, *on_real_radiographs(info.kind, info.metadata)]


def on_real_radiographs(kind: str, metadata: Mapping[str, Any]) -> list[str]:
    """How well a classifier told sick from healthy patients on real radiographs: a sentence, if that was measured.

    Args:
        kind: of the model; there is no sentence on other kinds than classifiers. metadata: of its file.
    """
    metrics = metadata.get("metrics")
    parts = [metrics, *metrics.values()] if isinstance(metrics, dict) and kind in CLASSIFIER_NAMES else []
    for part in parts:
        found = part.get("radiographs") if isinstance(part, dict) else None
        if isinstance(found, dict) and all(isinstance(found.get(f"area{end}"), float) for end in ("", "_low", "_high")):
            how = "worse than" if found["area_high"] < 0.5 else "no better than"
            how = "better than" if found["area_low"] > 0.5 else how
            return [
                f"{REAL_RADIOGRAPHS}, labelled healthy or sick, the {CLASSIFIER_NAMES[kind]} told the two apart {how} "
                f"guessing: area under the curve {found['area']:.2f}, where guessing has 0.50."
            ]
    return []


def _wiped(batch: Tensor, inside: Tensor) -> Tensor:
    """The batch (1, 1, D, H, W) with tissue and air outside the mask (D, H, W) each replaced by its mean."""
    tissue = batch > _TISSUE
    filled = batch
    for part in (tissue & ~inside, ~tissue & ~inside):
        if part.any():
            filled = torch.where(part, batch[part].mean(), filled)
    return filled


def _zones(maps: np.ndarray, parts: LungZones, findings: Mapping[str, float]) -> dict[str, Zone]:
    """Of maps (1 + findings, D, H, W), the class's first."""
    in_lungs = [values * parts.inside for values in maps[1:]]
    zones = {}
    for name, mask in parts.zones.items():
        shares = {
            finding: probability * _share(values, mask)
            for (finding, probability), values in zip(findings.items(), in_lungs, strict=True)
        }
        zones[name] = Zone(_share(maps[0], mask), shares)
    return zones


def _share(values: np.ndarray, mask: np.ndarray) -> float:
    """Of a map's sum, in [0, 1]; 0 of a map without any evidence."""
    total = float(values.sum(dtype=np.float64))
    return float(values[mask].sum(dtype=np.float64)) / total if total > 0 else 0.0


def _named(names: tuple[str, ...], values: Tensor) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _evidence_share(test: WithoutSurroundings) -> str:
    return (
        f"{test.saliency_inside_lungs:.0%} of the evidence for the class (Grad-CAM) lies in the lungs or within "
        f"{MARGIN_MM:.0f} mm of them, which are {test.lungs_share_of_volume:.0%} of the volume; the map is blurred "
        "over centimetres, so evidence in a lung counts in part outside."
    )


def _by_zone(zones: Mapping[str, Zone]) -> str:
    return ", ".join(f"{zone.saliency:.0%} lies in the {_zone_words(name)} zone" for name, zone in zones.items())


def _zone_words(name: str) -> str:
    return name.replace("_", " ")
