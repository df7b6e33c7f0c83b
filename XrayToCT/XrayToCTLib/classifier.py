"""The CT classifier: a 3D convolutional network that gives healthy / sick / tuberculosis for a chest CT volume.

Source: Zunair et al., *Uniformizing Techniques to Process CT Scans with 3D CNNs for Tuberculosis Prediction*, 2020
(arXiv 2007.13224), as used by Sizikova et al. 2022 (arXiv 2208.10937).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import volume_to_original_classifier

CLASSES = ("healthy", "sick", "tb")
FINDINGS = ("cavity", "apical_cap", "miliary", "infiltrate", "effusion", "other")

TEMPERATURES = (0.05, 20.0)
"""The least and the largest that a file may ask for."""

# Full-size intermediate values that one pass of the first block may hold, in voxels times filters (192 MB of float32).
_SLAB_VALUES = 48_000_000


@dataclass(frozen=True)
class ClassifierConfig:
    """What a CT classifier is made of.

    classes, findings: names of the outputs, in their order; a network without findings has no head for them.
    filters: channels of each block of convolution, ReLU, pooling and normalisation.
    hidden: width of the linear layer before the last (no activation between them).
    dropout: probability of dropping a hidden value while training.
    input_pooling: factor of an average pooling before the first block (1: none).
    slices: ``all`` axial slices, or the ``central`` half of them (32..95 of 128).
    activation: ``softmax`` (the classes exclude each other) or ``sigmoid`` (one score a class, they need not sum to 1).
    layout: axes that the network sees: ``network`` (D, H, W), or ``original`` as the published classifier saw them.
    """

    classes: tuple[str, ...] = CLASSES
    filters: tuple[int, ...] = (64, 64, 128, 256)
    hidden: int = 512
    dropout: float = 0.3
    input_pooling: int = 1
    slices: Literal["all", "central"] = "all"
    activation: Literal["softmax", "sigmoid"] = "softmax"
    layout: Literal["network", "original"] = "network"
    findings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values outside the sets above. Raises ValueError."""
        object.__setattr__(self, "findings", tuple(self.findings))  # JSON gives lists
        for field, allowed in (
            ("slices", ("all", "central")),
            ("activation", ("softmax", "sigmoid")),
            ("layout", ("network", "original")),
        ):
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field} must be one of {allowed}, not {getattr(self, field)!r}")
        if not self.classes or not self.filters or min(*self.filters, self.hidden, self.input_pooling) < 1:
            raise ValueError("classes and filters must not be empty, and all sizes must be at least 1")


_PAPER = ClassifierConfig()
_COMPACT = replace(_PAPER, filters=(16, 32, 64), hidden=64, input_pooling=4)

CLASSIFIERS: dict[str, ClassifierConfig] = {
    "medsynth": replace(_PAPER, slices="central", activation="sigmoid", layout="original"),
    "default": _PAPER,
    "compact": _COMPACT,
    "compact-64": replace(_COMPACT, input_pooling=2),
    "test": replace(_PAPER, filters=(4, 8), hidden=8),
}


class _Block(nn.Module):
    """Valid 3x3x3 convolution, ReLU, max pooling by 2, batch normalisation (in this order)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(channels_in, channels_out, kernel_size=3)
        self.norm = nn.BatchNorm3d(channels_out)

    def forward(self, values: Tensor, in_slabs: bool = False) -> Tensor:
        """(N, C, A, B, C) to (N, C', (A-2)//2, (B-2)//2, (C-2)//2).

        in_slabs bounds the memory by working along A in pieces; the result is the same in evaluation mode.
        """
        pooled_rows = (values.shape[2] - 2) // 2
        row_values = 2 * values.shape[0] * self.convolution.out_channels * values.shape[3] * values.shape[4]
        step = max(1, _SLAB_VALUES // row_values) if in_slabs else pooled_rows
        # a pooled row p needs the convolution's rows 2p and 2p + 1, so the input's rows 2p to 2p + 3
        slabs = [
            self._whole(values[:, :, 2 * row : 2 * min(row + step, pooled_rows) + 2])
            for row in range(0, pooled_rows, step)
        ]
        return torch.cat(slabs, dim=2) if len(slabs) > 1 else slabs[0]

    def _whole(self, values: Tensor) -> Tensor:
        # max pooling and ReLU commute, and pooling first leaves an eighth of the values to rectify
        return self.norm(functional.relu(functional.max_pool3d(self.convolution(values), 2)))


class CTClassifier(nn.Module):
    """The network. ``forward`` works in the network's own axes: see ``classifier_input``."""

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        channels = (1, *config.filters)
        self.blocks = nn.ModuleList(_Block(*pair) for pair in pairwise(channels))
        self.hidden = nn.Linear(channels[-1], config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, len(config.classes))
        self.findings = nn.Linear(config.hidden, len(config.findings)) if config.findings else None

    def smallest_side(self) -> int:
        """The least number of voxels of each axis of the input that leaves one voxel after the last block."""
        side = 1
        for _ in self.blocks:
            side = 2 * side + 2
        return side * self.config.input_pooling

    def features(self, volume: Tensor) -> Tensor:
        """(N, 1, A, B, C) in the network's own axes to the last block's (N, filters[-1], a, b, c)."""
        values = functional.avg_pool3d(volume, self.config.input_pooling) if self.config.input_pooling > 1 else volume
        in_slabs = not (self.training or torch.is_grad_enabled())
        for block in self.blocks:
            values = block(values, in_slabs)
        return values

    def head(self, features: Tensor) -> Tensor:
        """The last block's (N, C, a, b, c) to logits (N, classes)."""
        return self.output(self.pooled(features))

    def pooled(self, features: Tensor) -> Tensor:
        """The last block's (N, C, a, b, c) to the hidden layer's (N, hidden)."""
        return self.dropout(self.hidden(features.mean(dim=(2, 3, 4))))

    def with_findings(self, volume: Tensor) -> tuple[Tensor, Tensor | None]:
        """As ``forward``, and logits of the findings (N, findings), None without such a head."""
        hidden = self.pooled(self.features(volume))
        return self.output(hidden), None if self.findings is None else self.findings(hidden)

    def forward(self, volume: Tensor) -> Tensor:
        """(N, 1, A, B, C), values in [0, 1], in the network's own axes, to logits (N, classes)."""
        return self.head(self.features(volume))


def classifier_input(config: ClassifierConfig, volume: Tensor) -> Tensor:
    """A network volume (N, 1, D, H, W) in the axes and with the slices that the configuration's network sees."""
    if config.slices == "central":
        slices = volume.shape[3]
        volume = volume[:, :, :, slices // 4 : slices // 4 + slices // 2]
    return volume_to_original_classifier(volume, None) if config.layout == "original" else volume


def probabilities(config: ClassifierConfig, logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Logits (N, classes) to values in [0, 1]: they sum to 1 a row under softmax, not under sigmoid.

    ``temperature`` divides the logits (Guo et al. 2017): above 1 it makes a network that is too sure less so.
    """
    logits = logits / temperature
    return logits.softmax(dim=1) if config.activation == "softmax" else logits.sigmoid()


def temperature_of(metadata: Mapping[str, Any]) -> float | None:
    """The temperature in a model file's metadata; None where it has none that can be used."""
    stored = metadata.get("temperature")
    if not isinstance(stored, (int, float)) or isinstance(stored, bool):
        return None
    return float(stored) if TEMPERATURES[0] <= stored <= TEMPERATURES[1] else None


def raw_scores(model: CTClassifier, volume: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits of volumes (N, 1, D, H, W) in [0, 1]: of the classes (N, classes), and of the findings or None.

    The model must be in evaluation mode. Raises UnsuitableInput where the volume is too small for the network.
    """
    with torch.no_grad():
        return model.with_findings(checked_input(model, volume))


def classify(model: CTClassifier, volume: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities (N, classes), in the order of ``model.config.classes``: see :func:`raw_scores`."""
    return probabilities(model.config, raw_scores(model, volume)[0], temperature)


def original_classifier_keys(config: ClassifierConfig) -> dict[str, str]:
    """Keys of a published checkpoint of this network, each with the key of ``CTClassifier`` that takes its tensor."""
    keys = {}
    for index in range(len(config.filters)):
        for part in ("weight", "bias"):
            keys[f"conv{index + 1}.{part}"] = f"blocks.{index}.convolution.{part}"
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            keys[f"batchNorm{index + 1}.{part}"] = f"blocks.{index}.norm.{part}"
    for part in ("weight", "bias"):
        keys[f"fc1.{part}"] = f"hidden.{part}"
        keys[f"fc2.{part}"] = f"output.{part}"
    return keys


def checked_input(model: CTClassifier, volume: Tensor) -> Tensor:
    """The network's own input of a volume, once it is known to be large enough."""
    own = classifier_input(model.config, volume)
    smallest = model.smallest_side()
    if min(own.shape[2:]) < smallest:
        raise UnsuitableInput(
            f"The volume of {' x '.join(map(str, volume.shape[2:]))} voxels is too small for this classifier, which "
            f"needs {smallest} voxels along each axis of what it sees; resample the volume to 128 x 128 x 128."
        )
    return own
