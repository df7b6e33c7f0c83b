"""A discriminator of our own for small machines: 2D PatchGANs that look at slices, one for each direction.

Nearly everything by which a smeared volume differs from a CT (edges of ribs and vertebrae, vessels) shows in single
slices, where it costs little to see. Unlike X2CT's, its convolutions have spectral norms (Miyato et al. 2018, arXiv
1802.05957) in place of instance norms, which would take away how dense a slice is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from XrayToCTLib.hounsfield import HU_OFFSET, HU_RANGE

SPACING = 8
"""Of so many slices one is seen in a step, the first at random."""
WINDOWS_HU = ((-1024.0, 100.0), (-124.0, 876.0))
"""What the two grey scales span: lung, then soft tissue and bone."""


class SliceDiscriminator(nn.Module):
    """Scores overlapping patches of slices of a CT volume, given the radiograph that it should explain.

    Args:
        filters: channels of the hidden convolutions; all but the last of them halve the resolution.
    """

    lowest: Tensor
    span: Tensor

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.planes = nn.ModuleList(_patch_scores(1 + len(WINDOWS_HU), filters) for _ in range(3))
        limits = (torch.tensor(WINDOWS_HU) + HU_OFFSET) / HU_RANGE
        self.register_buffer("lowest", limits[:, 0].view(1, -1, 1, 1, 1), persistent=False)
        self.register_buffer("span", (limits[:, 1] - limits[:, 0]).view(1, -1, 1, 1, 1), persistent=False)

    def forward(self, radiograph: Tensor, volume: Tensor) -> Tensor:
        """radiograph (N, 1, S, S) and volume (N, 1, S, S, S), both in [0, 1], to scores (3, slices, 1, s, s).

        The radiograph is repeated along D, the direction of the X-rays. Which slices are seen is drawn from PyTorch's
        generator of random numbers.
        """
        windows = ((volume - self.lowest) / self.span).clamp(0, 1)
        seen = 2 * torch.cat((radiograph.unsqueeze(2).expand_as(volume), windows), dim=1) - 1
        first = torch.randint(SPACING, (3,)).tolist()
        slices = (seen.movedim(2 + axis, 1)[:, first[axis] :: SPACING].flatten(0, 1) for axis in range(3))
        return torch.stack([plane(each) for plane, each in zip(self.planes, slices, strict=True)])


def _patch_scores(channels: int, filters: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, count in enumerate(filters):
        stride = 1 if index == len(filters) - 1 else 2
        layers += [spectral_norm(nn.Conv2d(channels, count, 4, stride, padding=1)), nn.LeakyReLU(0.2)]
        channels = count
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(channels, 1, 3, padding=1)))
