"""A small generator of our own for machines without a GPU: a 2D network that reads the radiograph, lifted to 3D.

Where X2CT-GAN repeats a 2D feature map along depth (connection B), here a 1x1 convolution gives each depth its own
mixture of 2D features that have already seen the whole radiograph. Nearly all reading is thereby done in 2D, where it
is cheap, and the 3D part ends at half the resolution: its last convolution predicts the eight sub-voxels of a voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

ARCHITECTURE = "compact"
SUBVOXELS = 2
"""Output voxels along each side of a voxel of the finest 3D level."""


@dataclass(frozen=True)
class CompactConfig:
    """Sizes of a compact generator. Tuples run from the finest level to the coarsest.

    Attributes:
        architecture: always "compact"; tells such a configuration from one of :class:`generator.GeneratorConfig`.
        size: side of the input image and of the output volume, in pixels and voxels.
        planar_channels: of the 2D levels, each half as large as the one before; the first has the input's size.
        planar_blocks: residual blocks of each 2D level, on the way down and again on the way up.
        volume_channels: of the 3D levels, the first of which has half of the output's size.
        volume_blocks: residual blocks of each 3D level.
        dropout: probability of dropping a feature map of the coarsest 2D level while training.

    Raises:
        ValueError: if the sizes do not fit each other.
    """

    architecture: str = ARCHITECTURE
    size: int = 128
    planar_channels: tuple[int, ...] = (24, 48, 80, 112, 136)
    planar_blocks: tuple[int, ...] = (1, 1, 2, 2, 2)
    volume_channels: tuple[int, ...] = (16, 32, 48, 64)
    volume_blocks: tuple[int, ...] = (1, 1, 1, 1)
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("planar_channels", "planar_blocks", "volume_channels", "volume_blocks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists
        if self.architecture != ARCHITECTURE:
            raise ValueError(f"architecture must be {ARCHITECTURE!r}, not {self.architecture!r}")
        levels = len(self.planar_channels)
        if len(self.planar_blocks) != levels or not len(self.volume_blocks) == len(self.volume_channels) == levels - 1:
            raise ValueError("there must be one 3D level for each 2D level but the first, and blocks for each")
        if self.size % SUBVOXELS ** (levels - 1) or self.size >> (levels - 1) < 2:
            raise ValueError(f"size must be a multiple of {2 ** (levels - 1)} and at least {2**levels}")
        if any(channels % 8 for channels in self.planar_channels):
            raise ValueError("planar_channels must be multiples of 8")


COMPACT_GENERATORS = {
    "compact": CompactConfig(),
    "compact-64": replace(CompactConfig(), size=64),
}


class PlanarBlock(nn.Module):
    """x + conv(SiLU(norm(conv(SiLU(norm(x)))))), (N, C, H, W) to the same; group norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class VolumeBlock(nn.Module):
    """x + conv(ReLU(conv(ReLU(x)))), (N, C, D, H, W) to the same.

    Without norms: on large volumes they cost as much as the convolutions, and with the last convolution at zero a
    residual block needs none to start well.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels, channels, 3, padding=1)
        self.second = nn.Conv3d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(F.relu(x))))


class Lift(nn.Module):
    """2D features to a volume: (N, C, S, S) -> (N, channels, S, S, S), each depth with weights of its own.

    They begin as smooth functions of depth: independent ones leave stripes that take long to fade.
    """

    def __init__(self, planar_channels: int, channels: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        self.mix = nn.Conv2d(planar_channels, channels * depth, 1)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]
        if self.mix.weight.is_meta:  # a file's weights come next; without data F.interpolate takes a second
            return
        knots = torch.empty(1, planar_channels * channels, 2 + depth // 8)
        nn.init.uniform_(knots, -1, 1).mul_(planar_channels**-0.5)
        smooth = F.interpolate(knots, depth, mode="linear", align_corners=True)
        weight = smooth.view(planar_channels, channels * depth).T
        self.mix.weight.data.copy_(weight[..., None, None])

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x).unflatten(1, (-1, self.depth))


class CompactGenerator(nn.Module):
    """Radiograph (N, 1, S, S) in [0, 1] -> volume (N, 1, S, S, S), at least 0 and unbounded above (clamp it to [0, 1]
    at test time). Axes of the volume: anterior to posterior, superior to inferior, patient right to left.

    ``gradient_checkpointing``: compute the 3D blocks again in the backward pass in place of keeping what they need.
    """

    gradient_checkpointing: bool = False

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = config.dropout
        planar, blocks = config.planar_channels, config.planar_blocks
        levels = range(len(planar))
        self.stem = nn.Conv2d(3, planar[0], 3, padding=1)  # the radiograph and where in it a pixel lies
        self.down_blocks = nn.ModuleList(_blocks(PlanarBlock, planar[i], blocks[i]) for i in levels)
        self.down = nn.ModuleList(nn.Conv2d(planar[i], planar[i + 1], 3, stride=2, padding=1) for i in levels[:-1])
        # The finest 2D level is read on the way down only: from here on index i is that of the 3D level.
        coarser, coarser_blocks = planar[1:], blocks[1:]
        self.up = nn.ModuleList(nn.Conv2d(coarser[i + 1], coarser[i], 1) for i in range(len(coarser) - 1))
        self.up_blocks = nn.ModuleList(
            _blocks(PlanarBlock, *sizes) for sizes in zip(coarser, coarser_blocks, strict=True)
        )
        volume = config.volume_channels
        sides = [config.size >> (i + 1) for i in range(len(volume))]
        self.lifts = nn.ModuleList(Lift(coarser[i], volume[i], sides[i]) for i in range(len(volume)))
        self.volume_up = nn.ModuleList(nn.Conv3d(volume[i + 1], volume[i], 1) for i in range(len(volume) - 1))
        self.volume_blocks = nn.ModuleList(
            _blocks(VolumeBlock, volume[i], config.volume_blocks[i]) for i in range(len(volume))
        )
        self.coarse_head = nn.Conv3d(volume[0], 1, 3, padding=1)
        self.fine_head = nn.Conv3d(volume[0], SUBVOXELS**3, 3, padding=1)
        nn.init.constant_(self.coarse_head.bias, 0.2)  # type: ignore[arg-type]  # alive behind the last ReLU
        nn.init.zeros_(self.fine_head.weight)
        nn.init.zeros_(self.fine_head.bias)  # type: ignore[arg-type]

    def set_dropout(self, probability: float) -> None:
        """Probability of dropping a feature map of the coarsest 2D level while training."""
        self.dropout = probability

    def forward(self, radiograph: Tensor) -> Tensor:
        features = []
        x = self.down_blocks[0](self.stem(torch.cat([radiograph, *_coordinates(radiograph)], 1)))
        for down, block in zip(self.down, list(self.down_blocks)[1:], strict=True):
            x = block(down(x))
            features.append(x)
        x = self.up_blocks[-1](F.dropout2d(x, self.dropout, self.training))
        volume = self._refined(self.lifts[-1](x), -1)
        for i in reversed(range(len(features) - 1)):
            x = self.up_blocks[i](features[i] + F.interpolate(self.up[i](x), scale_factor=2.0, mode="bilinear"))
            wider = F.interpolate(self.volume_up[i](volume), scale_factor=2.0, mode="trilinear")
            volume = self._refined(self.lifts[i](x) + wider, i)
        activated = F.relu(volume)
        coarse = F.interpolate(self.coarse_head(activated), scale_factor=float(SUBVOXELS), mode="trilinear")
        return F.relu(coarse + subvoxels_to_space(self.fine_head(activated)))

    def _refined(self, volume: Tensor, level: int) -> Tensor:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(self.volume_blocks[level], volume, use_reentrant=False)
        return self.volume_blocks[level](volume)


def subvoxels_to_space(x: Tensor) -> Tensor:
    """(N, 8, D, H, W) -> (N, 1, 2 D, 2 H, 2 W); channel 4 d + 2 h + w holds the sub-voxel (d, h, w) of each voxel."""
    depth, height, width = x.shape[2:]
    # -1 in place of N, which ONNX would otherwise take for a constant
    split = x.reshape(-1, SUBVOXELS, SUBVOXELS, SUBVOXELS, depth, height, width)
    joined = split.permute(0, 4, 1, 5, 2, 6, 3)
    return joined.reshape(-1, 1, SUBVOXELS * depth, SUBVOXELS * height, SUBVOXELS * width)


def _coordinates(image: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of each pixel, (N, 1, H, W) each, from -1 to 1."""
    height, width = image.shape[2:]
    rows = torch.linspace(-1, 1, height, dtype=image.dtype, device=image.device)[:, None]
    columns = torch.linspace(-1, 1, width, dtype=image.dtype, device=image.device)
    everywhere = torch.zeros_like(image)
    return everywhere + rows, everywhere + columns


def _blocks(kind: type[nn.Module], channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(kind(channels) for _ in range(count)))
