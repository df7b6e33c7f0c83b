"""Fitting the three classifiers (healthy / sick / TB): of CT volumes, of radiographs, and of both together."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

from XrayToCTLib.classifier import (
    CLASSES,
    FINDINGS,
    CTClassifier,
)
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.joint_classifier import JointClassifier
from XrayToCTLib.models import find, load_classifier
from XrayToCTLib.xray_classifier import SHADOWS, XRAY_CLASSIFIERS, XrayClassifier
from XrayToCTTraining.augmentation import cut_and_mix, erased, shifted
from XrayToCTTraining.classifiers import (
    Classifier,
    ClassifierFit,
    CTClassifierFit,
    JointClassifierFit,
    XrayClassifierFit,
    activation_of,
    arguments_of,
    build_classifier,
    inputs_of,
    is_usable,
    kind_of,
    predict_cases,
    sources_of,
    truths_of,
)
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.lines import is_planted, posed_lines, read_lines, shadow_targets
from XrayToCTTraining.data.samples import radiograph_of
from XrayToCTTraining.engine import Engine, Recipe, batches, train
from XrayToCTTraining.losses import class_loss, findings_loss, shadows_loss
from XrayToCTTraining.simulation.cohort import SOURCES
from XrayToCTTraining.simulation.devices import random_style
from XrayToCTTraining.timm_checkpoint import load_timm


class Classification(Recipe):
    """The recipe of all three. Keys are (index of the case, "generated" or "true", or the class that was planted)."""

    monitor = "accuracy"

    def __init__(self, cohort: Cohort, folder: Path | None, fit: ClassifierFit, timm: Path | None = None) -> None:
        super().__init__()
        self.cohort, self.folder, self.settings = cohort, folder, fit
        self.epochs, self.seed = fit.epochs, fit.seed
        torch.manual_seed(fit.seed)
        self.network = build_classifier(asdict(fit) | {"kind": kind_of(fit)})
        _check_size(self.network, fit)
        if isinstance(fit, CTClassifierFit) and fit.initial:
            self.network.load_state_dict(_initial_weights(fit.initial, self.network.config))
        if timm is not None:
            load_timm(self.network.xray if isinstance(self.network, JointClassifier) else self.network, timm)
        sources = sources_of(fit)
        if "generated" in sources and folder is None:
            raise UnsuitableInput("Generated volumes need a generator; give --generator, or --volumes true.")
        usable = [case for case in cohort.cases if is_usable(case, fit)]
        self.left_out = len(cohort.cases) - len(usable)
        self.training_cases = [case for case in usable if case.split == "training"]
        self.validation = [case for case in usable if case.split == "validation"]
        self.keys = [(i, source) for i in range(len(self.training_cases)) for source in sources]
        if isinstance(fit, XrayClassifierFit) and fit.planted:
            self.keys += self._planted_keys(fit)
        if not self.training_cases or not self.validation:
            raise UnsuitableInput(
                f"{cohort.folder} has {len(self.training_cases)} training and {len(self.validation)} validation cases "
                "with a label and the volumes asked for; give a cohort with both."
            )

    def _planted_keys(self, fit: XrayClassifierFit) -> list[tuple[int, str]]:
        if fit.augment != "styles" or self.folder is None:
            raise UnsuitableInput("Findings are planted where patients are seen anew; give --augment styles too.")
        folder = self.folder
        return [(i, c) for i, case in enumerate(self.training_cases) if is_planted(folder, case) for c in CLASSES]

    def plan(self, epoch: int) -> list[list[tuple[int, str]]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.keys))
        return batches([self.keys[i] for i in order], self.settings.batch)

    def load(self, key: tuple[int, str], rng: np.random.Generator) -> dict[str, Tensor]:
        case, fit = self.training_cases[key[0]], self.settings
        if isinstance(fit, XrayClassifierFit):
            item, case = self._radiograph(case, key[1], fit, rng)
        else:
            item = inputs_of(self.cohort, case, key[1], self.folder, fit)
        if isinstance(fit, CTClassifierFit) and fit.shift:
            item["volume"] = shifted(item["volume"], rng, fit.shift)
        present, known = findings_of(case)
        return {
            **item,
            "target": F.one_hot(torch.tensor(CLASSES.index(case.label)), len(CLASSES)).float(),
            "findings": present,
            "known": torch.tensor(known),
        }

    def _radiograph(
        self, case: Case, planted: str, fit: XrayClassifierFit, rng: np.random.Generator
    ) -> tuple[dict[str, Tensor], Case]:
        """A radiograph with the shadows on it, and the case as it is with what was planted."""
        config = XRAY_CLASSIFIERS[fit.classifier]
        item = {"shadows": torch.zeros(len(SHADOWS), config.places, config.places), "shadows_known": torch.tensor(0.0)}
        if fit.augment == "styles" and case.has_ct:
            assert self.folder is not None
            variant = f"{planted}-{rng.integers(fit.planted)}" if planted in ("sick", "tb") else ""
            lines = posed_lines(read_lines(self.folder, case, variant), rng)
            if variant:
                case = replace(case, label=planted, findings=lines.findings)
            item["radiograph"] = torch.from_numpy(lines.developed(random_style(rng), rng))[None]
            shadows, known = shadow_targets(lines, config.places)
            item |= {"shadows": shadows, "shadows_known": torch.tensor(known)}
        else:
            item["radiograph"] = radiograph_of(self.cohort, case, config.size)
        if rng.random() < fit.erasing:
            item["radiograph"] = erased(item["radiograph"], rng)
        return item, case

    def configure_optimizers(self) -> list[Optimizer]:
        rate = self.settings.learning_rate
        if isinstance(self.settings, XrayClassifierFit):
            if self.settings.optimiser == "adamw":
                return [AdamW(self.network.parameters(), rate, weight_decay=0.05)]
            return [SGD(self.network.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=1e-4)]
        return [Adam(self.network.parameters(), rate)]

    def step(self, batch: dict[str, Tensor], epoch: int) -> dict[str, Tensor]:
        fit = self.settings
        (optimiser,) = self.trainer.optimizers
        for group in optimiser.param_groups:
            group["lr"] = fit.learning_rate * self._rate(epoch)
        if isinstance(fit, XrayClassifierFit) and float(torch.rand(())) < fit.cutmix:
            batch = cut_and_mix(batch)
        shadows, weight, clip = None, 0.0, 0.0
        if isinstance(fit, XrayClassifierFit):
            assert isinstance(self.network, XrayClassifier)
            logits, findings, shadows = self.network.with_shadows(batch["radiograph"])
            weight, clip = fit.shadows_weight, 1.0 if fit.optimiser == "adamw" else 0.0
        else:
            logits, findings = self.network.with_findings(*arguments_of(self.network, batch))
        losses = {"loss": class_loss(logits, batch["target"], activation_of(self.network), fit.label_smoothing)}
        if findings is not None:
            losses["findings"] = findings_loss(findings, batch["findings"], batch["known"])
        if shadows is not None:
            losses["shadows"] = shadows_loss(shadows, batch["shadows"], batch["shadows_known"])
        total = losses["loss"] + fit.findings_weight * losses.get("findings", 0) + weight * losses.get("shadows", 0)
        self.manual_backward(total)
        self.descend(0, clip)
        return losses

    def _rate(self, epoch: int) -> float:
        if not isinstance(self.settings, XrayClassifierFit):
            return 0.96**epoch
        warm_up = min(self.settings.warm_up, self.epochs - 1)
        if epoch < warm_up:
            return (epoch + 1) / warm_up
        return float(0.5 * (1 + np.cos(np.pi * (epoch - warm_up) / (self.epochs - warm_up))))

    def validate_epoch(self, epoch: int) -> dict[str, float]:
        scores = predict_cases(self.network, self.cohort, self.validation, self.folder, self.settings)
        predicted, truth = scores.argmax(1), truths_of(self.validation)
        return {"accuracy": float((predicted == truth).mean())}


def fit_classifier(
    cohort: Cohort, folder: Path | None, run: Path, fit: ClassifierFit, engine: Engine, timm: Path | None = None
) -> None:
    """Trains the classifier that the kind of ``fit`` names, going on from ``run`` where a checkpoint lies there.

    Args:
        folder: of generated volumes (:func:`data.volumes.write_volumes`) or, for a fit of radiographs in styles, of
            line integrals (:func:`data.lines.write_lines`).
        timm: checkpoint file of timm's ``vit_small_patch16_224`` to begin with.

    Raises:
        UnsuitableInput: too few labelled cases, no volumes, or not such a checkpoint.
    """
    recipe = Classification(cohort, folder, fit, timm)
    record = {"network": "classifier", "kind": kind_of(fit), **asdict(fit)}
    record |= {"cases": len(recipe.training_cases), "left_out": recipe.left_out, "timm": timm.name if timm else None}
    tuberculous = [case for case in recipe.training_cases if case.label == "tb"]
    record["tb_from_patients"] = any(case.source not in SOURCES for case in tuberculous)
    train(recipe, run, engine, record)


def _initial_weights(model: str, config: Any) -> dict[str, Tensor]:
    classifier = load_classifier(find(model, "ct_classifier"))
    if classifier.config != config:
        raise UnsuitableInput(f"The model {model} has another configuration than --classifier; choose the same.")
    return classifier.state_dict()


def findings_of(case: Case) -> tuple[Tensor, float]:
    """Which of FINDINGS a case has, (6,) of 0 and 1, and whether (1 or 0) anybody looked."""
    present = torch.zeros(len(FINDINGS))
    if case.findings == "unknown":
        return present, 0.0
    for name in filter(None, case.findings.split("+")):
        present[FINDINGS.index(name if name in FINDINGS else "other")] = 1
    return present, 1.0


def _check_size(network: Classifier, fit: ClassifierFit) -> None:
    if not isinstance(fit, (CTClassifierFit, JointClassifierFit)):
        return
    ct = network.ct if isinstance(network, JointClassifier) else network
    assert isinstance(ct, CTClassifier)
    slices = fit.size // 2 if ct.config.slices == "central" else fit.size
    if slices < ct.smallest_side():
        raise UnsuitableInput(
            f"Volumes of {fit.size} voxels are too small for the classifier {fit.classifier}, which needs "
            f"{ct.smallest_side()} of each axis that it sees; give a larger --size, or another --classifier."
        )
