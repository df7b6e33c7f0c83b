"""The paper's experiment as a chain of runs, each of which resumes: strategies, seeds, classifiers, figures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.generators import GENERATORS, build_generator
from XrayToCTTraining.classification import fit_classifier
from XrayToCTTraining.classification_metrics import score_classes
from XrayToCTTraining.classifiers import (
    CTClassifierFit,
    JointClassifierFit,
    XrayClassifierFit,
    predict_cases,
    settings_of,
    trained_classifier,
    truths_of,
)
from XrayToCTTraining.cyclegan import CycleGANFit, fit_cyclegan
from XrayToCTTraining.data.cohort import Cohort
from XrayToCTTraining.discriminator import Discriminator, DiscriminatorConfig
from XrayToCTTraining.engine import Engine
from XrayToCTTraining.losses import LossWeights
from XrayToCTTraining.reconstruction import ReconstructionFit, fit_reconstruction
from XrayToCTTraining.strategies import volumes_of

X2CT, CYCLEGAN, INDUCTION, OURS = "x2ct", "x2ct-cyclegan", "induction", "anchored"
RESTARTED, RESTARTED_ANNEALED = "restarted", "restarted-annealed"
ANNEALED, INTERLEAVED = "annealed", "interleaved"
LAMBDAS = (0.0, 0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Scale:
    """How large everything is. ``epochs`` are stage 1, ``induction_epochs`` stage 2 of ``reconstruction``."""

    seeds: int
    reconstruction: ReconstructionFit
    cyclegan: CycleGANFit
    ct: CTClassifierFit
    xray: XrayClassifierFit
    joint: JointClassifierFit


OUR_INDUCTION = {"induction": 100.0, "details": 0.3, "anchor": 10.0}
"""Loss weights of the preset ``compact`` in stage 2; ``anchored`` has these, and its schedule."""


def stage_2(strategy: str, fit: ReconstructionFit) -> ReconstructionFit | None:
    """What is trained after stage 1: the paper's ``fit`` as the strategy changes it. None: X2CT's, which has one stage.

    Four controls tell the loss of shape induction from its schedule. Two see no radiographs, only stage 2's fresh Adam:
    ``restarted`` with its constant learning rate, ``restarted-annealed`` with one that falls to 0. ``annealed`` is
    shape induction with the latter; ``interleaved`` mixes its steps on radiographs and on pairs evenly.
    """
    if weight := lambda_of(strategy):
        return replace(fit, weights=replace(fit.weights, induction=weight))
    if strategy in (RESTARTED, RESTARTED_ANNEALED):
        schedule = fit.schedule if strategy == RESTARTED else "cosine"
        return replace(fit, weights=replace(fit.weights, induction=0.0), schedule=schedule)
    if strategy == ANNEALED:
        return replace(fit, schedule="cosine")
    if strategy == INTERLEAVED:
        return replace(fit, alternate="steps")
    if strategy == OURS:
        ours = replace(fit.weights, **OUR_INDUCTION)
        return replace(fit, weights=ours, normalisation="affine", alternate="steps", schedule="cosine")
    return None


_SMALL_WEIGHTS = LossWeights(adversarial=0.1, reconstruction=10.0, projection=10.0)
SCALES = {
    "paper": Scale(3, ReconstructionFit(), CycleGANFit(), CTClassifierFit(), XrayClassifierFit(), JointClassifierFit()),
    "small": Scale(
        3,
        ReconstructionFit(
            generator="compact-64",
            discriminator_filters=(16, 32, 64),
            epochs=12,
            induction_epochs=2,
            constant_epochs=6,
            decay_epochs=8,
            induction_cases=0,
            batch=2,
            learning_rate=5e-4,
            initial_std=0.0,
            weights=_SMALL_WEIGHTS,
            clip=1.0,
        ),
        CycleGANFit(style="compact", discriminator_filters=(16, 32, 64), size=64, epochs=3),
        CTClassifierFit(classifier="compact-64", size=64, epochs=30, learning_rate=1e-3, shift=3, findings=True),
        XrayClassifierFit(classifier="small", epochs=30, batch=16, findings=True),
        JointClassifierFit(xray_classifier="small", classifier="compact-64", size=64, epochs=30, findings=True),
    ),
    "tiny": Scale(
        2,
        ReconstructionFit(
            generator="test",
            discriminator_filters=(4, 8),
            epochs=1,
            induction_epochs=1,
            induction_cases=0,
            batch=2,
            weights=_SMALL_WEIGHTS,
            validation_cases=1,
        ),
        CycleGANFit(style="test", discriminator_filters=(4, 8), size=32, epochs=1),
        CTClassifierFit(classifier="test", size=32, epochs=1, batch=4),
        XrayClassifierFit(classifier="test", epochs=1, batch=4),
        JointClassifierFit(xray_classifier="test", classifier="test", size=32, epochs=1, batch=4),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """A classifier on the volumes of a strategy, one seed: figures by name, and which test cases it got right."""

    validation_accuracy: float
    test: dict[str, float]
    right: tuple[bool, ...]


@dataclass(frozen=True)
class Experiment:
    """Everything that the paper's tables and figures need.

    Attributes:
        pairs: cases with CTs. xrays: real radiographs with labels, split by patient.
        out: folder of all runs; what is there already is not done again.
    """

    pairs: Cohort
    xrays: Cohort
    out: Path
    scale: Scale
    engine: Engine
    say: Callable[[str], None] = print

    def generator(self, strategy: str, seed: int) -> tuple[Path, Path | None]:
        """Trains, where needed, the generator of a strategy; returns its run and that of its style transfer.

        The strategies of a seed share the checkpoint after stage 1. Lambda4 = 0 is X2CT itself, as in the paper.
        """
        fit = replace(self.scale.reconstruction, seed=seed)
        folder = self.out / f"seed-{seed}"
        first = replace(fit, induction_epochs=0)
        self._fit(first, folder / "stage-1", None)
        start = folder / "stage-1" / f"epoch-{fit.epochs}.pt"
        if second := stage_2(strategy, fit):
            self._fit(second, folder / strategy, start)
            return folder / strategy, None
        whole = replace(fit, epochs=fit.epochs + fit.induction_epochs, induction_epochs=0)
        self._fit(whole, folder / X2CT, start)
        if strategy != CYCLEGAN:
            return folder / X2CT, None
        self.say(f"seed {seed}: CycleGAN")
        style = folder / "cyclegan"
        fit_cyclegan(self.xrays, self.pairs, style, replace(self.scale.cyclegan, seed=seed), self.engine)
        return folder / X2CT, style

    def outcome(self, strategy: str, seed: int, judge: str = "ct") -> Outcome:
        """Of a classifier of the volumes of a strategy (``ct``), of radiographs (``xray``), or of both (``joint``)."""
        folder = self.out / f"seed-{seed}" / (f"classes-{judge}" + (f"-{strategy}" if judge != "xray" else ""))
        result = folder / "outcome.json"
        if not result.is_file():
            volumes = None
            fits: dict[str, Any] = {"ct": self.scale.ct, "joint": self.scale.joint, "xray": self.scale.xray}
            if judge != "xray":
                generator, style = self.generator(strategy, seed)
                name = strategy if lambda_of(strategy) != 0 else X2CT
                volumes = volumes_of(self.xrays, generator, style, self.out / f"seed-{seed}" / f"volumes-{name}")
            self.say(f"seed {seed}: {judge} classifier" + (f", {strategy}" if judge != "xray" else ""))
            fit_classifier(self.xrays, volumes, folder, replace(fits[judge], seed=seed), self.engine)
            write_bytes_atomically(result, json.dumps(self._judge(folder, volumes)).encode())
        values = json.loads(result.read_text())
        return Outcome(values["validation_accuracy"], values["test"], tuple(values["right"]))

    def best_lambda(self) -> float:
        """The lambda4 above 0 whose classifiers are right most often on validation cases, on average over the seeds."""

        def accuracy(value: float) -> float:
            runs = [self.outcome(induction(value), seed) for seed in range(self.scale.seeds)]
            return float(np.mean([run.validation_accuracy for run in runs]))

        return max((value for value in LAMBDAS if value), key=accuracy)

    def _fit(self, fit: ReconstructionFit, run: Path, start: Path | None) -> None:
        self.say(f"seed {fit.seed}: {run.name}, {fit.epochs} + {fit.induction_epochs} epochs")
        fit_reconstruction(self.pairs, self.xrays, run, fit, self.engine, start)

    def _judge(self, folder: Path, volumes: Path | None) -> dict[str, Any]:
        network, record = trained_classifier(folder)
        scores = {}
        for split in ("validation", "test"):
            cases = [case for case in self.xrays.of_split(split) if case.label]
            probabilities = predict_cases(network, self.xrays, cases, volumes, settings_of(record))
            truths = truths_of(cases)
            scores[split] = (score_classes(probabilities, truths), (probabilities.argmax(1) == truths).tolist())
        validation, (test, right) = scores["validation"][0], scores["test"]
        return {"validation_accuracy": validation.accuracy, "test": test.headline, "right": right}


def induction(value: float) -> str:
    """Name of the strategy of shape induction with this lambda4."""
    return f"{INDUCTION}-{value:g}"


def lambda_of(strategy: str) -> float | None:
    """Lambda4 of a strategy's name, None for the others."""
    return float(strategy.rpartition("-")[2]) if strategy.startswith(INDUCTION) else None


def expected_hours(experiment: Experiment, strategies: int) -> float:
    """Hours of reconstruction training, from the time of one step on this machine; classifiers come on top."""
    fit, engine = experiment.scale.reconstruction, experiment.engine
    device = "cuda" if engine.accelerator in ("auto", "gpu") and torch.cuda.is_available() else "cpu"
    config = GENERATORS[fit.generator]
    generator = build_generator(config).to(device)
    discriminator = Discriminator(DiscriminatorConfig(fit.discriminator_filters)).to(device)
    radiograph = torch.rand(1, 1, config.size, config.size, device=device)
    for _ in range(2):  # the second one counts
        began = time.monotonic()
        volume = generator(radiograph)
        (discriminator(radiograph, volume).mean() + discriminator(radiograph, volume.detach()).mean()).backward()
        seconds = time.monotonic() - began
    pairs = len(experiment.pairs.of_split("training"))
    xrays = len(experiment.xrays.of_split("training"))
    xrays = min(xrays, fit.induction_cases or xrays)
    stage_1, stage_2 = fit.epochs * pairs, fit.induction_epochs * (pairs + xrays)
    return experiment.scale.seeds * (stage_1 + strategies * stage_2) * seconds / 3600 / engine.devices
