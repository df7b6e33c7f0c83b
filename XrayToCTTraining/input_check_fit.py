"""Training of the input check: frontal radiographs against odd pictures, made afresh in every step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import AdamW, Optimizer

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.framing import square_field
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.input_check import LIMIT, odds
from XrayToCTLib.input_network import FRONTAL, KINDS, InputCheckConfig, InputNetwork
from XrayToCTTraining.classification_metrics import area_under_curve
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.engine import Engine, Recipe, batches, train
from XrayToCTTraining.input_check_views import SIDE, stored_pictures, views_of
from XrayToCTTraining.odd_inputs import (
    FROM_FRONTAL,
    as_input,
    developed,
    drawn,
    limbs,
    marked,
    mirrored,
    noise,
    reframed,
    scrambled,
)

_SHARES = {
    "frontal": 0.40,
    "mirrored": 0.18,
    "upside_down": 0.07,
    "sideways": 0.07,
    "inverted": 0.05,
    "cropped": 0.08,
    "lateral": 0.05,
    "screen": 0.04,
    "other": 0.06,
}
_REAL = 0.75  # share of real ones among frontal pictures, where there are simulated ones


@dataclass(frozen=True)
class InputCheckFit:
    """AdamW with half a cosine.

    Args:
        epochs: rounds of ``pictures`` each.
        pictures: made afresh in an epoch.
        batch: pictures in a step.
        learning_rate: at the start.
        patients: simulated ones that are used, taken evenly from the training split.
        seed: of everything random.
    """

    epochs: int = 12
    pictures: int = 4096
    batch: int = 64
    learning_rate: float = 3e-3
    patients: int = 240
    seed: int = 0


class InputCheckRecipe(Recipe):
    """Keys are numbers of pictures; what a picture is, is drawn."""

    monitor = "area_under_curve"

    def __init__(self, xrays: Cohort, pairs: Cohort, fit: InputCheckFit) -> None:
        super().__init__()
        self.settings, self.epochs, self.seed = fit, fit.epochs, fit.seed
        torch.manual_seed(fit.seed)
        self.network = InputNetwork(InputCheckConfig())
        self.real = {split: stored_pictures(xrays, xrays.of_split(split)) for split in ("training", "validation")}
        patients = [case for case in pairs.of_split("training") if case.has_ct]
        if not (len(self.real["training"]) and len(self.real["validation"]) and patients):
            raise UnsuitableInput(
                f"{xrays.folder} must hold training and validation radiographs, and {pairs.folder} training cases with "
                "CTs; prepare or simulate more."
            )
        chosen = np.unique(np.linspace(0, len(patients) - 1, fit.patients).round().astype(int))
        self.views = views_of(pairs, [patients[i] for i in chosen], np.random.default_rng(fit.seed))

    def plan(self, epoch: int) -> list[list[int]]:
        return batches(range(self.settings.pictures), self.settings.batch)

    def load(self, key: int, rng: np.random.Generator) -> dict[str, Tensor]:
        kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        picture = as_input(self._picture(kind, rng), self.network.config.size)
        return {"picture": torch.from_numpy(picture)[None], "kind": torch.tensor(KINDS.index(kind))}

    def _picture(self, kind: str, rng: np.random.Generator) -> np.ndarray:
        frontal = _any(self.real["training"] if rng.random() < _REAL else self.views.frontal, rng)
        if kind == "other":
            made = int(rng.integers(5))
            if made == 4:
                return scrambled(frontal, rng)
            return _any(self.views.sections, rng) if made == 3 else (noise, limbs, drawn)[made](SIDE, rng)
        if kind == "lateral":
            return developed(marked(reframed(_any(self.views.lateral, rng), rng), rng), rng)
        posed = marked(reframed(frontal, rng), rng)
        if kind in ("upside_down", "sideways") and rng.random() < 0.3:
            posed = mirrored(posed)
        if kind == FRONTAL:
            return developed(posed, rng)
        if kind == "screen":  # what the screen shows was developed before
            return FROM_FRONTAL[kind](square_field(normalise(developed(posed, rng)), SIDE), rng)
        return developed(FROM_FRONTAL[kind](posed, rng), rng)

    def configure_optimizers(self) -> list[Optimizer]:
        return [AdamW(self.network.parameters(), self.settings.learning_rate, weight_decay=0.02)]

    def step(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        (optimiser,) = self.trainer.optimizers
        for group in optimiser.param_groups:
            group["lr"] = self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        logits = self.network.one_sided(batch["picture"])
        loss = F.cross_entropy(logits, batch["kind"], label_smoothing=0.02)
        self.manual_backward(loss)
        self.descend(0)
        return {"loss": loss}

    def validate_epoch(self, epoch: int) -> dict[str, float]:
        """Area under the curve, the mean of the kinds made from the validation radiographs, and false warnings."""
        rng, network = np.random.default_rng(self.seed), self.network
        size, frontal = network.config.size, self.real["validation"]
        device = next(network.parameters()).device
        network.cpu()
        usual = 1 - odds(list(frontal), network)[:, 0]
        areas = []
        for make in FROM_FRONTAL.values():
            odd = 1 - odds([as_input(make(picture, rng), size) for picture in frontal], network)[:, 0]
            areas.append(area_under_curve(np.concatenate([odd, usual]), np.arange(2 * len(usual)) < len(usual)))
        network.to(device)
        return {"area_under_curve": float(np.mean(areas)), "false_warnings": float(np.mean(usual > LIMIT))}


def fit_input_check(xrays: Cohort, pairs: Cohort, run: Path, fit: InputCheckFit, engine: Engine) -> None:
    """Trains the input check, going on from ``run`` where a checkpoint lies there.

    Args:
        xrays: real radiographs; training learns from their training split. pairs: simulated patients.

    Raises:
        UnsuitableInput: a cohort lacks what is needed.
    """
    recipe = InputCheckRecipe(xrays, pairs, fit)
    counts = {"xrays": len(recipe.real["training"]), "simulated": len(recipe.views.frontal)}
    train(recipe, run, engine, {"network": "input_check", **asdict(fit), **counts})


def _any(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return pictures[rng.integers(len(pictures))]
