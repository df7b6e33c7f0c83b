"""Refinement: shape induction on a single radiograph, at the time of use."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.comparison import compare
from XrayToCTLib.generators import AnyGenerator
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.shape_induction import shape_induction_loss

LEARNING_RATE = 1e-4
PRIOR_WEIGHT = 1.0  # of the squared distance from the volume before, which keeps the anatomy while the projection moves


@dataclass(frozen=True)
class Refinement:
    """A refined volume (1, 1, D, H, W) and the correlation of its projection with the radiograph, before and after.

    ``accepted`` is False where refinement did not raise the correlation; ``volume`` is then the one from before.
    """

    volume: Tensor
    ncc_before: float
    ncc_after: float
    accepted: bool


def refine(
    generator: AnyGenerator,
    radiograph: Tensor,
    geometry: Geometry,
    steps: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Refinement:
    """Moves a copy of ``generator`` for ``steps`` Adam steps towards the one radiograph (1, 1, H, W).

    ``progress`` is called with the fraction done, and may raise to cancel.
    """
    model = copy.deepcopy(generator).eval()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    with torch.no_grad():
        before = model(radiograph)
    for step in range(steps):
        progress(step / steps)
        volume = model(radiograph)
        loss = shape_induction_loss(volume, radiograph, geometry) + PRIOR_WEIGHT * F.mse_loss(volume, before)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        after = model(radiograph)
    ncc_before, ncc_after = (_ncc(volume, radiograph, geometry) for volume in (before, after))
    accepted = ncc_after > ncc_before
    return Refinement(after if accepted else before, ncc_before, ncc_after, accepted)


@torch.no_grad()
def _ncc(volume: Tensor, radiograph: Tensor, geometry: Geometry) -> float:
    projection = radiograph_from_ct(volume.clamp(0, 1), geometry)
    return compare(radiograph[0, 0].cpu().numpy(), projection[0, 0].cpu().numpy()).ncc
