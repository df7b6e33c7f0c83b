"""Trained runs as the weights and model cards that the runtime loads, and as ONNX."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from XrayToCTLib.atomic_write import write_bytes_atomically
from XrayToCTLib.classifier import CTClassifier, classifier_input, temperature_of
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.evidence import on_real_radiographs
from XrayToCTLib.generators import network_of
from XrayToCTLib.joint_classifier import JointClassifier
from XrayToCTLib.models import save_model
from XrayToCTLib.projection import Geometry
from XrayToCTLib.uncertainty import calibration_of
from XrayToCTTraining.calibration import CALIBRATION
from XrayToCTTraining.checkpoints import BEST, CHECKPOINT, load_checkpoint
from XrayToCTTraining.class_calibration import TEMPERATURE
from XrayToCTTraining.classifiers import trained_classifier
from XrayToCTTraining.evaluation import METRICS
from XrayToCTTraining.model_card import card_text, limits_of
from XrayToCTTraining.trained import trained_generator, trained_input_check, trained_style

PICTURES = {
    "cases.png": "Best, middle and worst case",
    "lesions.png": "Planted lesions: radiograph, truth, generated, and what each lesion changes",
    "reliability.png": "Expected against measured error",
    "roc-tb.png": "TB against the rest",
}
"""What the pictures of an evaluation show, by their names."""


@dataclass(frozen=True)
class Evidence:
    """What an evaluation left in its folder: a table (Markdown), figures, pictures with their words, calibrations."""

    folder: Path
    table: str
    metrics: dict[str, Any]
    pictures: dict[Path, str]
    calibration: dict[str, Any] | None
    temperature: float | None


@dataclass(frozen=True)
class Trained:
    """A network out of a run, and what its file must say.

    Attributes:
        kind: as in ``model_files.KINDS``. examples: inputs of the right size, for ONNX.
        settings: those of the fit. names: of ONNX's inputs and output.
    """

    network: nn.Module
    kind: str
    geometry: Geometry | None
    settings: dict[str, Any]
    examples: tuple[Tensor, ...]
    names: tuple[str, ...]


def trained_network(run: Path) -> Trained:
    """Whatever network a run trained.

    Raises:
        UnsuitableInput: no checkpoint.
    """
    state = load_checkpoint(run / BEST) or load_checkpoint(run / CHECKPOINT)
    kind = state["record"]["network"] if state else None
    if kind == "generator":
        generator, geometry, settings = trained_generator(run)
        size = generator.config.size
        example = torch.rand(1, 1, size, size)
        return Trained(network_of(generator), kind, geometry, settings, (example,), ("radiograph", "volume"))
    if kind == "cyclegan":
        style, settings = trained_style(run)
        example = torch.rand(1, 1, settings["size"], settings["size"])
        return Trained(style, "style_transfer", None, settings, (example,), ("radiograph", "styled"))
    if kind == "classifier":
        classifier, settings = trained_classifier(run)
        if isinstance(classifier, JointClassifier):
            side = classifier.config.xray.size
            both = torch.rand(1, 1, side, side), torch.rand(1, 1, *(settings["size"],) * 3)
            return Trained(classifier, "joint_classifier", None, settings, both, ("radiograph", "volume", "logits"))
        if isinstance(classifier, CTClassifier):
            example = classifier_input(classifier.config, torch.rand(1, 1, *(settings["size"],) * 3))
            return Trained(classifier, "ct_classifier", None, settings, (example,), ("volume", "logits"))
        size = classifier.config.size
        example = torch.rand(1, 1, size, size)
        return Trained(classifier, "xray_classifier", None, settings, (example,), ("radiograph", "logits"))
    if kind == "input_check":
        network, settings = trained_input_check(run)
        size = network.config.size
        return Trained(network, kind, None, settings, (torch.rand(1, 1, size, size),), ("radiograph", "logits"))
    raise UnsuitableInput(f"{run} holds no trained network; train one with `python -m XrayToCTTraining fit`.")


def losses_of(settings: dict[str, Any]) -> str:
    """The losses of a fit in a line, such as ``adversarial 0.1 (paper), reconstruction 10, projection 10``."""
    if "weights" not in settings:
        return "least squares GAN" if settings.get("network") == "cyclegan" else "cross-entropy"
    weights = dict(settings["weights"])
    if not settings["induction_epochs"]:
        weights |= {"induction": 0, "details": 0, "anchor": 0}
    form = {"adversarial": f" ({settings['adversarial_form']})"}
    return ", ".join(f"{name} {weight:g}{form.get(name, '')}" for name, weight in weights.items() if weight)


def read_evidence(folder: Path) -> Evidence:
    """The results of an ``evaluate``.

    Raises:
        UnsuitableInput: no table there, or a calibration or a temperature that cannot be used.
    """
    if not (folder / "summary.md").is_file():
        raise UnsuitableInput(f"{folder} holds no summary.md; give the folder of an `evaluate`.")
    stored = [
        json.loads(path.read_text()) if path.is_file() else None
        for path in (folder / METRICS, folder / CALIBRATION, folder / TEMPERATURE)
    ]
    temperature = temperature_of(stored[2]) if isinstance(stored[2], dict) else None
    if stored[2] is not None and temperature is None:
        raise UnsuitableInput(f"{folder / TEMPERATURE} holds no temperature; write it with `evaluate classification`.")
    if stored[1] is not None and calibration_of({"uncertainty": stored[1]}) is None:
        raise UnsuitableInput(f"{folder / CALIBRATION} holds no calibration; write it with `evaluate uncertainty`.")
    pictures = {folder / name: words for name, words in PICTURES.items() if (folder / name).is_file()}
    return Evidence(folder, (folder / "summary.md").read_text(), stored[0] or {}, pictures, stored[1], temperature)


def export_run(run: Path, name: str, out: Path, data: str, results: Sequence[Path], onnx: bool) -> list[Path]:
    """Writes ``<name>.safetensors`` and ``<name>.md``, and ``<name>.onnx`` where it is wanted; returns the paths.

    Args:
        data: a sentence on what the network was trained on.
        results: folders of ``evaluate`` of this run. Their tables go into the card; where they drew cases or curves,
            pictures beside it show them. Figures go into the file, those of all but the first under the folder's name,
            and so do a calibration of uncertainty and a temperature of classes.

    Raises:
        UnsuitableInput: no trained network in ``run``, or no table in one of ``results``.
    """
    trained = trained_network(run)
    evidence = [read_evidence(folder) for folder in results]
    metrics = evidence[0].metrics if evidence else {}
    metrics |= {part.folder.name: part.metrics for part in evidence[1:] if part.metrics}
    limits = [*limits_of(trained.kind, trained.settings), *on_real_radiographs(trained.kind, {"metrics": metrics})]
    facts: dict[str, Any] = {
        "training_data": data,
        "metrics": metrics,
        "loss_preset": losses_of(trained.settings),
        "summary": " ".join(limits),
        "settings": trained.settings,
    }
    if trained.kind == "generator":
        facts |= {name: trained.settings[name] for name in ("clear_air", "consistency")}
    for part in evidence:
        if part.calibration is not None:
            facts["uncertainty"] = part.calibration
        if part.temperature is not None:
            facts["temperature"] = part.temperature
    out.mkdir(parents=True, exist_ok=True)
    config: Any = trained.network.config
    info = save_model(out / f"{name}.safetensors", trained.network, trained.kind, config, trained.geometry, facts)
    card = out / f"{name}.md"
    paths = [info.path, card]
    text = ""
    for part in evidence:
        text += part.table
        for picture, words in part.pictures.items():
            paths.append(out / f"{name}-{part.folder.name}-{picture.name}")
            write_bytes_atomically(paths[-1], picture.read_bytes())
            text += f"\n![{words}]({paths[-1].name})\n\n"
    write_bytes_atomically(card, card_text(name, trained.kind, limits, trained.settings, data, text).encode())
    if onnx:
        geometry = trained.geometry.to_dict() if trained.geometry else None
        metadata = {"kind": trained.kind, "config": json.loads(json.dumps(asdict(config))), "geometry": geometry}
        paths.append(out / f"{name}.onnx")
        from XrayToCTTraining.onnx_export import export_onnx  # needs onnx, which Slicer has not

        export_onnx(trained.network, trained.examples, trained.names, paths[-1], metadata)
    return paths
