"""Fitting the generator on pairs of simulated radiograph and CT."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from XrayToCTLib.generator import GENERATORS, Generator
from XrayToCTLib.grayscale import normalise
from XrayToCTLib.projection import Geometry, network_from_hu
from XrayToCTTraining.checkpoints import load_checkpoint, save_checkpoint
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.losses import RegressionWeights, regression_loss
from XrayToCTTraining.metrics import mean_scores, score_volume
from XrayToCTTraining.simulation.acquisition import CLEAN, Style, acquire, random_style


@dataclass(frozen=True)
class GeneratorFit:
    """What a fit of the generator is made of.

    Attributes:
        generator: name of the configuration. steps: optimiser steps in all; batch: volumes a step.
        learning_rate: Adam's, after a warm-up of 100 steps and before a half-cosine decay to zero.
        average: decay of the moving average of the weights, which is what gets exported.
        validate_every: steps between validations and checkpoints.
        bfloat16: mixed precision.
    """

    generator: str = "compact"
    steps: int = 2000
    batch: int = 1
    learning_rate: float = 8e-4
    average: float = 0.995
    seed: int = 0
    validate_every: int = 250
    bfloat16: bool = False


def training_pair(
    cohort: Cohort, case: Case, geometry: Geometry, style: Style, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Radiograph (1, 1, rows, columns), normalised as real ones are, and volume (1, 1, D, H, W) in network values."""
    hu = torch.from_numpy(cohort.hu(case)).float()[None, None]
    image = acquire(hu, geometry, style, rng)[0, 0].numpy()
    return torch.from_numpy(normalise(image))[None, None], network_from_hu(hu)


def fit_generator(
    cohort: Cohort, run: Path, fit: GeneratorFit, after_step: Callable[[int], None] = lambda step: None
) -> Path:
    """Trains, resuming from ``run`` where a checkpoint lies there, and returns the checkpoint's path.

    ``after_step`` is called with the number of steps done, and may raise to stop. Everything random is drawn from
    (seed, step), so that a killed run ends with the weights of an uninterrupted one.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(fit.seed)
    model = Generator(GENERATORS[fit.generator]).train()
    averaged = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(fit.average)
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=fit.learning_rate, betas=(0.5, 0.99))
    geometry = Geometry(detector_pixels=(model.config.size, model.config.size))
    training, validation = cohort.of_split("training"), cohort.of_split("validation")
    path, first = run / "checkpoint.pt", 0
    if (state := load_checkpoint(path)) is not None:
        first = state["step"]
        model.load_state_dict(state["model"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
    (run / "fit.json").write_text(json.dumps({**asdict(fit), "geometry": geometry.to_dict()}, indent=2))
    started = time.monotonic()
    for step in tqdm(range(first, fit.steps), initial=first, total=fit.steps, unit="step", mininterval=10):
        rng = np.random.default_rng((fit.seed, step))
        torch.manual_seed(int(rng.integers(2**31)))
        for group in optimiser.param_groups:
            group["lr"] = fit.learning_rate * learning_rate_factor(step, fit.steps)
        loss = 0.0
        for _ in range(fit.batch):
            case = training[rng.integers(len(training))]
            radiograph, volume = training_pair(cohort, case, geometry, random_style(rng), rng)
            with torch.autocast("cpu", torch.bfloat16, enabled=fit.bfloat16):
                predicted = model(radiograph).float()
            part = regression_loss(predicted, volume, RegressionWeights()) / fit.batch
            part.backward()
            loss += part.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        averaged.update_parameters(model)
        done = step + 1
        record: dict[str, float] = {"step": done, "loss": loss}
        if done % fit.validate_every == 0 or done == fit.steps:
            record |= mean_scores(score_cases(averaged.module, cohort, validation[:8], geometry))
            record["seconds"] = time.monotonic() - started
            state = {"step": done, "model": model.state_dict(), "averaged": averaged.state_dict()}
            save_checkpoint(path, {**state, "optimiser": optimiser.state_dict()})
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps(record) + "\n")
        after_step(done)
    return path


def learning_rate_factor(step: int, steps: int, warm_up: int = 100) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warm_up = min(warm_up, steps // 4)
    if step < warm_up:
        return (step + 1) / warm_up
    return float(0.5 * (1 + np.cos(np.pi * (step - warm_up) / max(steps - warm_up, 1))))


@torch.no_grad()
def predict(model: nn.Module, radiograph: Tensor) -> np.ndarray:
    """The volume of one radiograph (1, 1, rows, columns): (D, H, W), clamped to [0, 1]."""
    training = model.training
    model.eval()
    volume = model(radiograph)[0, 0].clamp(0, 1).numpy()
    model.train(training)
    return volume


def score_cases(
    model: nn.Module, cohort: Cohort, cases: tuple[Case, ...], geometry: Geometry
) -> list[dict[str, float]]:
    """Every reconstruction metric of every case, each seen through a clean radiograph."""
    rows = []
    for case in cases:
        radiograph, volume = training_pair(cohort, case, geometry, CLEAN, np.random.default_rng(0))
        rows.append(score_volume(predict(model, radiograph), volume[0, 0].numpy()))
    return rows
