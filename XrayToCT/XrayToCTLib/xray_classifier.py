"""The X-ray classifier: a vision transformer that gives healthy / sick / tuberculosis for one radiograph.

Source: Dosovitskiy et al., *An Image is Worth 16x16 Words*, 2021 (arXiv 2010.11929); ViT-S/16 in Sizikova et al. 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from XrayToCTLib.classifier import CLASSES


@dataclass(frozen=True)
class XrayClassifierConfig:
    """What an X-ray classifier is made of.

    classes, findings: names of the outputs, in their order. size: side of the radiograph in pixels; others are resized.
    patch: side of a patch in pixels. width: values a token has. depth: layers. heads: of attention in each layer.

    Raises ValueError where the sizes do not fit each other.
    """

    classes: tuple[str, ...] = CLASSES
    findings: tuple[str, ...] = ()
    size: int = 224
    patch: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6

    def __post_init__(self) -> None:
        for name in ("classes", "findings"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists
        if not self.classes or min(self.size, self.patch, self.width, self.depth, self.heads) < 1:
            raise ValueError("classes must not be empty, and all sizes must be at least 1")
        if self.size % self.patch or self.width % self.heads:
            raise ValueError("size must be a multiple of patch, and width of heads")


XRAY_CLASSIFIERS = {
    "vit-s16": XrayClassifierConfig(),
    "small": XrayClassifierConfig(size=128, width=128, depth=6, heads=4),
    "test": XrayClassifierConfig(size=32, patch=8, width=16, depth=2, heads=2),
}


class XrayClassifier(nn.Module):
    """Radiographs (N, 1, H, W) in [0, 1] to logits (N, classes)."""

    def __init__(self, config: XrayClassifierConfig) -> None:
        super().__init__()
        self.config = config
        width, places = config.width, (config.size // config.patch) ** 2
        self.patches = nn.Conv2d(1, width, config.patch, stride=config.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, places + 1, width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, config.heads, 4 * width, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.output = nn.Linear(width, len(config.classes))
        self.findings = nn.Linear(width, len(config.findings)) if config.findings else None

    def features(self, radiograph: Tensor) -> Tensor:
        """(N, 1, H, W) to the class token after the last layer, (N, width)."""
        size = (self.config.size, self.config.size)
        if radiograph.shape[2:] != size:
            radiograph = F.interpolate(radiograph, size, mode="bilinear", antialias=True)
        tokens = self.patches(2 * radiograph - 1).flatten(2).transpose(1, 2)  # timm's mean and deviation of 0.5
        tokens = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return self.norm(tokens)[:, 0]

    def forward(self, radiograph: Tensor) -> Tensor:
        return self.output(self.features(radiograph))

    def with_findings(self, radiograph: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of the classes (N, classes) and of the findings (N, findings), None without such a head."""
        features = self.features(radiograph)
        return self.output(features), None if self.findings is None else self.findings(features)
