"""The joint classifier: features of the radiograph and of the CT side by side, one linear layer to the classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from XrayToCTLib.classifier import ClassifierConfig, CTClassifier, classifier_input
from XrayToCTLib.xray_classifier import XrayClassifier, XrayClassifierConfig


@dataclass(frozen=True)
class JointClassifierConfig:
    """The two halves; the outputs are those of ``ct``, whose activation holds too."""

    xray: XrayClassifierConfig = field(default_factory=XrayClassifierConfig)
    ct: ClassifierConfig = field(default_factory=ClassifierConfig)


class JointClassifier(nn.Module):
    """Radiographs (N, 1, H, W) in [0, 1] and network volumes (N, 1, D, H, W) to logits (N, classes)."""

    def __init__(self, config: JointClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.xray = XrayClassifier(config.xray)
        self.ct = CTClassifier(config.ct)
        del self.xray.output, self.ct.output  # replaced by the joint head
        self.xray.findings = self.ct.findings = None
        width = config.xray.features + config.ct.hidden
        self.output = nn.Linear(width, len(config.ct.classes))
        self.findings = nn.Linear(width, len(config.ct.findings)) if config.ct.findings else None

    def features(self, radiograph: Tensor, volume: Tensor) -> Tensor:
        """(N, xray.features + ct.hidden)."""
        of_ct = self.ct.pooled(self.ct.features(classifier_input(self.config.ct, volume)))
        return torch.cat([self.xray.features(radiograph), of_ct], dim=1)

    def forward(self, radiograph: Tensor, volume: Tensor) -> Tensor:
        return self.output(self.features(radiograph, volume))

    def with_findings(self, radiograph: Tensor, volume: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of the classes (N, classes) and of the findings (N, findings), None without such a head."""
        features = self.features(radiograph, volume)
        return self.output(features), None if self.findings is None else self.findings(features)
