"""The generator written down plainly, layer by layer on whole volumes: the reference for the shortcuts."""

import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.generator import DecoderLevel, Generator


def norm_relu(x: Tensor) -> Tensor:
    return F.relu(F.instance_norm(x))


class PlainGenerator(Generator):
    """Same parameters, same values, no shortcut."""

    def forward(self, radiograph: Tensor) -> Tensor:
        features = []
        x = norm_relu(self.stem(F.pad(radiograph, (3, 3, 3, 3), mode="reflect")))
        for step in self.down_steps:
            features.append(x)
            x = step(x)
        volume = self.bridge(x)
        for up, level, feature in zip(reversed(self.ups), reversed(self.levels), reversed(features), strict=True):
            volume = up.convolution(volume)
            volume = self.plain_level(level, norm_relu(volume), feature)
        return F.relu(self.head(volume))

    @staticmethod
    def plain_level(level: DecoderLevel, x: Tensor, features: Tensor) -> Tensor:
        repeated = norm_relu(level.compress(features)).unsqueeze(2).expand(-1, -1, x.shape[2], -1, -1)
        repeated = norm_relu(level.lift(repeated))
        x = norm_relu(level.merge(torch.cat([x, repeated], dim=1)))
        for block in level.blocks:
            x = norm_relu(block(x))
        return x
