"""Fitting the three classifiers (healthy / sick / TB): of CT volumes, of radiographs, and of both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from XrayToCTLib.classifier import (
    CLASSES,
    CLASSIFIERS,
    FINDINGS,
    ClassifierConfig,
    CTClassifier,
    classifier_input,
    probabilities,
)
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.joint_classifier import JointClassifier, JointClassifierConfig
from XrayToCTLib.models import find, load_classifier
from XrayToCTLib.xray_classifier import SHADOWS, XRAY_CLASSIFIERS, XrayClassifier, XrayClassifierConfig
from XrayToCTTraining.augmentation import cut_and_mix, erased, shifted
from XrayToCTTraining.checkpoints import load_checkpoint
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.lines import is_planted, posed_lines, read_lines, shadow_targets
from XrayToCTTraining.data.samples import radiograph_of, volume_of
from XrayToCTTraining.data.volumes import read_volume
from XrayToCTTraining.engine import BEST, Engine, Recipe, batches, train
from XrayToCTTraining.simulation.cohort import SOURCES
from XrayToCTTraining.simulation.devices import random_style
from XrayToCTTraining.timm_checkpoint import load_timm

Kind = Literal["ct", "xray", "joint"]
VolumeSource = Literal["generated", "true", "both"]
Classifier = CTClassifier | XrayClassifier | JointClassifier


@dataclass(frozen=True)
class ClassifierFit:
    """What every fit of a classifier has.

    Args:
        epochs: passes over the training cases that have a label.
        batch: cases of a step, over all processes.
        learning_rate: at its largest.
        label_smoothing: share of the target that is spread over all classes.
        findings: give the network a second head for cavity, apical cap, miliary, infiltrate, effusion and other.
        findings_weight: of that head's loss.
        seed: of everything random.
    """

    epochs: int = 50
    batch: int = 8
    learning_rate: float = 1e-4
    label_smoothing: float = 0.0
    findings: bool = False
    findings_weight: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class CTClassifierFit(ClassifierFit):
    """The paper's: Adam, decayed by 0.96 an epoch; the best epoch by validation accuracy is kept.

    Args:
        classifier: medsynth (sigmoid, central half of the slices), default (softmax, all slices), compact, compact-64
            or test.
        initial: name or file of a model of that configuration whose weights are the first ones.
        slices: all, central, or the classifier's own choice.
        volumes: generated (from the radiographs), true, or both of every patient.
        size: voxels along each side.
        shift: voxels by which a training volume is moved at most.
        patients: of the training split, so many, the first (0: all); each needs a volume.
    """

    classifier: str = "default"
    initial: str = ""
    slices: Literal["own", "all", "central"] = "own"
    volumes: VolumeSource = "generated"
    size: int = 128
    shift: int = 0
    patients: int = 0


@dataclass(frozen=True)
class XrayClassifierFit(ClassifierFit):
    """The paper's: SGD with Nesterov momentum 0.9, weight decay 1e-4, warm-up, then half a cosine.

    Args:
        classifier: vit-s16, small, compact (which also learns where the shadow of each lesion lies), test or
            compact-test.
        optimiser: sgd, or adamw (weight decay 0.05, gradients clipped to a norm of 1).
        warm_up: epochs.
        cutmix: probability of mixing a batch.
        erasing: probability of erasing a rectangle.
        augment: none, or styles: where a case has a CT, its radiograph is each time framed anew and that of a random
            device.
        planted: with styles, how many sick patients and how many with TB are made of each healthy one whose lungs are
            known, by planting findings. In an epoch each healthy patient then comes twice, and once as either.
        shadows_weight: of the loss of where shadows lie.
    """

    classifier: str = "vit-s16"
    batch: int = 80
    learning_rate: float = 0.01
    label_smoothing: float = 0.1
    optimiser: Literal["sgd", "adamw"] = "sgd"
    warm_up: int = 5
    cutmix: float = 0.5
    erasing: float = 0.25
    augment: Literal["none", "styles"] = "none"
    planted: int = 0
    shadows_weight: float = 1.0


@dataclass(frozen=True)
class JointClassifierFit(ClassifierFit):
    """Adam, decayed by 0.96 an epoch.

    Args:
        xray_classifier: vit-s16, small, compact, test or compact-test.
        classifier: of the CT: medsynth, default, compact, compact-64 or test.
        volumes: generated (from the radiographs) or true.
        size: voxels along each side.
    """

    xray_classifier: str = "vit-s16"
    classifier: str = "default"
    volumes: Literal["generated", "true"] = "generated"
    size: int = 128


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
            item = _inputs(self.cohort, case, key[1], self.folder, fit)
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
            logits, findings = self.network.with_findings(*_arguments(self.network, batch))
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


def trained_classifier(run: Path) -> tuple[Classifier, dict[str, Any]]:
    """The best epoch of a run, or the checkpoint where a file is given, and its settings.

    Raises:
        UnsuitableInput: there is no such checkpoint in ``run``.
    """
    state = load_checkpoint(run / BEST if run.is_dir() else run)
    if state is None or state["record"].get("network") != "classifier":
        raise UnsuitableInput(f"{run} holds no trained classifier; train one with `fit ct-classifier` or its sisters.")
    network = build_classifier(state["record"])
    network.load_state_dict({key.removeprefix("network."): value for key, value in state["model"].items()})
    return network.eval(), {**state["record"], "best_epoch": state["epoch"]}


def settings_of(record: dict[str, Any]) -> ClassifierFit:
    """The fit that a record was written for."""
    kinds: dict[str, type[ClassifierFit]] = {
        "ct": CTClassifierFit,
        "xray": XrayClassifierFit,
        "joint": JointClassifierFit,
    }
    kind = kinds[record["kind"]]
    return kind(**{name: record[name] for name in kind.__dataclass_fields__ if name in record})


def _initial_weights(model: str, config: Any) -> dict[str, Tensor]:
    classifier = load_classifier(find(model, "ct_classifier"))
    if classifier.config != config:
        raise UnsuitableInput(f"The model {model} has another configuration than --classifier; choose the same.")
    return classifier.state_dict()


def build_classifier(record: dict[str, Any]) -> Classifier:
    """An untrained network for the settings of a fit and its ``kind``."""
    findings = FINDINGS if record["findings"] else ()
    if record["kind"] == "xray":
        return XrayClassifier(xray_config(record["classifier"], findings))
    ct = replace(_ct_config(record["classifier"]), findings=findings)
    if record["kind"] == "joint":
        return JointClassifier(JointClassifierConfig(xray_config(record["xray_classifier"]), ct))
    return CTClassifier(ct if record["slices"] == "own" else replace(ct, slices=record["slices"]))


def kind_of(fit: ClassifierFit) -> Kind:
    if isinstance(fit, JointClassifierFit):
        return "joint"
    return "xray" if isinstance(fit, XrayClassifierFit) else "ct"


def predict_cases(
    network: Classifier, cohort: Cohort, cases: Sequence[Case], folder: Path | None, fit: ClassifierFit
) -> np.ndarray:
    """Probabilities (n, classes) of cases: :func:`logits_of_cases`, through the network's activation."""
    return activated(network, logits_of_cases(network, cohort, cases, folder, fit))


def activated(network: Classifier, logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Logits (n, classes) to probabilities."""
    return probabilities(activation_config(network), torch.from_numpy(logits), temperature).numpy()


@torch.no_grad()
def logits_of_cases(
    network: Classifier, cohort: Cohort, cases: Sequence[Case], folder: Path | None, fit: ClassifierFit
) -> np.ndarray:
    """Logits (n, classes) of cases, each seen as a network of ``fit`` is judged: see :func:`sources_of`."""
    device = next(network.parameters()).device
    was_training = network.training
    network.eval()
    rows = []
    for case in cases:
        inputs = _inputs(cohort, case, sources_of(fit)[0], folder, fit)
        item = {name: x[None].to(device) for name, x in inputs.items()}
        rows.append(network(*_arguments(network, item)).float().cpu().numpy()[0])
    network.train(was_training)
    return np.array(rows, np.float32).reshape(len(rows), len(CLASSES))


def sources_of(fit: ClassifierFit) -> tuple[str, ...]:
    """What volumes a fit sees, "generated" or "true" ("none": radiographs alone); it is judged by the first."""
    if isinstance(fit, CTClassifierFit) and fit.volumes == "both":
        return "generated", "true"
    return (fit.volumes,) if isinstance(fit, (CTClassifierFit, JointClassifierFit)) else ("none",)


def is_usable(case: Case, fit: ClassifierFit) -> bool:
    """Whether a case has a class, and a CT where the fit wants one."""
    return bool(case.label) and (case.has_ct or "true" not in sources_of(fit))


def truths_of(cases: Sequence[Case]) -> np.ndarray:
    """Indices of the classes, (n,)."""
    return np.array([CLASSES.index(case.label) for case in cases], dtype=int)


def findings_of(case: Case) -> tuple[Tensor, float]:
    """Which of FINDINGS a case has, (6,) of 0 and 1, and whether (1 or 0) anybody looked."""
    present = torch.zeros(len(FINDINGS))
    if case.findings == "unknown":
        return present, 0.0
    for name in filter(None, case.findings.split("+")):
        present[FINDINGS.index(name if name in FINDINGS else "other")] = 1
    return present, 1.0


def class_loss(logits: Tensor, target: Tensor, activation: str, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy with softmax, or binary cross-entropy of each class with sigmoid, against targets (N, classes)."""
    target = target * (1 - smoothing) + smoothing / target.shape[1]
    if activation == "sigmoid":
        return F.binary_cross_entropy_with_logits(logits, target)
    return F.cross_entropy(logits, target)


def findings_loss(logits: Tensor, present: Tensor, known: Tensor) -> Tensor:
    """Mean binary cross-entropy (N, findings) over the cases whose findings are known (N,); 0 where none is."""
    each = F.binary_cross_entropy_with_logits(logits, present, reduction="none").mean(1)
    return (each * known).sum() / known.sum().clamp_min(1)


def shadows_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy of shadows (N, kinds, places, places), per patch and summed over kinds, where known (N,)."""
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1).mean((1, 2))
    return (each * known).sum() / known.sum().clamp_min(1)


def activation_config(network: Classifier) -> ClassifierConfig:
    """A configuration with the network's activation: its own, or the default's softmax for radiographs."""
    config = network.config.ct if isinstance(network, JointClassifier) else network.config
    return config if isinstance(config, ClassifierConfig) else ClassifierConfig()


def activation_of(network: Classifier) -> str:
    return activation_config(network).activation


def _arguments(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
    if isinstance(network, CTClassifier):
        return (classifier_input(network.config, batch["volume"]),)
    if isinstance(network, JointClassifier):
        return batch["radiograph"], batch["volume"]
    return (batch["radiograph"],)


def _inputs(cohort: Cohort, case: Case, source: str, folder: Path | None, fit: ClassifierFit) -> dict[str, Tensor]:
    item = {}
    if isinstance(fit, XrayClassifierFit):
        item["radiograph"] = radiograph_of(cohort, case, XRAY_CLASSIFIERS[fit.classifier].size)
    if isinstance(fit, JointClassifierFit):
        item["radiograph"] = radiograph_of(cohort, case, XRAY_CLASSIFIERS[fit.xray_classifier].size)
    if isinstance(fit, (CTClassifierFit, JointClassifierFit)):
        if source == "true":
            item["volume"] = volume_of(cohort, case, fit.size)
        else:
            assert folder is not None
            item["volume"] = read_volume(folder, case)
    return item


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


def _ct_config(name: str) -> ClassifierConfig:
    if name not in CLASSIFIERS:
        raise UnsuitableInput(f"There is no CT classifier {name!r}; choose one of {', '.join(CLASSIFIERS)}.")
    return CLASSIFIERS[name]


def xray_config(name: str, findings: tuple[str, ...] = ()) -> XrayClassifierConfig:
    """A configuration by its name; raises UnsuitableInput where there is none."""
    if name not in XRAY_CLASSIFIERS:
        raise UnsuitableInput(f"There is no X-ray classifier {name!r}; choose one of {', '.join(XRAY_CLASSIFIERS)}.")
    return replace(XRAY_CLASSIFIERS[name], findings=findings)
