"""The network of the input check: a picture to how frontal, mirrored, upside down, ... it looks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRONTAL, MIRRORED = "frontal", "mirrored"
KINDS = (FRONTAL, MIRRORED, "upside_down", "sideways", "inverted", "cropped", "lateral", "screen", "other")


@dataclass(frozen=True)
class InputCheckConfig:
    """Sizes of the network.

    kinds: names of the outputs. size: side of the picture. channels: of the convolutions, of which all but the last
    halve the side. hidden: values between them and the outputs.

    Raises ValueError where the kinds do not begin with frontal and mirrored, or the sizes do not fit.
    """

    kinds: tuple[str, ...] = KINDS
    size: int = 64
    channels: tuple[int, ...] = (12, 24, 48, 64)
    hidden: int = 64

    def __post_init__(self) -> None:
        if self.kinds[:2] != (FRONTAL, MIRRORED) or set(self.kinds) - set(KINDS):
            raise ValueError(f"the kinds must begin with {FRONTAL} and {MIRRORED} and be among {KINDS}")
        if min(self.size, self.hidden, *self.channels) < 1 or self.size % 2 ** len(self.channels):
            raise ValueError("size must be divisible by two for each of the channels, and all sizes at least 1")


class InputNetwork(nn.Module):
    """Pictures (N, 1, size, size) in [0, 1] to logits (N, kinds).

    A picture and its mirror image are read together, so that what tells frontal from mirrored is nothing but what
    differs between left and right: mirroring a picture exchanges these two logits and leaves the others.
    """

    def __init__(self, config: InputCheckConfig, dropout: float = 0.3) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip((1, *config.channels), config.channels, strict=False)):
            stride = 1 if i + 1 == len(config.channels) else 2
            layers += [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten())
        places = (config.size // 2 ** len(config.channels)) ** 2
        self.hidden = nn.Linear(config.channels[-1] * places, config.hidden)
        self.output = nn.Linear(config.hidden, len(config.kinds))
        self.dropout = nn.Dropout(dropout)

    def one_sided(self, picture: Tensor) -> Tensor:
        """Logits of the picture as it stands, without its mirror image: what training descends on."""
        mean = picture.mean((1, 2, 3), keepdim=True)
        spread = (picture - mean).square().mean((1, 2, 3), keepdim=True).sqrt()
        features = self.layers((picture - mean) / (spread + 0.05))
        return self.output(self.dropout(F.relu(self.hidden(self.dropout(features)))))

    def forward(self, picture: Tensor) -> Tensor:
        mirrored = self.one_sided(picture.flip(3))
        exchanged = torch.cat([mirrored[:, 1:2], mirrored[:, :1], mirrored[:, 2:]], dim=1)
        return (self.one_sided(picture) + exchanged) / 2
