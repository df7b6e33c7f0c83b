"""The catalogue of models: find, describe, verify, load and save the weights of the networks that run at inference."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from XrayToCTLib import model_folders
from XrayToCTLib.classifier import ClassifierConfig, CTClassifier
from XrayToCTLib.errors import DeviceError, ModelError
from XrayToCTLib.generators import (
    AnyConfig,
    AnyGenerator,
    ReadyGenerator,
    build_generator,
    config_type,
    with_finishing,
)
from XrayToCTLib.input_network import InputCheckConfig, InputNetwork
from XrayToCTLib.joint_classifier import JointClassifier, JointClassifierConfig
from XrayToCTLib.model_config import config_from_dict, printable
from XrayToCTLib.model_files import (
    KINDS,
    SUFFIX,
    card_path,
    check_name,
    checksums,
    parse_header,
    parse_tensors,
    read_bytes,
    read_card,
    sha256_of,
    write_model,
)
from XrayToCTLib.projection import Geometry
from XrayToCTLib.style_transfer import StyleTransfer, StyleTransferConfig
from XrayToCTLib.xray_classifier import XrayClassifier, XrayClassifierConfig

_MAX_CONSISTENCY = 8

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class ModelInfo:
    """One model file: what it is, before any tensor is read.

    name: the file's name without its suffix. sha256: of the file, in hexadecimal. kind: one of model_files.KINDS.
    config: the network's sizes as JSON values. geometry: of the radiographs it was trained on, None where unknown.
    metadata: the file's whole metadata. card: the text of its model card, None where it has none.
    clear_air, consistency: of a generator, what ``finished_generator.finished`` does after the network.
    """

    name: str
    path: Path
    sha256: str
    kind: str
    config: dict[str, Any]
    geometry: Geometry | None
    metadata: dict[str, Any]
    card: str | None
    clear_air: bool = False
    consistency: int = 0


def scan_models() -> tuple[list[ModelInfo], list[ModelError]]:
    """The models on the search path, the first of each name, and the errors of the files that cannot be read."""
    models: dict[str, ModelInfo] = {}
    problems: list[ModelError] = []
    for path in _model_files():
        if path.stem in models:
            continue
        try:
            models[path.stem] = read_info(path)
        except ModelError as error:
            problems.append(error)
    return list(models.values()), problems


def list_models() -> list[ModelInfo]:
    """The readable models on the search path, the first of each name."""
    return scan_models()[0]


def find(name_or_file: str | os.PathLike[str], kind: str | None = None) -> ModelInfo:
    """The model of a name on the search path, or of a file (anything that ends in .safetensors).

    Raises ModelError where there is none, it is damaged, or it is not of the kind.
    """
    text = os.fspath(name_or_file)
    if text.endswith(SUFFIX):
        info = read_info(Path(text).expanduser())
    else:
        check_name(text)
        found = next((path for path in _model_files() if path.stem == text), None)
        if found is None:
            names = ", ".join(sorted({path.stem for path in _model_files()})) or "none installed"
            raise ModelError(
                f"There is no model named {text!r} (known: {names}); use one of these, give a {SUFFIX} file, or get it "
                "with 'xray-to-ct models import'."
            )
        info = read_info(found)
    _check_kind(info, kind)
    return info


def default_model(kind: str) -> ModelInfo:
    """The model to use where the user names none: the package's first of the kind, else the search path's first.

    Raises ModelError where there is none.
    """
    return default_of(list_models(), kind)


def default_of(found: Sequence[ModelInfo], kind: str) -> ModelInfo:
    """The :func:`default_model` among models in the order of search. Raises ModelError where none is of the kind."""
    candidates = [info for info in found if info.kind == kind]
    shipped = [info for info in candidates if info.path.parent == model_folders.PACKAGE_WEIGHTS]
    if not candidates:
        raise ModelError(f"No {kind} is installed; reinstall the program or get one with 'xray-to-ct models import'.")
    return (shipped or candidates)[0]


def installed(kind: str) -> ModelInfo | None:
    """:func:`default_model` of a kind that the program does without: None where there is none."""
    try:
        return default_model(kind)
    except ModelError:
        return None


def generator_config(info: ModelInfo) -> AnyConfig:
    """The sizes of a generator's network. Raises ModelError where they are unusable."""
    return config_from_dict(config_type(info.config), info.config)


def trained_geometry(info: ModelInfo, size: int) -> Geometry:
    """The geometry that a generator of (size, size) radiographs was trained in; X2CT's where the model does not say."""
    return info.geometry or Geometry(detector_pixels=(size, size))


def read_info(path: Path) -> ModelInfo:
    """What a model file says about itself. Raises ModelError where it is missing, damaged or not what was recorded."""
    return _parse_info(read_bytes(path), path)


def verify(info: ModelInfo) -> None:
    """Read the whole model again and check it: checksum, header, shapes against the configuration, finite values.

    Raises ModelError where anything is wrong, or where the file is no longer the one that ``info`` describes.
    """
    if info.kind in _BUILDERS:
        _with_weights(info, _BUILDERS[info.kind])
    else:
        parse_tensors(_read_unchanged(info), info.path)


def describe(info: ModelInfo) -> str:
    """Several lines of plain text for a person: kind, checksum, sizes, geometry, training data and metrics."""
    metadata = info.metadata
    recorded = checksums(info.path.parent).get(info.path.name)
    lines = [
        f"name           {info.name}",
        f"kind           {info.kind}",
        f"file           {info.path}",
        f"SHA-256        {info.sha256} ({'as recorded' if recorded else 'no record to compare with'})",
        f"configuration  {_listed(info.config)}",
        f"geometry       {_listed(info.geometry.to_dict()) if info.geometry else 'unknown'}",
        f"loss preset    {printable(metadata.get('loss_preset', 'unknown'))}",
        f"training data  {printable(metadata.get('training_data', 'unknown'))}",
    ]
    if isinstance(metadata.get("metrics"), dict):
        lines.append(f"metrics        {_listed(metadata['metrics'])}")
    lines.append(f"card           {card_path(info.path) if info.card else 'none'}")
    return "\n".join(lines)


def load_generator(info: ModelInfo, device: torch.device | str = "cpu") -> ReadyGenerator:
    """The generator in evaluation mode, float32, on the device, with what the model does to its volumes afterwards.

    Raises ModelError or DeviceError.
    """
    network = load_module(info, "generator", _generator, device)
    return with_finishing(network, info.geometry, info.clear_air, info.consistency)


def load_classifier(info: ModelInfo, device: torch.device | str = "cpu") -> CTClassifier:
    """The CT classifier in evaluation mode, float32, on the device. Raises ModelError or DeviceError."""
    return load_module(info, "ct_classifier", _classifier, device)


def load_xray_classifier(info: ModelInfo, device: torch.device | str = "cpu") -> XrayClassifier:
    """The X-ray classifier in evaluation mode, float32, on the device. Raises ModelError or DeviceError."""
    return load_module(info, "xray_classifier", _xray_classifier, device)


def load_joint_classifier(info: ModelInfo, device: torch.device | str = "cpu") -> JointClassifier:
    """The joint classifier in evaluation mode, float32, on the device. Raises ModelError or DeviceError."""
    return load_module(info, "joint_classifier", _joint_classifier, device)


def load_input_check(info: ModelInfo, device: torch.device | str = "cpu") -> InputNetwork:
    """The input check in evaluation mode, float32, on the device. Raises ModelError or DeviceError."""
    return load_module(info, "input_check", _input_check, device)


def load_module(
    info: ModelInfo, kind: str, build: Callable[[ModelInfo], Module], device: torch.device | str = "cpu"
) -> Module:
    """The network that ``build`` makes with the file's weights, in evaluation mode, float32, on the device.

    Every tensor of the network must be in its state dict. Raises ModelError where the file is not of the kind or does
    not fit the network, DeviceError where the device cannot hold it.
    """
    _check_kind(info, kind)
    module = _with_weights(info, build)
    try:
        return module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"The model {info.path} cannot be moved to {device}; choose the device cpu.") from error


def save_model(
    path: str | os.PathLike[str],
    module: nn.Module,
    kind: str,
    config: Any,
    geometry: Geometry | None,
    metadata: Mapping[str, Any],
    dtype: torch.dtype = torch.float16,
) -> ModelInfo:
    """Write a network as a model file, atomically, and record its checksum in the folder's SHA256SUMS.

    config is the network's dataclass; metadata holds loss_preset, training_data, metrics and whatever else belongs in
    the file (JSON values). Parameters are stored as ``dtype``; running statistics stay float32, since half precision
    would cut off small variances. Raises ModelError where the folder cannot be written or values are not finite.
    """
    path = Path(path)
    check_name(path.stem)
    if path.suffix != SUFFIX or kind not in KINDS:
        raise ValueError(
            f"a model file ends in {SUFFIX} and its kind is one of {KINDS}, not {path.name!r} and {kind!r}"
        )
    parameters = {name for name, _ in module.named_parameters()}
    tensors = {name: t.to(dtype) if name in parameters else t for name, t in module.state_dict().items()}
    own = {"kind": kind, "config": asdict(config), "geometry": geometry.to_dict() if geometry else None}
    write_model(path, tensors, {"loss_preset": "", "training_data": "", "metrics": {}, **metadata, **own})
    return read_info(path)


def _generator(info: ModelInfo) -> AnyGenerator:
    return build_generator(generator_config(info))


def _classifier(info: ModelInfo) -> CTClassifier:
    return CTClassifier(config_from_dict(ClassifierConfig, info.config))


def _xray_classifier(info: ModelInfo) -> XrayClassifier:
    return XrayClassifier(config_from_dict(XrayClassifierConfig, info.config))


def _joint_classifier(info: ModelInfo) -> JointClassifier:
    halves = {"xray": XrayClassifierConfig, "ct": ClassifierConfig}
    if info.config.keys() != halves.keys() or not all(isinstance(half, dict) for half in info.config.values()):
        raise ModelError(f"The model file {info.path} has no configuration of two halves; get or import it again.")
    return JointClassifier(
        JointClassifierConfig(**{name: config_from_dict(cls, info.config[name]) for name, cls in halves.items()})
    )


def _input_check(info: ModelInfo) -> InputNetwork:
    return InputNetwork(config_from_dict(InputCheckConfig, info.config))


# The networks that this library builds itself; a discriminator is built by the training package.
_BUILDERS: dict[str, Callable[[ModelInfo], nn.Module]] = {
    "generator": _generator,
    "ct_classifier": _classifier,
    "input_check": _input_check,
    "xray_classifier": _xray_classifier,
    "joint_classifier": _joint_classifier,
    "style_transfer": lambda info: StyleTransfer(config_from_dict(StyleTransferConfig, info.config)),
}


def _model_files() -> list[Path]:
    """Every model file on the search path, in the order of search; names that nobody could ask for are left out."""
    files = []
    for folder in model_folders.search_path():
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.name.endswith(SUFFIX)]
        except OSError:
            continue  # a folder that does not exist holds no models
        files += [folder / name for name in sorted(names, key=_stem) if not name.startswith(".")]
    return files


def _stem(name: str) -> str:
    """What models are sorted by: with the ending, `a-b` would come before `a`."""
    return name.removesuffix(SUFFIX)


def _parse_info(content: bytes, path: Path) -> ModelInfo:
    header, checksum = parse_header(content, path), sha256_of(content)
    recorded = checksums(path.parent).get(path.name)
    if recorded not in (None, checksum):
        raise ModelError(
            f"The model file {path} is damaged or was replaced (its SHA-256 is {checksum[:12]}... where "
            f"{recorded[:12]}... is recorded beside it); get or import it again."
        )
    metadata = header.metadata
    try:
        geometry = Geometry.from_dict(metadata["geometry"]) if metadata.get("geometry") else None
    except ValueError as error:
        raise ModelError(
            f"The model file {path} has an unusable geometry ({error}); get or import it again."
        ) from error
    clear_air, consistency = metadata.get("clear_air", False), metadata.get("consistency", 0)
    if type(clear_air) is not bool or ((clear_air or consistency) and not geometry):
        raise ModelError(f"The model file {path} has an unusable clear_air; get or import it again.")
    if type(consistency) is not int or not 0 <= consistency <= _MAX_CONSISTENCY:
        raise ModelError(f"The model file {path} has an unusable consistency; get or import it again.")
    kind, config, card = metadata["kind"], metadata["config"], read_card(path)
    return ModelInfo(path.stem, path, checksum, kind, config, geometry, metadata, card, clear_air, consistency)


def _read_unchanged(info: ModelInfo) -> bytes:
    """The content of the model's file, once it is known to be what ``info`` was read from."""
    content = read_bytes(info.path)
    if _parse_info(content, info.path).sha256 != info.sha256:
        raise ModelError(f"The model file {info.path} has changed since it was found; run the command again.")
    return content


def _with_weights(info: ModelInfo, build: Callable[[ModelInfo], Module]) -> Module:
    """The network in evaluation mode on the CPU; nothing of its size is allocated before all shapes are known."""
    content = _read_unchanged(info)
    with torch.device("meta"):
        module = build(info)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    shapes = parse_header(content, info.path).shapes
    if shapes != expected:
        odd = sorted(name for name in shapes.keys() | expected.keys() if shapes.get(name) != expected.get(name))
        raise ModelError(
            f"The model file {info.path} does not fit its own configuration ({len(odd)} tensors differ, "
            f"{printable(odd[0])} among them); get or import it again."
        )
    tensors = parse_tensors(content, info.path)
    for name, tensor in module.state_dict().items():
        if tensors[name].dtype != tensor.dtype:
            raise ModelError(
                f"The model file {info.path} holds {name} as another type of number; get or import it again."
            )
    module.load_state_dict(tensors, assign=True)
    return module.eval()


def _check_kind(info: ModelInfo, kind: str | None) -> None:
    if kind is not None and info.kind != kind:
        raise ModelError(f"The model {info.path} is a {info.kind} where a {kind} is needed; choose another model.")


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{printable(name)} {printable(value)}" for name, value in values.items())
