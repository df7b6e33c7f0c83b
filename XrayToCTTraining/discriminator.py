"""The conditional 3D PatchGAN discriminator of X2CT-GAN (Ying et al., CVPR 2019, arXiv 1905.06902, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class DiscriminatorConfig:
    """filters: channels of the hidden convolutions; all but the last of them halve the resolution."""

    filters: tuple[int, ...] = (64, 128, 256, 512)


class Discriminator(nn.Module):
    """Scores overlapping patches of a CT volume, given the radiograph that it should explain.

    Kernels of 4 with padding 2; instance normalisation (statistics of the instance, no affine parameters) on all
    but the first and the last convolution; LeakyReLU 0.2; no activation at the end (least-squares GAN).
    """

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = config or DiscriminatorConfig()
        filters = self.config.filters
        layers: list[nn.Module] = []
        for index, channels in enumerate(filters):
            first, last = index == 0, index == len(filters) - 1
            before = 2 if first else filters[index - 1]
            # a bias would vanish in the instance normalisation that follows all but the first convolution
            layers.append(nn.Conv3d(before, channels, kernel_size=4, stride=1 if last else 2, padding=2, bias=first))
            if not first:
                layers.append(nn.InstanceNorm3d(channels))
            layers.append(nn.LeakyReLU(0.2))
        layers.append(nn.Conv3d(filters[-1], 1, kernel_size=4, stride=1, padding=2))
        self.layers = nn.Sequential(*layers)

    def forward(self, radiograph: Tensor, volume: Tensor) -> Tensor:
        """radiograph (N, 1, H, W) and volume (N, 1, D, H, W), both in [0, 1], to patch scores (N, 1, d, h, w).

        The radiograph is repeated along D, the direction of the X-rays.
        """
        repeated = radiograph.unsqueeze(2).expand_as(volume)
        return self.layers(torch.cat((repeated, volume), dim=1))
