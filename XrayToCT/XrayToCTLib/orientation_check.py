"""Does a generator's volume lie the way ours do? Its output for a body with no symmetry, compared under all flips.

A generator whose training data were stored mirrored or upside down gives a volume that still projects to the right
picture, so only a comparison with the CT that the radiograph was made from can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from XrayToCTLib.orientation import flips
from XrayToCTLib.projection import Geometry, network_from_hu, radiograph_from_ct

_DIRECTIONS = {"D": "front-back", "H": "up-down", "W": "left-right"}
# Identity must beat every flip by this part of its error: a generator that always gives the same proves nothing.
_MARGIN = 1e-3


@dataclass(frozen=True)
class FlipError:
    """Root mean squared error in network units of a generator's output, flipped along the axes with these letters."""

    letters: str
    rmse: float

    @property
    def name(self) -> str:
        """The flip in words."""
        return " and ".join(_DIRECTIONS[letter] for letter in self.letters) or "as it is"


def rank_flips(generator: nn.Module, volumes: Sequence[Tensor], geometry: Geometry) -> list[FlipError]:
    """The eight flips of a generator's output, the one nearest to the true volumes first.

    generator maps (1, 1, rows, columns) in [0, 1] to (1, 1, D, H, W); volumes are network volumes (1, 1, D, H, W) of
    that size; geometry gives the radiographs, each divided by its maximum as X2CT's are.
    """
    squares: dict[str, float] = {}
    with torch.no_grad():
        for volume in volumes:
            radiograph = radiograph_from_ct(volume, geometry)
            output = generator(radiograph / radiograph.amax().clamp_min(1e-6)).clamp(0, 1)
            for letters, flipped in flips(output):
                error = float((flipped - volume).square().mean())
                squares[letters] = squares.get(letters, 0.0) + error / len(volumes)
    return sorted((FlipError(letters, square**0.5) for letters, square in squares.items()), key=lambda flip: flip.rmse)


def identity_is_best(ranking: Sequence[FlipError]) -> bool:
    """Whether the unflipped output is clearly the nearest."""
    return not ranking[0].letters and ranking[0].rmse < (1 - _MARGIN) * ranking[1].rmse


def asymmetric_chest(size: int) -> Tensor:
    """A network volume (1, 1, size, size, size) of 320 mm: a chest of ellipsoids that no flip maps onto itself.

    Heart and stomach bubble on the left, liver on the right and below, spine at the back, breastbone in front.
    """
    line = (torch.arange(size) + 0.5) / size * 2 - 1
    depth, height, width = torch.meshgrid(line, line, line, indexing="ij")

    def ellipsoid(centre: tuple[float, float, float], half: tuple[float, float, float]) -> Tensor:
        """Squared distance in half-axes from the centre (D, H, W), in halves of the volume's side."""
        parts = zip((depth, height, width), centre, half, strict=True)
        return sum((((axis - middle) / length) ** 2 for axis, middle, length in parts), torch.zeros(()))

    trunk = ellipsoid((0, 0, 0), (0.62, 9.0, 0.94))
    lungs = (ellipsoid((0, -0.1, side * 0.46), (0.45, 0.75, 0.34)) < 1 for side in (-1, 1))
    ribs = (trunk > 0.8) & (trunk < 0.92) & (torch.cos(20 * (height + 0.3 * depth)) > 0.2) & (height < 0.6)
    parts: list[tuple[Tensor, float]] = [
        (trunk < 1, 0),
        *((lung, -820) for lung in lungs),
        (ellipsoid((-0.18, 0.2, 0.16), (0.32, 0.38, 0.36)) < 1, 45),  # heart
        (ellipsoid((0, 0.85, -0.4), (0.52, 0.62, 0.5)) < 1, 60),  # liver
        (ellipsoid((0, 1.0, 0.45), (0.52, 0.5, 0.42)) < 1, 20),  # organs below the left diaphragm
        (ellipsoid((-0.1, 0.75, 0.5), (0.18, 0.12, 0.18)) < 1, -900),  # stomach bubble
        (ribs, 450),
        (ellipsoid((0.4, 0, 0), (0.13, 9.0, 0.13)) < 1, 400),  # spine
        (ellipsoid((-0.56, -0.1, 0), (0.04, 0.5, 0.09)) < 1, 300),  # breastbone
    ]
    hu = torch.full((size, size, size), -1000.0)
    for where, value in parts:
        hu[where] = value
    return network_from_hu(hu)[None, None]
