"""Classifiers (healthy / sick / TB) of CT volumes, of radiographs and of both: what a fit of one is made of, what was
trained, and what it says of cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

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
from XrayToCTLib.xray_classifier import XRAY_CLASSIFIERS, XrayClassifier, XrayClassifierConfig
from XrayToCTTraining.checkpoints import BEST, load_checkpoint, weights_under
from XrayToCTTraining.data.cohort import Case, Cohort
from XrayToCTTraining.data.samples import radiograph_of, volume_of
from XrayToCTTraining.data.volumes import read_volume

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


def settings_of(record: dict[str, Any]) -> ClassifierFit:
    """The fit that a record was written for."""
    kinds: dict[str, type[ClassifierFit]] = {
        "ct": CTClassifierFit,
        "xray": XrayClassifierFit,
        "joint": JointClassifierFit,
    }
    kind = kinds[record["kind"]]
    return kind(**{name: record[name] for name in kind.__dataclass_fields__ if name in record})


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
        inputs = inputs_of(cohort, case, sources_of(fit)[0], folder, fit)
        item = {name: x[None].to(device) for name, x in inputs.items()}
        rows.append(network(*arguments_of(network, item)).float().cpu().numpy()[0])
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


def trained_classifier(run: Path) -> tuple[Classifier, dict[str, Any]]:
    """The best epoch of a run, or the checkpoint where a file is given, and its settings.

    Raises:
        UnsuitableInput: there is no such checkpoint in ``run``.
    """
    state = load_checkpoint(run / BEST if run.is_dir() else run)
    if state is None or state["record"].get("network") != "classifier":
        raise UnsuitableInput(f"{run} holds no trained classifier; train one with `fit ct-classifier` or its sisters.")
    network = build_classifier(state["record"])
    network.load_state_dict(weights_under("network.", state))
    return network.eval(), {**state["record"], "best_epoch": state["epoch"]}


def activation_config(network: Classifier) -> ClassifierConfig:
    """A configuration with the network's activation: its own, or the default's softmax for radiographs."""
    config = network.config.ct if isinstance(network, JointClassifier) else network.config
    return config if isinstance(config, ClassifierConfig) else ClassifierConfig()


def activation_of(network: Classifier) -> str:
    return activation_config(network).activation


def arguments_of(network: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """What a network takes of a batch of :func:`inputs_of`."""
    if isinstance(network, CTClassifier):
        return (classifier_input(network.config, batch["volume"]),)
    if isinstance(network, JointClassifier):
        return batch["radiograph"], batch["volume"]
    return (batch["radiograph"],)


def inputs_of(cohort: Cohort, case: Case, source: str, folder: Path | None, fit: ClassifierFit) -> dict[str, Tensor]:
    """ "radiograph" (1, S, S) and "volume" (1, S, S, S) of a case, as far as a network of ``fit`` takes them.

    Args:
        source: of :func:`sources_of`. folder: of generated volumes.
    """
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


def _ct_config(name: str) -> ClassifierConfig:
    if name not in CLASSIFIERS:
        raise UnsuitableInput(f"There is no CT classifier {name!r}; choose one of {', '.join(CLASSIFIERS)}.")
    return CLASSIFIERS[name]


def xray_config(name: str, findings: tuple[str, ...] = ()) -> XrayClassifierConfig:
    """A configuration by its name; raises UnsuitableInput where there is none."""
    if name not in XRAY_CLASSIFIERS:
        raise UnsuitableInput(f"There is no X-ray classifier {name!r}; choose one of {', '.join(XRAY_CLASSIFIERS)}.")
    return replace(XRAY_CLASSIFIERS[name], findings=findings)
