"""The X-ray classifier: a vision transformer that gives healthy / sick / tuberculosis for one radiograph.

Source: Dosovitskiy et al., *An Image is Worth 16x16 Words*, 2021 (arXiv 2010.11929); ViT-S/16 in Sizikova et al. 2022.
A stem: Xiao et al., *Early Convolutions Help Transformers See Better*, 2021 (arXiv 2106.14881).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from XrayToCTLib.classifier import CLASSES

SHADOWS = (
    *("consolidation", "ground_glass", "oedema", "mass", "nodule", "effusion"),
    *("cavity", "infiltrate", "apical_cap", "miliary", "hilar_nodes"),
)
"""Kinds of lesions whose place the simulation knows."""


@dataclass(frozen=True)
class XrayClassifierConfig:
    """What an X-ray classifier is made of.

    classes, findings: names of the outputs, in their order. size: side of the radiograph in pixels; others are resized.
    patch: side of a patch in pixels. width: values a token has. depth: layers. heads: of attention in each layer.
    stem: channels of the first of the convolutions that halve the picture until a patch is a pixel, each with twice as
        many as the one before; 0: one convolution over each patch in their place.
    shadows: kinds of lesions; each patch says whether the shadow of each lies on it, and the classes rest on these too.

    Raises ValueError where the sizes do not fit each other.
    """

    classes: tuple[str, ...] = CLASSES
    findings: tuple[str, ...] = ()
    size: int = 224
    patch: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
    stem: int = 0
    shadows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("classes", "findings", "shadows"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists
        if not self.classes or min(self.size, self.patch, self.width, self.depth, self.heads) < 1:
            raise ValueError("classes must not be empty, and all sizes must be at least 1")
        if self.size % self.patch or self.width % self.heads:
            raise ValueError("size must be a multiple of patch, and width of heads")
        if self.stem and (self.patch < 2 or self.patch & (self.patch - 1)):
            raise ValueError("patch must be 2, 4, 8, ... where there is a stem")

    @property
    def places(self) -> int:
        """Patches along each side of the radiograph."""
        return self.size // self.patch

    @property
    def features(self) -> int:
        """Values that the heads rest on: those of the class token, and the strongest shadow of each kind."""
        return self.width + len(self.shadows)


XRAY_CLASSIFIERS = {
    "vit-s16": XrayClassifierConfig(),
    "small": XrayClassifierConfig(size=128, width=128, depth=6, heads=4),
    "compact": XrayClassifierConfig(size=128, patch=16, width=96, depth=3, heads=4, stem=16, shadows=SHADOWS),
    "test": XrayClassifierConfig(size=32, patch=8, width=16, depth=2, heads=2),
    "compact-test": XrayClassifierConfig(size=32, patch=8, width=16, depth=1, heads=2, stem=4, shadows=SHADOWS),
}


class XrayClassifier(nn.Module):
    """Radiographs (N, 1, H, W) in [0, 1] to logits (N, classes)."""

    def __init__(self, config: XrayClassifierConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patches = _stem(config) if config.stem else nn.Conv2d(1, width, config.patch, stride=config.patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.empty(1, config.places**2 + 1, width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, config.heads, 4 * width, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.shadows = nn.Linear(width, len(config.shadows)) if config.shadows else None
        if self.shadows is not None:
            nn.init.constant_(self.shadows.bias, -4)  # shadows are rare: most of a fit would go into learning that
        self.output = nn.Linear(config.features, len(config.classes))
        self.findings = nn.Linear(config.features, len(config.findings)) if config.findings else None

    def features(self, radiograph: Tensor) -> Tensor:
        """(N, 1, H, W) to what the heads rest on, (N, config.features)."""
        return self.features_and_shadows(radiograph)[0]

    def features_and_shadows(self, radiograph: Tensor) -> tuple[Tensor, Tensor | None]:
        """As ``features``, and logits of the shadow of each kind on each patch, (N, kinds, places, places), or None."""
        size = (self.config.size, self.config.size)
        if radiograph.shape[2:] != size:
            radiograph = F.interpolate(radiograph, size, mode="bilinear", antialias=True)
        tokens = self.patches(2 * radiograph - 1).flatten(2).transpose(1, 2)  # timm's mean and deviation of 0.5
        tokens = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1) + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        tokens = self.norm(tokens)
        if self.shadows is None:
            return tokens[:, 0], None
        shadows = self.shadows(tokens[:, 1:])
        features = torch.cat([tokens[:, 0], shadows.amax(1)], dim=1)
        return features, shadows.transpose(1, 2).unflatten(2, (self.config.places,) * 2)

    def forward(self, radiograph: Tensor) -> Tensor:
        return self.output(self.features(radiograph))

    def with_findings(self, radiograph: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of the classes (N, classes) and of the findings (N, findings), None without such a head."""
        return self.with_shadows(radiograph)[:2]

    def with_shadows(self, radiograph: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As ``with_findings``, and logits of shadows: see ``features_and_shadows``."""
        features, shadows = self.features_and_shadows(radiograph)
        return self.output(features), None if self.findings is None else self.findings(features), shadows


class _Halving(nn.Module):
    """Two 3x3 convolutions, the first of stride 2, beside a plain average (He et al. 2016)."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels, 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.beside = nn.Conv2d(channels_in, channels, 1, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / 2, W / 2)."""
        inner = self.second_norm(self.second(F.relu(self.first_norm(self.first(values)))))
        return F.relu(inner + self.beside(F.avg_pool2d(values, 2)))


def _stem(config: XrayClassifierConfig) -> nn.Sequential:
    """From (N, 1, size, size) to (N, width, places, places)."""
    channels = config.stem
    parts: list[nn.Module] = [nn.Conv2d(1, channels, 5, 2, 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    for _ in range(config.patch.bit_length() - 2):
        parts.append(_Halving(channels, 2 * channels))
        channels *= 2
    return nn.Sequential(*parts, nn.Conv2d(channels, config.width, 1), nn.BatchNorm2d(config.width))
