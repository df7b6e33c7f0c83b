"""The single-view generator of X2CT-GAN (Ying et al., CVPR 2019, section 3.1): a radiograph in, a chest volume out.

2D encoder (dense blocks) -> connection A (fully connected bridge) and connections B (features repeated along depth)
-> 3D decoder. All norms are instance norms without affine parameters, with the instance's statistics at test time too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from XrayToCTLib.depth_repeated import (
    MINIMUM_DEPTH,
    add_distinct_slices,
    convolve_repeated,
    distinct_slices,
    normalise_repeated,
)
from XrayToCTLib.fused_convolution import EPS, norm_relu_convolution, norm_relu_convolution_to_one


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of a generator. Tuples run from the finest level (the input's size) to the coarsest.

    Attributes:
        size: side of the input image and of the output volume, in pixels and voxels.
        stem_channels: channels of the 7x7 stem.
        growth: channels that each dense layer adds.
        bottleneck: width of a dense layer's 1x1 convolution, in multiples of ``growth``.
        dense_layers: dense layers of each down step; its length is the number of down steps.
        bridge_channels: channels of connection A's volume, whose side is ``size / 2 ** len(dense_layers)``.
        bridge_dropout: probability of dropping a value of connection A.
        decoder_channels: channels of connection B and of the decoder at each level.
        decoder_blocks: 3x3x3 convolutions of each decoder level after its first.
        head_kernel: side of the last convolution's kernel.

    Raises:
        ValueError: if the sizes do not fit each other.
    """

    size: int = 128
    stem_channels: int = 64
    growth: int = 32
    bottleneck: int = 4
    dense_layers: tuple[int, ...] = (6, 12, 24, 16, 6)
    bridge_channels: int = 256
    bridge_dropout: float = 0.5
    decoder_channels: tuple[int, ...] = (16, 16, 32, 64, 128)
    decoder_blocks: tuple[int, ...] = (1, 2, 2, 2, 2)
    head_kernel: int = 7

    def __post_init__(self) -> None:
        for name in ("dense_layers", "decoder_channels", "decoder_blocks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists
        steps = len(self.dense_layers)
        if not (steps == len(self.decoder_channels) == len(self.decoder_blocks)):
            raise ValueError("dense_layers, decoder_channels and decoder_blocks must have one entry for each down step")
        if self.size % 2**steps or self.size // 2 ** (steps - 1) < MINIMUM_DEPTH:
            raise ValueError(f"size must be a multiple of {2**steps} and at least {MINIMUM_DEPTH * 2 ** (steps - 1)}")
        if self.head_kernel % 2 == 0:
            raise ValueError("head_kernel must be odd")

    @property
    def bridge_side(self) -> int:
        """Side of connection A's volume, in voxels."""
        return self.size // 2 ** len(self.dense_layers)


X2CT_GENERATORS = {
    "paper": GeneratorConfig(),
    "paper-64": GeneratorConfig(size=64),
    "test": GeneratorConfig(
        size=32,
        stem_channels=8,
        growth=4,
        dense_layers=(1, 1, 1),
        bridge_channels=8,
        decoder_channels=(4, 4, 8),
        decoder_blocks=(0, 1, 1),
        head_kernel=3,
    ),
}


def _norm_relu(x: Tensor) -> Tensor:
    return F.relu(F.instance_norm(x, eps=EPS))


class DenseLayer(nn.Module):
    """norm-ReLU-1x1, norm-ReLU-3x3; the result is concatenated to the input: (N, C, H, W) -> (N, C + growth, H, W)."""

    def __init__(self, channels: int, growth: int, bottleneck: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, bottleneck * growth, 1)
        self.grow = nn.Conv2d(bottleneck * growth, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grow(_norm_relu(self.narrow(_norm_relu(x))))], dim=1)


class DownStep(nn.Module):
    """Strided 3x3 convolution, dense layers and, except in the last step, a 1x1 convolution that halves channels."""

    def __init__(self, channels: int, layers: int, config: GeneratorConfig, *, last: bool) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.dense = nn.Sequential(
            *(DenseLayer(channels + i * config.growth, config.growth, config.bottleneck) for i in range(layers))
        )
        self.out_channels = channels + layers * config.growth
        self.transition: nn.Conv2d | None = None
        if not last:
            self.transition = nn.Conv2d(self.out_channels, self.out_channels // 2, 1)
            self.out_channels //= 2

    def forward(self, x: Tensor) -> Tensor:
        x = self.dense(self.down(_norm_relu(x)))
        return x if self.transition is None else self.transition(_norm_relu(x))


class Bridge(nn.Module):
    """Connection A: global average pooling, then one fully connected layer to a small volume."""

    def __init__(self, channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        side = config.bridge_side
        self.shape = (config.bridge_channels, side, side, side)
        self.dropout = config.bridge_dropout
        self.linear = nn.Linear(channels, config.bridge_channels * side**3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x.mean((2, 3)))
        return F.relu(F.dropout(x, self.dropout, self.training)).unflatten(1, self.shape)


class DecoderLevel(nn.Module):
    """One size of the decoder: connection B joins, then 3x3x3 convolutions.

    What passes between the modules of the decoder is always a convolution's raw output: norm and ReLU belong to the
    next convolution, because the two together need to keep less for the backward pass.
    """

    def __init__(self, encoder_channels: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.compress = nn.Conv2d(encoder_channels, channels, 1)
        self.lift = nn.Conv3d(channels, channels, 3, padding=1)
        self.merge = nn.Conv3d(2 * channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(nn.Conv3d(channels, channels, 3, padding=1) for _ in range(blocks)))

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """
        Args:
            x: (N, channels, S, S, S), raw output of the coarser level's transposed convolution.
            features: (N, encoder_channels, S, S), the encoder's features of this size.
        """
        channels, depth = x.shape[1], x.shape[2]
        repeated = convolve_repeated(_norm_relu(self.compress(features)), depth, self.lift)
        of_decoder, of_encoder = self.merge.weight.split(channels, dim=1)
        x = norm_relu_convolution(x, of_decoder, self.merge.bias)
        x = add_distinct_slices(x, distinct_slices(normalise_repeated(repeated), of_encoder))
        for block in self.blocks.children():
            assert isinstance(block, nn.Conv3d)  # for the type checker
            x = norm_relu_convolution(x, block.weight, block.bias)
        return x


class Upsampling(nn.Module):
    """From one size of the decoder to the next finer one: (N, C, S, S, S) -> (N, O, 2S, 2S, 2S), raw output."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose3d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)

    def forward(self, x: Tensor, is_activated: bool) -> Tensor:
        """``is_activated``: x comes from the bridge, not from a convolution that norm and ReLU have still to follow."""
        if is_activated:
            return self.convolution(x)
        return norm_relu_convolution(x, self.convolution.weight, self.convolution.bias, stride=2, transposed=True)


class Generator(nn.Module):
    """Radiograph (N, 1, S, S) in [0, 1] -> volume (N, 1, S, S, S), at least 0 and unbounded above (clamp it to [0, 1]
    at test time). Axes of the volume: anterior to posterior, superior to inferior, patient right to left.

    ``gradient_checkpointing``: compute the decoder again in the backward pass in place of keeping what it needs.
    """

    gradient_checkpointing: bool = False

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        steps = len(config.dense_layers)
        self.stem = nn.Conv2d(1, config.stem_channels, 7)
        channels = config.stem_channels
        self.down_steps, self.levels = nn.ModuleList(), nn.ModuleList()
        for i, layers in enumerate(config.dense_layers):
            self.levels.append(DecoderLevel(channels, config.decoder_channels[i], config.decoder_blocks[i]))
            step = DownStep(channels, layers, config, last=i == steps - 1)
            self.down_steps.append(step)
            channels = step.out_channels
        self.bridge = Bridge(channels, config)
        # ups[i] leads to level i
        widths = (*config.decoder_channels, config.bridge_channels)
        self.ups = nn.ModuleList(Upsampling(widths[i + 1], widths[i]) for i in range(steps))
        self.head = nn.Conv3d(config.decoder_channels[0], 1, config.head_kernel, padding=config.head_kernel // 2)

    def set_dropout(self, probability: float) -> None:
        """Probability of dropping a value of connection A while training."""
        self.bridge.dropout = probability

    def forward(self, radiograph: Tensor) -> Tensor:
        features = []
        x = _norm_relu(self.stem(F.pad(radiograph, (3, 3, 3, 3), mode="reflect")))
        for step in self.down_steps:
            features.append(x)
            x = step(x)
        volume = self.bridge(x)
        for i in reversed(range(len(self.levels))):
            volume = self._recomputed(self._decode, volume, features[i], i)
        return self._recomputed(self._finish, volume)

    def _decode(self, volume: Tensor, features: Tensor, level: int) -> Tensor:
        """One size of the decoder: (N, C', S/2, S/2, S/2) and (N, C, S, S) to (N, C'', S, S, S)."""
        volume = self.ups[level](volume, is_activated=level == len(self.levels) - 1)
        return self.levels[level](volume, features)

    def _finish(self, volume: Tensor) -> Tensor:
        return F.relu(norm_relu_convolution_to_one(volume, self.head))

    def _recomputed(self, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(function, *arguments, use_reentrant=False)
        return function(*arguments)


def original_generator_keys(config: GeneratorConfig) -> dict[str, str]:
    """Parameter names of the published X2CT checkpoints -> names of :class:`Generator` (no running statistics)."""
    modules = {"encoder_layer.1": "stem", "base_link.0": "bridge.linear", "decoder_layer.0": "head"}
    steps = len(config.dense_layers)
    for i, layers in enumerate(config.dense_layers):
        modules[f"encoder_layer{i}.2"] = f"down_steps.{i}.down"
        for j in range(layers):
            modules[f"encoder_layer{i}.3.conv_block.{j}.conv1"] = f"down_steps.{i}.dense.{j}.narrow"
            modules[f"encoder_layer{i}.3.conv_block.{j}.conv2"] = f"down_steps.{i}.dense.{j}.grow"
        if i < steps - 1:
            modules[f"encoder_layer{i}.6"] = f"down_steps.{i}.transition"
        modules[f"linker_layer{i}.0.compress_block.0"] = f"levels.{i}.compress"
        modules[f"linker_layer{i}.0.conv_block.0"] = f"levels.{i}.lift"
        decoder = f"decoder_layer{i - 1}"  # the original counts the decoder from one level below the finest
        modules[f"{decoder}.0"] = f"levels.{i}.merge"
        for j in range(config.decoder_blocks[i]):
            modules[f"{decoder}.{3 + 3 * j}"] = f"levels.{i}.blocks.{j}"
        index = 3 * (1 + config.decoder_blocks[i + 1]) if i < steps - 1 else 0
        modules[f"decoder_layer{i}.{index}.block.block.0"] = f"ups.{i}.convolution"
    return {f"{theirs}.{part}": f"{ours}.{part}" for theirs, ours in modules.items() for part in ("weight", "bias")}
