"""Consistency with the radiograph: what a volume's projection lacks is spread along the rays that lack it.

A radiograph says how much tissue lies along each ray, and nothing of where. A network that is pressed to agree with it
learns to paint it where that is cheapest, on the front chest wall. Here the least is changed that makes them agree: each
step adds every pixel's residual to the voxels of its ray in proportion to the density that is there already (the
simultaneous algebraic reconstruction technique of Andersen and Kak, Ultrason Imaging 6:81, 1984, with weights).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from XrayToCTLib.projection import (
    HU_RANGE,
    WATER_PER_MM,
    Geometry,
    back_projection,
    cone_beam_projection,
    hu_from_network,
    radiograph_from_ct,
)

_BONE_HU, _BONE_WIDTH_HU = 150.0, 50.0
_BONE_KEPT = 0.8  # bone moves less: its place is what the network knows best
_THIN_RAYS = 0.3  # of the mean weight of a ray: rays that meet little tissue are not asked for much


class ConsistentGenerator(nn.Module):
    """A generator whose volumes have been made consistent with the radiographs: (N, 1, S, S) -> (N, 1, S, S, S).

    ``geometry`` is that of the radiographs, and may be set to that of the one at hand.
    """

    def __init__(self, network: nn.Module, geometry: Geometry, steps: int) -> None:
        super().__init__()
        self.network, self.geometry, self.steps = network, geometry, steps

    @property
    def config(self) -> Any:
        """The network's."""
        return self.network.config

    def forward(self, radiograph: Tensor) -> Tensor:
        return consistent(self.network(radiograph).float(), radiograph.float(), self.geometry, self.steps)


def consistent(volume: Tensor, radiograph: Tensor, geometry: Geometry, steps: int) -> Tensor:
    """A volume (N, 1, D, H, W) in network values after ``steps`` steps towards ``radiograph`` (N, 1, rows, columns).

    The radiograph's grey scale is unknown: it is brought to the projection's by least squares, which takes nothing for
    granted but that more tissue is brighter. Differentiable, but for the weights. Values stay at least 0.
    """
    if not steps:
        return volume
    shape = (volume.shape[2], volume.shape[3], volume.shape[4])
    with torch.no_grad():
        bone = torch.sigmoid((hu_from_network(volume) - _BONE_HU) / _BONE_WIDTH_HU)
        weights = volume.clamp_min(0) * (1 - _BONE_KEPT * bone)
        along = cone_beam_projection(weights, geometry)
        along = along + _THIN_RAYS * along.mean((2, 3), keepdim=True)
        lengths = back_projection(torch.ones_like(along[:1]), geometry, shape).clamp_min(1e-6)
    for _ in range(steps):
        projection = radiograph_from_ct(volume, geometry)
        missing = _matched(radiograph, projection) - projection
        change = weights * back_projection(missing / along, geometry, shape) / lengths  # attenuation per mm
        volume = (volume + change * (1000 / WATER_PER_MM / HU_RANGE)).clamp_min(0)
    return volume


def _matched(radiograph: Tensor, projection: Tensor) -> Tensor:
    """The radiograph in the projection's grey scale, by least squares."""
    x, y = (image - image.mean((2, 3), keepdim=True) for image in (radiograph, projection))
    gain = (x * y).sum((2, 3), keepdim=True) / x.square().sum((2, 3), keepdim=True).clamp_min(1e-12)
    return gain * x + projection.mean((2, 3), keepdim=True)
