"""Refinement: shape induction on a single radiograph, at the time of use, kept only where it does no harm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from XrayToCTLib.comparison import band_passed_ncc, compare, details_mm
from XrayToCTLib.generators import ReadyGenerator
from XrayToCTLib.plausibility import check_volume
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.shape_induction import anchor_loss, details_loss, shape_induction_loss

LEARNING_RATE = 2e-4
# As in the preset `compact` of training: the prior keeps air, tissue and bone where they were.
INDUCTION_WEIGHT, DETAILS_WEIGHT, PRIOR_WEIGHT = 100.0, 0.3, 10.0
LOOKS = 4  # how often on the way a volume is judged, evenly spaced; the last time at the end


@dataclass(frozen=True)
class Standing:
    """How a volume stands: correlation of its projection with the radiograph, of their details of 2 to 16 mm, and how
    many checks of plausibility it passes; after how many steps."""

    steps: int
    ncc: float
    details_ncc: float
    checks_passed: int


@dataclass(frozen=True)
class Refinement:
    """A refined volume (1, 1, D, H, W), and how it stood before and after.

    Where no step of the way had both a better correlation and no fewer checks passed, refinement is refused:
    ``volume`` is that from before, and ``after`` is ``before``.
    """

    volume: Tensor
    before: Standing
    after: Standing

    @property
    def accepted(self) -> bool:
        return self.after.steps > 0

    def sentence(self) -> str:
        """The figures before and after, in words."""
        if not self.accepted:
            return f"Refused: no step improved on a correlation of {self.before.ncc:.3f} without harm to the checks."
        pairs = (
            ("correlation with the X-ray", f"{self.before.ncc:.3f} to {self.after.ncc:.3f}"),
            ("correlation of details", f"{self.before.details_ncc:.3f} to {self.after.details_ncc:.3f}"),
            ("checks passed", f"{self.before.checks_passed} to {self.after.checks_passed}"),
        )
        return f"{self.after.steps} steps were kept: " + ", ".join(f"{name} {change}" for name, change in pairs) + "."


def refine(
    generator: ReadyGenerator,
    radiograph: Tensor,
    geometry: Geometry,
    steps: int,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Refinement:
    """Moves a copy of ``generator`` for ``steps`` Adam steps towards the one radiograph (1, 1, H, W) in [0, 1].

    ``progress`` is called with the fraction done, and may raise to cancel.
    """
    model = copy.deepcopy(generator).eval()
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    with torch.no_grad():
        original = model(radiograph)
    before = after = _standing(original, radiograph, geometry, 0)
    best = original
    looks = {round(steps * (look + 1) / LOOKS) for look in range(LOOKS)}
    for step in range(1, steps + 1):
        progress((step - 1) / steps)
        volume = model(radiograph)
        loss = (
            INDUCTION_WEIGHT * shape_induction_loss(volume, radiograph, geometry, normalisation="affine")
            + DETAILS_WEIGHT * details_loss(volume, radiograph, geometry)
            + PRIOR_WEIGHT * anchor_loss(volume, original)
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if step in looks:
            with torch.no_grad():
                volume = model(radiograph)
            standing = _standing(volume, radiograph, geometry, step)
            if standing.ncc > after.ncc and standing.checks_passed >= before.checks_passed:
                best, after = volume, standing
    return Refinement(best, before, after)


@torch.no_grad()
def _standing(volume: Tensor, radiograph: Tensor, geometry: Geometry, steps: int) -> Standing:
    volume = volume.float().clamp(0, 1)
    images = (radiograph, radiograph_from_ct(volume, geometry))
    picture, projection = (image[0, 0].float().cpu().numpy() for image in images)
    pixel_mm = geometry.pixel_at_isocentre_mm
    details = band_passed_ncc(picture, projection, pixel_mm, *details_mm(pixel_mm))
    checks = check_volume(volume[0, 0].cpu().numpy(), geometry.volume_mm)
    return Standing(steps, compare(picture, projection).ncc, details, sum(check.passed for check in checks))
