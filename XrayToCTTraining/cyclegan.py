"""CycleGAN between real radiographs and projections of CTs (Zhu et al. 2017, arXiv 1703.10593).

The strategy "X2CT + CycleGAN" that Sizikova et al. 2022 compare with: a real radiograph is brought to the style of
projections before a generator that was trained on these alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.style_transfer import STYLE_TRANSFERS, StyleTransfer
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.data.samples import radiograph_of
from XrayToCTTraining.engine import Engine, Recipe, batches, train
from XrayToCTTraining.image_pool import ImagePool


@dataclass(frozen=True)
class CycleGANFit:
    """What a fit of CycleGAN is made of; the defaults are those of Zhu et al.

    Args:
        style: paper (6 blocks), paper-256 (9 blocks), compact or test.
        discriminator_filters: channels of the discriminators' hidden convolutions; these give patches of 70 x 70.
        size: side of the radiographs in pixels.
        epochs: passes over the real radiographs; the learning rate falls linearly to 0 over the second half.
        batch: cases of a step, over all processes.
        learning_rate: Adam's.
        cycle: weight of the cycle consistency loss.
        identity: weight of the identity loss, as a part of cycle.
        pool: images that each discriminator's pool keeps.
        seed: of everything random.
    """

    style: str = "paper"
    discriminator_filters: tuple[int, ...] = (64, 128, 256, 512)
    size: int = 128
    epochs: int = 200
    batch: int = 1
    learning_rate: float = 2e-4
    cycle: float = 10.0
    identity: float = 0.5
    pool: int = 50
    seed: int = 0


class PatchDiscriminator(nn.Module):
    """Scores overlapping patches of radiographs (N, 1, H, W); all but the last two convolutions halve the size."""

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(zip((1, *filters), filters, strict=False)):
            layers.append(nn.Conv2d(before, after, 4, stride=1 if index == len(filters) - 1 else 2, padding=1))
            if index:
                layers.append(nn.InstanceNorm2d(after))
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Conv2d(filters[-1], 1, 4, padding=1))

    def forward(self, radiograph: Tensor) -> Tensor:
        return self.layers(2 * radiograph - 1)


class CycleGAN(Recipe):
    """The recipe. A key is (index of a real radiograph, index of a projection)."""

    monitor = None

    def __init__(self, xrays: Cohort, drrs: Cohort, fit: CycleGANFit) -> None:
        super().__init__()
        self.xrays, self.drrs, self.settings = xrays, drrs, fit
        self.epochs, self.seed = fit.epochs, fit.seed
        torch.manual_seed(fit.seed)
        config = STYLE_TRANSFERS[fit.style]
        self.to_drr, self.to_real = StyleTransfer(config), StyleTransfer(config)
        filters = tuple(fit.discriminator_filters)
        self.judge_drr, self.judge_real = PatchDiscriminator(filters), PatchDiscriminator(filters)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(layer.weight, 0.0, 0.02)
        self.pools = {"drr": ImagePool(fit.pool), "real": ImagePool(fit.pool)}
        self.real_cases = {s: [c for c in xrays.of_split(s) if c.domain != "drr"] for s in ("training", "validation")}
        self.drr_cases = {s: [c for c in drrs.of_split(s) if c.domain == "drr"] for s in ("training", "validation")}
        if not self.real_cases["training"] or not self.drr_cases["training"]:
            raise UnsuitableInput(
                f"CycleGAN needs training radiographs of devices in {xrays.folder} and projections in {drrs.folder}."
            )

    def plan(self, epoch: int) -> list[list[tuple[int, int]]]:
        rng = np.random.default_rng((self.seed, epoch))
        real = rng.permutation(len(self.real_cases["training"]))
        drr = rng.integers(len(self.drr_cases["training"]), size=len(real))
        return batches([(int(a), int(b)) for a, b in zip(real, drr, strict=True)], self.settings.batch)

    def load(self, key: tuple[int, int], rng: np.random.Generator) -> dict[str, Tensor]:
        real, drr = self.real_cases["training"][key[0]], self.drr_cases["training"][key[1]]
        return {
            "real": radiograph_of(self.xrays, real, self.settings.size),
            "drr": radiograph_of(self.drrs, drr, self.settings.size),
        }

    def configure_optimizers(self) -> list[Optimizer]:
        networks = ((self.to_drr, self.to_real), (self.judge_drr, self.judge_real))
        return [
            Adam(chain(*(n.parameters() for n in pair)), self.settings.learning_rate, (0.5, 0.999)) for pair in networks
        ]

    def step(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        fit = self.settings
        for optimiser in self.trainer.optimizers:
            for group in optimiser.param_groups:
                group["lr"] = fit.learning_rate * min(1.0, 2 * (fit.epochs - epoch) / (fit.epochs + 1))
        judges = (self.judge_drr, self.judge_real)
        for judge in judges:
            judge.requires_grad_(False)
        real, drr = batch["real"], batch["drr"]
        as_drr, as_real = self.to_drr(real), self.to_real(drr)
        losses = {
            "adversarial": least_squares(self.judge_drr(as_drr), 1) + least_squares(self.judge_real(as_real), 1),
            "cycle": F.l1_loss(self.to_real(as_drr), real) + F.l1_loss(self.to_drr(as_real), drr),
            "identity": F.l1_loss(self.to_drr(drr), drr) + F.l1_loss(self.to_real(real), real),
        }
        total = losses["adversarial"] + fit.cycle * (losses["cycle"] + fit.identity * losses["identity"])
        self.manual_backward(total)
        self.descend(0)
        for judge in judges:
            judge.requires_grad_(True)
        losses["discriminator"] = (
            least_squares(self.judge_drr(drr), 1)
            + least_squares(self.judge_drr(self.pools["drr"].exchange(as_drr)), 0)
            + least_squares(self.judge_real(real), 1)
            + least_squares(self.judge_real(self.pools["real"].exchange(as_real)), 0)
        ) / 2
        self.manual_backward(losses["discriminator"])
        self.descend(1)
        return losses

    def validate_epoch(self, epoch: int) -> dict[str, float]:
        """Error of the way there and back, on validation radiographs of both kinds."""
        figures = {}
        for name, cohort, cases, there, back in (
            ("cycle_real", self.xrays, self.real_cases["validation"], self.to_drr, self.to_real),
            ("cycle_drr", self.drrs, self.drr_cases["validation"], self.to_real, self.to_drr),
        ):
            errors = []
            for case in cases[:16]:
                image = radiograph_of(cohort, case, self.settings.size)[None].to(self.device)
                errors.append(float(F.l1_loss(back(there(image)), image)))
            if errors:
                figures[name] = float(np.mean(errors))
        return figures

    def picture(self, epoch: int) -> Tensor | None:
        """A row a case: real radiograph, in the style of projections, and back."""
        rows = []
        for case in self.real_cases["validation"][:4]:
            image = radiograph_of(self.xrays, case, self.settings.size)[None].to(self.device)
            styled = self.to_drr(image)
            rows.append(torch.cat([image, styled, self.to_real(styled)], dim=3)[0, 0])
        return torch.cat(rows).cpu().expand(3, -1, -1) if rows else None

    def extra_state(self) -> dict[str, Any]:
        return {name: pool.images for name, pool in self.pools.items()}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        for name, pool in self.pools.items():
            pool.images = state[name]


def least_squares(scores: Tensor, target: float) -> Tensor:
    """Mean squared distance of a discriminator's scores from their target."""
    return F.mse_loss(scores, torch.full_like(scores, target))


def fit_cyclegan(xrays: Cohort, drrs: Cohort, run: Path, fit: CycleGANFit, engine: Engine) -> None:
    """Trains, going on from ``run`` where a checkpoint lies there.

    Args:
        xrays: real radiographs (domain other than ``drr``). drrs: projections of CTs (domain ``drr``).

    Raises:
        UnsuitableInput: one of the two kinds is missing.
    """
    recipe = CycleGAN(xrays, drrs, fit)
    cases = {"real": len(recipe.real_cases["training"]), "drr": len(recipe.drr_cases["training"])}
    train(recipe, run, engine, {"network": "cyclegan", **asdict(fit), **cases})
