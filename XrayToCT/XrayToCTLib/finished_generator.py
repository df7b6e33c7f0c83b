"""A generator as it is used: the network, and what is done to its volumes afterwards."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from XrayToCTLib.consistency import consistent
from XrayToCTLib.outside_air import without_haze
from XrayToCTLib.projection import Geometry


class FinishedGenerator(nn.Module):
    """A generator whose volumes are :func:`finished`: (N, 1, S, S) -> (N, 1, S, S, S).

    ``geometry`` is that of the radiographs, and may be set to that of the one at hand.
    """

    network: Any

    def __init__(self, network: nn.Module, geometry: Geometry, clear_air: bool, consistency: int) -> None:
        super().__init__()
        self.network, self.geometry = network, geometry
        self.clear_air, self.consistency = clear_air, consistency
        self.training = network.training  # a new module trains; around a network that does not, neither does this one

    @property
    def config(self) -> Any:
        """The network's."""
        return self.network.config

    def forward(self, radiograph: Tensor) -> Tensor:
        return finished(self.network(radiograph), radiograph, self.geometry, self.clear_air, self.consistency)


def finished(volume: Tensor, radiograph: Tensor, geometry: Geometry, clear_air: bool, consistency: int) -> Tensor:
    """A network's volume (N, 1, D, H, W) as it is used, float32.

    Args:
        radiograph: (N, 1, rows, columns) in [0, 1], what the volume was made of, seen in ``geometry``.
        clear_air: whether the air around the patient is made air (:func:`outside_air.without_haze`).
        consistency: steps of :func:`consistency.consistent`.
    """
    volume = volume.float()
    if clear_air:
        volume = without_haze(volume)
    return consistent(volume, radiograph.float(), geometry, consistency)
