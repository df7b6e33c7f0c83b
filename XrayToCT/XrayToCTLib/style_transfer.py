"""Style transfer: a residual network that makes a real radiograph look like a projection of a CT.

Source: the generator of CycleGAN, Zhu et al. 2017 (arXiv 1703.10593), which Sizikova et al. 2022 compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class StyleTransferConfig:
    """filters: channels at full size. blocks: residual blocks at a quarter of it (Zhu et al.: 6 at 128, 9 from 256 on).

    Raises ValueError where one is below 1.
    """

    filters: int = 64
    blocks: int = 6

    def __post_init__(self) -> None:
        if min(self.filters, self.blocks) < 1:
            raise ValueError("filters and blocks must be at least 1")


STYLE_TRANSFERS = {
    "paper": StyleTransferConfig(),
    "paper-256": StyleTransferConfig(blocks=9),
    "compact": StyleTransferConfig(filters=24, blocks=4),
    "test": StyleTransferConfig(filters=4, blocks=1),
}


class StyleTransfer(nn.Module):
    """Radiographs (N, 1, H, W) in [0, 1] to radiographs in [0, 1]; H and W must be multiples of 4."""

    def __init__(self, config: StyleTransferConfig) -> None:
        super().__init__()
        self.config = config
        width = config.filters
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(3),
            *_norm_relu(nn.Conv2d(1, width, 7), width),
            *_norm_relu(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), 2 * width),
            *_norm_relu(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), 4 * width),
            *(_Residual(4 * width) for _ in range(config.blocks)),
            *_norm_relu(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, output_padding=1), 2 * width),
            *_norm_relu(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, 1, 7),
            nn.Tanh(),
        )

    def forward(self, radiograph: Tensor) -> Tensor:
        return (self.layers(2 * radiograph - 1) + 1) / 2


class _Residual(nn.Module):
    """Two 3x3 convolutions with reflection padding and instance norm, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_norm_relu(nn.Conv2d(width, width, 3), width),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + F.instance_norm(self.layers(x))


def _norm_relu(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(width), nn.ReLU()]
