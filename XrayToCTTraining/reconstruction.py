"""Fitting the generator: X2CT-GAN on pairs of radiograph and CT, then shape induction on real radiographs.

Sizikova et al. 2022 (arXiv 2208.10937): stage 1 trains G and D on pairs; in stage 2 each epoch is one pass over real
radiographs, with nothing but the loss of shape induction, and then one pass over the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.finished_generator import finished
from XrayToCTLib.generators import (
    AnyConfig,
    build_generator,
    network_of,
)
from XrayToCTLib.models import find, load_generator
from XrayToCTLib.shape_induction import (
    Normalisation,
    Projection,
    anchor_loss,
    details_loss,
    shape_induction_loss,
)
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import geometry_of, radiograph_of, styled_pair, volume_of
from XrayToCTTraining.discriminator import Discriminator, DiscriminatorConfig
from XrayToCTTraining.engine import Engine, Recipe, batches, train
from XrayToCTTraining.losses import (
    AdversarialForm,
    LossWeights,
    discriminator_loss,
    generator_adversarial_loss,
    regression_losses,
)
from XrayToCTTraining.metrics import mean_scores, score_volume
from XrayToCTTraining.picture_grid import picture_grid
from XrayToCTTraining.slice_discriminator import SliceDiscriminator
from XrayToCTTraining.trained import generator_config


@dataclass(frozen=True)
class ReconstructionFit:
    """What a fit of the generator is made of; the defaults are the paper's.

    Args:
        generator: name of a configuration: paper, paper-64, compact, compact-64 or test.
        initial: name or file of a model of that configuration whose weights are the first ones.
        discriminator: patches (X2CT's 3D PatchGAN) or slices (ours, of single slices in three directions).
        discriminator_filters: channels of D's hidden convolutions.
        epochs: of stage 1, on pairs.
        induction_epochs: of stage 2, radiographs and pairs in turn.
        epoch_cases: pairs of an epoch, drawn afresh for each (0: all); for cohorts that are streamed.
        induction_cases: radiographs used in stage 2, one random subset drawn once (0: all).
        batch: cases of a step, over all processes.
        accumulate: parts in which each process works through its share of a batch, to save memory.
        learning_rate: Adam's, at its largest.
        schedule: linear (constant, then linear decay, and constant again in stage 2) or cosine (in each stage 100 steps
            of warm-up, then half a cosine).
        constant_epochs: before a linear decay.
        decay_epochs: over which a linear decay goes to 0.
        initial_std: standard deviation of the first weights (0: PyTorch's own initialisation).
        weights: of the losses.
        adversarial_form: paper, or x2ct as in the published code.
        alternate: in stage 2, whole passes over radiographs and pairs as published, or steps on both, evenly mixed.
        projection: in shape induction: matched (cone beam of the model's geometry) or mean (the paper's coronal mean).
        normalisation: of projection and radiograph before they are compared: min-max, affine or none.
        augment: none, or styles: each time a CT is seen its radiograph is of a random device.
        framing: with these styles, how often a CT is framed afresh too, 0 to 1.
        ema: decay of a moving average of the weights, which is then what is used (0: none).
        clip: largest norm of the generator's gradient (0: no limit).
        gradient_checkpointing: recompute the decoder in the backward pass: less memory, more time.
        clear_air: whether the air around the patient is made air behind the network (``outside_air.without_haze``).
        consistency: steps that make a volume consistent with its radiograph (``consistency.consistent``), behind the
            network. Both: on radiographs in stage 2, and wherever it is used; not on pairs, whose radiographs are
            stylised.
        dropout: probability, in the bridge (compact: at the coarsest level).
        validation_cases: how many are scored after each epoch.
        seed: of everything random.
    """

    generator: str = "paper"
    initial: str = ""
    discriminator: Literal["patches", "slices"] = "patches"
    discriminator_filters: tuple[int, ...] = (64, 128, 256, 512)
    epochs: int = 90
    induction_epochs: int = 10
    epoch_cases: int = 0
    induction_cases: int = 916
    batch: int = 4
    accumulate: int = 1
    learning_rate: float = 2e-4
    schedule: Literal["linear", "cosine"] = "linear"
    constant_epochs: int = 50
    decay_epochs: int = 50
    initial_std: float = 0.02
    weights: LossWeights = field(default_factory=LossWeights)
    adversarial_form: AdversarialForm = "paper"
    alternate: Literal["passes", "steps"] = "passes"
    projection: Projection = "matched"
    normalisation: Normalisation = "min-max"
    augment: Literal["none", "styles"] = "none"
    framing: float = 0.5
    ema: float = 0.0
    clip: float = 0.0
    gradient_checkpointing: bool = False
    clear_air: bool = False
    consistency: int = 0
    dropout: float = 0.5
    validation_cases: int = 8
    seed: int = 0


class Reconstruction(Recipe):
    """The recipe. Keys are ("pair", index) and ("xray", index) into the training cases."""

    monitor = None

    def __init__(self, pairs: Cohort, xrays: Cohort | None, fit: ReconstructionFit) -> None:
        super().__init__()
        self.fit_settings, self.seed = fit, fit.seed
        self.epochs = fit.epochs + fit.induction_epochs
        self.milestones = (fit.epochs,)
        torch.manual_seed(fit.seed)
        self.generator = build_generator(generator_config(fit.generator))
        self.generator.set_dropout(fit.dropout)
        self.generator.gradient_checkpointing = fit.gradient_checkpointing
        self.discriminator = _discriminator(fit) if fit.weights.adversarial else None
        if fit.initial_std:
            _draw_weights(self, fit.initial_std)
        if fit.initial:
            self.generator.load_state_dict(_initial_weights(fit.initial, self.generator.config))
        self.size = self.generator.config.size
        self.pairs, self.xrays = pairs, xrays
        self.pair_cases = tuple(case for case in pairs.of_split("training") if case.has_ct)
        self.validation = tuple(case for case in pairs.of_split("validation") if case.has_ct)[: fit.validation_cases]
        self.geometry = geometry_of(pairs, self.size)
        self.xray_cases: tuple[Case, ...] = ()
        if fit.induction_epochs and fit.weights.induction:
            if xrays is None:
                raise UnsuitableInput("Stage 2 needs radiographs; give --xrays, or --induction_epochs 0.")
            self.xray_cases = _subset(xrays.of_split("training"), fit.induction_cases, fit.seed)
        if not self.pair_cases:
            raise UnsuitableInput(f"{pairs.folder} has no training case with a CT; prepare CTs or simulate patients.")
        self.anchor: dict[str, Tensor] = {}  # weights after stage 1, once stage 2 has begun
        self.averaged = {key: value.clone() for key, value in self.generator.state_dict().items()} if fit.ema else {}

    def plan(self, epoch: int) -> list[list[tuple[str, int]]]:
        def shuffled(kind: str, cases: tuple[Case, ...], stream: int, most: int = 0) -> list[list[tuple[str, int]]]:
            order = np.random.default_rng((self.seed, epoch, stream)).permutation(len(cases))[: most or None]
            return batches([(kind, int(i)) for i in order], self.fit_settings.batch)

        pairs = shuffled("pair", self.pair_cases, 0, self.fit_settings.epoch_cases)
        if epoch < self.fit_settings.epochs or not self.xray_cases:
            return pairs
        xrays = shuffled("xray", self.xray_cases, 1)
        if self.fit_settings.alternate == "passes":
            return xrays + pairs
        return evenly_mixed(xrays, pairs)

    def load(self, key: tuple[str, int], rng: np.random.Generator) -> dict[str, Tensor]:
        kind, index = key
        if kind == "xray":
            assert self.xrays is not None
            return {"radiograph": radiograph_of(self.xrays, self.xray_cases[index], self.size)}
        case = self.pair_cases[index]
        if self.fit_settings.augment == "styles":
            radiograph, volume = styled_pair(self.pairs, case, self.size, rng, self.fit_settings.framing)
            return {"radiograph": radiograph, "volume": volume}
        radiograph, volume = radiograph_of(self.pairs, case, self.size), volume_of(self.pairs, case, self.size)
        return {"radiograph": radiograph, "volume": volume}

    def configure_optimizers(self) -> list[Optimizer]:
        networks = [self.generator] + ([self.discriminator] if self.discriminator is not None else [])
        return [
            Adam(network.parameters(), lr=self.fit_settings.learning_rate, betas=(0.5, 0.99)) for network in networks
        ]

    def step(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        optimisers = self.trainer.optimizers
        fit = self.fit_settings
        if epoch == fit.epochs and not self._is_stage_2_begun(optimisers[0]):
            for optimiser in optimisers:
                optimiser.state.clear()  # "a fresh Adam"
            weights = self.averaged or dict(self.generator.state_dict())
            self.anchor = {key: value.clone() for key, value in weights.items()} if fit.weights.anchor else {}
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = fit.learning_rate * self._rate(epoch, optimisers[0])
                group["stage"] = 1 if epoch < fit.epochs else 2
        parts = _parts(batch, fit.accumulate)
        _require_gradients(self.discriminator, False)
        losses: dict[str, Tensor] = {}
        generated = []
        for part in parts:
            volume = self.generator(part["radiograph"])
            if "volume" not in part:
                volume = self._finished(volume, part["radiograph"])
            anchored = self._anchored(part["radiograph"]) if self.anchor and "volume" not in part else None
            terms = self._generator_losses(volume, part, anchored)
            self.manual_backward(sum(getattr(fit.weights, name) * term for name, term in terms.items()) / len(parts))
            generated.append(volume.detach())
            for name, term in terms.items():
                losses[name] = losses.get(name, 0) + term.detach() / len(parts)
        self.descend(0, fit.clip)
        self._update_average()
        if self.discriminator is not None and "volume" in batch:
            _require_gradients(self.discriminator, True)
            for part, volume in zip(parts, generated, strict=True):
                real = self.discriminator(part["radiograph"], part["volume"])
                loss = discriminator_loss(real, self.discriminator(part["radiograph"], volume), fit.adversarial_form)
                self.manual_backward(loss / len(parts))
                losses["discriminator"] = losses.get("discriminator", 0) + loss.detach() / len(parts)
            self.descend(1)
        return losses

    def _generator_losses(
        self, volume: Tensor, part: dict[str, Tensor], anchored: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Terms by their name in LossWeights; those of weight 0 are left out, except where they are worth watching."""
        fit = self.fit_settings
        with torch.autocast(volume.device.type, enabled=False):
            if "volume" not in part:
                radiograph = part["radiograph"].float()
                loss = shape_induction_loss(
                    volume.float(), radiograph, self.geometry, fit.projection, fit.normalisation
                )
                terms = {"induction": loss}
                if fit.weights.details:
                    terms["details"] = details_loss(volume.float(), radiograph, self.geometry)
                if anchored is not None:
                    terms["anchor"] = anchor_loss(volume.float(), anchored.float())
                return terms
            terms = regression_losses(volume.float(), part["volume"].float(), fit.weights)
        if self.discriminator is not None:
            scores = self.discriminator(part["radiograph"], volume)
            terms["adversarial"] = generator_adversarial_loss(scores, fit.adversarial_form)
        return terms

    @torch.no_grad()
    def _anchored(self, radiograph: Tensor) -> Tensor:
        """What the generator made of radiographs after stage 1."""
        weights = {key: value.to(radiograph.device) for key, value in self.anchor.items()}
        self.generator.eval()  # no dropout
        volume = torch.func.functional_call(self.generator, weights, radiograph)
        self.generator.train()
        return volume

    def _is_stage_2_begun(self, optimiser: Optimizer) -> bool:
        return optimiser.param_groups[0].get("stage") == 2

    def _rate(self, epoch: int, optimiser: Optimizer) -> float:
        """Factor of the learning rate; a function of where the training is, so that there is no scheduler to save."""
        fit = self.fit_settings
        is_stage_2 = epoch >= fit.epochs
        if fit.schedule == "linear":
            return 1.0 if is_stage_2 else linear_decay(epoch, fit.constant_epochs, fit.decay_epochs)
        state = optimiser.state.get(optimiser.param_groups[0]["params"][0], {})  # a fresh one for each stage
        steps = fit.induction_epochs * len(self.plan(fit.epochs)) if is_stage_2 else fit.epochs * len(self.plan(0))
        return warm_cosine(int(state.get("step", 0)), steps)

    def _update_average(self) -> None:
        for key, value in self.generator.state_dict().items() if self.averaged else ():
            average = self.averaged[key] = self.averaged[key].to(value)
            average.lerp_(value, 1 - self.fit_settings.ema)

    def predict(self, radiograph: Tensor) -> Tensor:
        """Volumes (N, 1, D, H, W) in [0, 1], by the averaged weights where there are such."""
        weights = self.averaged or dict(self.generator.state_dict())
        radiograph = radiograph.to(next(iter(weights.values())))
        volume = torch.func.functional_call(self.generator, weights, radiograph)
        return self._finished(volume, radiograph).clamp(0, 1)

    def _finished(self, volume: Tensor, radiograph: Tensor) -> Tensor:
        return finished(volume, radiograph, self.geometry, self.fit_settings.clear_air, self.fit_settings.consistency)

    def validate_epoch(self, epoch: int) -> dict[str, float]:
        rows = [score_volume(predicted, truth) for _, predicted, truth in self._seen(self.validation)]
        return mean_scores(rows) if rows else {}

    def picture(self, epoch: int) -> Tensor | None:
        rows = list(self._seen(self.validation[:2]))
        return picture_grid(rows, self.geometry) if rows else None

    def _seen(self, cases: tuple[Case, ...]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Radiograph (H, W), prediction and truth (D, H, W) of each case."""
        for case in cases:
            radiograph = radiograph_of(self.pairs, case, self.size).to(self.device)
            predicted = self.predict(radiograph[None])[0, 0].float().cpu().numpy()
            yield radiograph[0].cpu().numpy(), predicted, volume_of(self.pairs, case, self.size)[0].numpy()

    def extra_state(self) -> dict[str, Any]:
        return {"averaged": self.averaged, "anchor": self.anchor}

    def load_extra_state(self, state: dict[str, Any]) -> None:
        self.averaged, self.anchor = state["averaged"], state["anchor"]


def fit_reconstruction(
    pairs: Cohort,
    xrays: Cohort | None,
    run: Path,
    fit: ReconstructionFit,
    engine: Engine,
    start: Path | None = None,
) -> None:
    """Trains, going on from ``run`` where a checkpoint lies there.

    Args:
        pairs: cases with CTs. xrays: real radiographs for stage 2.
        start: checkpoint of another run with the same stage 1, to begin with where it stopped.

    Raises:
        UnsuitableInput: no pairs, or no radiographs where stage 2 needs them.
    """
    recipe = Reconstruction(pairs, xrays, fit)
    record = {"network": "generator", **asdict(fit), "geometry": recipe.geometry.to_dict()}
    record |= {"pairs": len(recipe.pair_cases), "radiographs": len(recipe.xray_cases)}
    train(recipe, run, engine, record, start)


def _discriminator(fit: ReconstructionFit) -> nn.Module:
    filters = tuple(fit.discriminator_filters)
    return SliceDiscriminator(filters) if fit.discriminator == "slices" else Discriminator(DiscriminatorConfig(filters))


def _initial_weights(model: str, config: AnyConfig) -> dict[str, Tensor]:
    generator = network_of(load_generator(find(model, "generator")))
    if generator.config != config:
        raise UnsuitableInput(f"The model {model} has another configuration than --generator; choose the same.")
    return generator.state_dict()


def linear_decay(epoch: int, constant: int, decay: int) -> float:
    """1, then in equal steps towards 0, which it reaches after ``constant + decay`` epochs.

    The published code's rule: it counts epochs from 2, so that epoch 90 of 50 + 50 ends at 9/51.
    """
    return 1.0 - max(0, epoch + 2 - constant) / (decay + 1)


def warm_cosine(step: int, steps: int, warm_up: int = 100) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warm_up = min(warm_up, steps // 4)
    if step < warm_up:
        return (step + 1) / warm_up
    return float(0.5 * (1 + np.cos(np.pi * (step - warm_up) / max(steps - warm_up, 1))))


def _draw_weights(module: nn.Module, std: float) -> None:
    """X2CT's initialisation: convolutions and linear layers from N(0, std), biases 0."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose3d, nn.Linear)):
            nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _subset(cases: tuple[Case, ...], count: int, seed: int) -> tuple[Case, ...]:
    if not count or count >= len(cases):
        return cases
    chosen = np.random.default_rng((seed, 916)).choice(len(cases), count, replace=False)
    return tuple(cases[i] for i in sorted(chosen))


def evenly_mixed(xrays: list, pairs: list) -> list:
    """Both lists of batches in one, each in its order and at an even pace, with one of pairs last.

    Steps on radiographs alone move tissue along their rays: none may be left without pairs to take that back.
    """
    placed = [((place + 1) * len(pairs), 0, batch) for place, batch in enumerate(xrays)]
    placed += [((place + 1) * len(xrays), 1, batch) for place, batch in enumerate(pairs)]
    return [batch for _, _, batch in sorted(placed, key=lambda item: item[:2])]


def _parts(batch: dict[str, Tensor], count: int) -> list[dict[str, Tensor]]:
    """The batch cut into equal parts along its first axis; raises UnsuitableInput where that is impossible."""
    size = len(batch["radiograph"])
    if size % count:
        raise UnsuitableInput(
            f"A batch of {size} cannot be worked through in {count} equal parts; change --accumulate."
        )
    pieces = {name: values.chunk(count) for name, values in batch.items()}
    return [{name: pieces[name][i] for name in pieces} for i in range(count)]


def _require_gradients(network: nn.Module | None, required: bool) -> None:
    for parameter in network.parameters() if network is not None else ():
        parameter.requires_grad_(required)
