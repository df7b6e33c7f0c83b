"""Import of checkpoints of the original networks: X2CT's generators and discriminator, and the CT classifier."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from XrayToCTLib.classifier import CLASSIFIERS, CTClassifier, original_classifier_keys
from XrayToCTLib.errors import ModelError
from XrayToCTLib.generator import X2CT_GENERATORS, Generator, original_generator_keys
from XrayToCTLib.model_files import (
    MAX_FILE_BYTES,
    MAX_TENSORS,
    SUFFIX,
    card_path,
    check_name,
    read_bytes,
    sha256_of,
    write_atomically,
    write_model,
)
from XrayToCTLib.model_folders import user_folder
from XrayToCTLib.models import ModelInfo, read_info
from XrayToCTLib.orientation import permute_original_discriminator_kernel
from XrayToCTLib.orientation_check import FlipError, asymmetric_chest, identity_is_best, rank_flips
from XrayToCTLib.projection import Geometry

_RUNNING_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_DISCRIMINATOR_FILTERS = (64, 128, 256, 512)
_DISCRIMINATOR_CONVOLUTIONS = (0, 2, 5, 8, 11)  # the positions of the five convolutions, theirs and ours


@dataclass(frozen=True)
class Original:
    """A published network: its configuration here, and the key here and shape of every tensor that is imported."""

    kind: str
    title: str
    config: dict[str, Any]
    keys: dict[str, str]
    shapes: dict[str, tuple[int, ...]]


def import_checkpoint(
    path: Path,
    kind: str | None,
    name: str,
    force: bool = False,
    reference_cts: Sequence[Tensor] | None = None,
) -> ModelInfo:
    """Convert a checkpoint (.pth) of an original network into a model in the user's folder, with a card.

    path: a state dict, bare or under ``state_dict``, with or without ``module.`` before its keys; no code in it runs.
    kind: what it must be, or None to accept whichever network fits. name: of the new model.
    force: keep a generator whose output does not lie as ours does. reference_cts: network volumes (1, 1, D, H, W) to
    check that with, in place of a drawn chest; they are resampled to the generator's size.

    Raises ModelError where the file is unreadable, dangerous, too large or of another network, and where a generator's
    output is nearer to the truth under a flip than as it is (unless forced).
    """
    path = Path(path)
    check_name(name)
    state = read_checkpoint(path)
    original = recognise(state, path)
    if kind is not None and original.kind != kind:
        raise ModelError(f"The checkpoint {path} is a {original.kind}, not a {kind}; import it as a {original.kind}.")
    tensors = _converted(state, original)
    metadata: dict[str, Any] = {
        "kind": original.kind,
        "config": original.config,
        "geometry": None,
        "loss_preset": "unknown",
        "training_data": "unknown: imported from a checkpoint, which does not say",
        "metrics": {},
        "imported_from": {"file": path.name, "sha256": sha256_of(read_bytes(path)), "network": original.title},
    }
    if original.kind == "generator":
        geometry = _x2ct_geometry(original.config["size"])
        ranking = _ranking(original, tensors, geometry, reference_cts)
        if not (force or identity_is_best(ranking)):
            raise ModelError(
                f"The generator in {path} was not imported because its output is nearest to the true CT when flipped "
                f"({ranking[0].name}, error {ranking[0].rmse:.3f}), so its volumes would be mirrored; use --force to "
                "import it all the same."
            )
        metadata["geometry"] = geometry.to_dict()
        metadata["orientation"] = {
            "identity_is_best": identity_is_best(ranking),
            "bodies": "drawn chest" if reference_cts is None else f"{len(reference_cts)} CTs",
            "ranking": [{"flip": flip.name, "rmse": round(flip.rmse, 5)} for flip in ranking],
        }
    target = user_folder() / f"{name}{SUFFIX}"
    checksum = write_model(target, tensors, metadata)
    write_atomically(card_path(target), _card(name, checksum, metadata, tensors).encode())
    return read_info(target)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict of a checkpoint, ``module.`` taken off its keys. Raises ModelError (see import_checkpoint)."""
    _check_sizes(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the restricted unpickler fails on hostile files in any way it likes
        raise ModelError(
            f"The checkpoint {path} cannot be read as plain weights ({type(error).__name__}: it is damaged, or holds "
            "code, which is never run); export its state dict with torch.save(model.state_dict(), ...)."
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not 1 <= len(loaded) <= MAX_TENSORS:
        raise ModelError(
            f"The checkpoint {path} holds no state dict; save one with torch.save(model.state_dict(), ...)."
        )
    state = {}
    for key, tensor in loaded.items():
        plain = isinstance(key, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        if not plain or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise ModelError(f"The checkpoint {path} holds something other than plain tensors; export its state dict.")
        state[key.removeprefix("module.")] = tensor.detach()
    return state


def recognise(state: Mapping[str, Tensor], path: Path) -> Original:
    """Which original network a state dict belongs to, by its keys and shapes. Raises ModelError where it is none."""
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    misfits = {}
    for original in originals():
        extra = (key for key in shapes.keys() - original.keys.keys() if not key.endswith(_RUNNING_STATISTICS))
        misfit = [key for key, shape in original.shapes.items() if shapes.get(key) != shape]
        misfits[original.title] = sorted([*misfit, *extra])
        if not misfits[original.title]:
            return original
    nearest = min(misfits, key=lambda title: len(misfits[title]))
    raise ModelError(
        f"The checkpoint {path} is none of the original networks (the nearest is {nearest}, from which "
        f"{len(misfits[nearest])} tensors differ, {misfits[nearest][0][:80]!r} among them); give one of theirs."
    )


def originals() -> Iterator[Original]:
    """The published networks that can be imported."""
    for preset in ("paper", "paper-64"):
        config = X2CT_GENERATORS[preset]
        with torch.device("meta"):
            generator = Generator(config)
        title = f"X2CT-GAN generator, {config.size}"
        yield _original("generator", title, asdict(config), original_generator_keys(config), generator)
    medsynth = CLASSIFIERS["medsynth"]
    with torch.device("meta"):
        classifier = CTClassifier(medsynth)
    yield _original("ct_classifier", "CT classifier", asdict(medsynth), original_classifier_keys(medsynth), classifier)
    yield _original_discriminator()


def _original(kind: str, title: str, config: dict[str, Any], keys: dict[str, str], network: nn.Module) -> Original:
    ours = network.state_dict()
    return Original(kind, title, config, keys, {theirs: tuple(ours[name].shape) for theirs, name in keys.items()})


def _original_discriminator() -> Original:
    channels = (2, *_DISCRIMINATOR_FILTERS, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for index, position in enumerate(_DISCRIMINATOR_CONVOLUTIONS):
        shapes[f"model.{position}.weight"] = (channels[index + 1], channels[index], 4, 4, 4)
    for position in (_DISCRIMINATOR_CONVOLUTIONS[0], _DISCRIMINATOR_CONVOLUTIONS[-1]):
        shapes[f"model.{position}.bias"] = shapes[f"model.{position}.weight"][:1]
    keys = {key: key.replace("model.", "layers.", 1) for key in shapes}
    config = {"filters": list(_DISCRIMINATOR_FILTERS)}
    return Original("discriminator", "X2CT-GAN discriminator", config, keys, shapes)


def _converted(state: Mapping[str, Tensor], original: Original) -> dict[str, Tensor]:
    """The tensors under our keys, float32; running statistics of networks that do not use them are dropped."""
    tensors = {}
    for theirs, ours in original.keys.items():
        tensor = state[theirs]
        tensor = tensor.float() if tensor.is_floating_point() else tensor.to(torch.int64)
        if original.kind == "discriminator" and tensor.ndim == 5:
            tensor = permute_original_discriminator_kernel(tensor)
        tensors[ours] = tensor.contiguous()
    return tensors


def _x2ct_geometry(size: int) -> Geometry:
    """X2CT's published simulation, at the resolution of the generator."""
    return Geometry(detector_pixels=(size, size))


def _ranking(
    original: Original, tensors: Mapping[str, Tensor], geometry: Geometry, reference_cts: Sequence[Tensor] | None
) -> list[FlipError]:
    config = next(config for config in X2CT_GENERATORS.values() if asdict(config) == original.config)
    with torch.device("meta"):
        generator = Generator(config)
    generator.load_state_dict(tensors, assign=True)
    bodies = [
        F.interpolate(body, (config.size,) * 3, mode="trilinear")
        for body in reference_cts or [asymmetric_chest(config.size)]
    ]
    return rank_flips(generator.eval(), bodies, geometry)


def _check_sizes(path: Path) -> None:
    """Refuse a file that is too large, or that would unpack into far more than its own size."""
    size = len(read_bytes(path))
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
                largest = 0
        else:
            unpacked = size
            with open(path, "rb") as file:
                # the older format: three short pickles, then the one that says how long every storage is
                for _ in range(3):
                    for _ in pickletools.genops(file):
                        pass
                numbers = (argument for _, argument, _ in pickletools.genops(file) if isinstance(argument, int))
                largest = max(numbers, default=0)
    except (ValueError, zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise ModelError(f"The checkpoint {path} is not a PyTorch checkpoint or is damaged; get it again.") from error
    if unpacked > MAX_FILE_BYTES or largest > size:
        raise ModelError(f"The checkpoint {path} claims to hold more than its size allows; get it again.")


def _card(name: str, checksum: str, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """The model card, Markdown."""
    source = metadata["imported_from"]
    lines = [
        f"# {name}",
        "",
        "Imported weights, for research only: **not for diagnostic use**. Who trained them, on what, and under which",
        "licence, the checkpoint does not say: ask where it came from.",
        "",
        f"- network: {source['network']} ({metadata['kind']}), {sum(t.numel() for t in tensors.values()):,} values",
        f"- imported from: `{source['file']}`, SHA-256 `{source['sha256']}`",
        f"- this file: `{name}{SUFFIX}`, SHA-256 `{checksum}`",
        f"- loss preset: {metadata['loss_preset']}; training data: {metadata['training_data']}",
    ]
    if metadata["kind"] == "ct_classifier":
        lines += [
            "- outputs taken to be healthy, sick, tuberculosis, in this order, with one sigmoid a class",
            "- never validated by this program on patients with tuberculosis",
        ]
    if orientation := metadata.get("orientation"):
        geometry = metadata["geometry"]
        verdict = "as expected" if orientation["identity_is_best"] else "**NOT as expected, imported by force**"
        lines += [
            f"- geometry (X2CT's published simulation): SAD {geometry['source_to_axis_mm']:g} mm, SID "
            f"{geometry['source_to_detector_mm']:g} mm, detector {geometry['detector_mm']} mm, volume "
            f"{geometry['volume_mm']} mm",
            "",
            "## Orientation",
            "",
            f"Error of its output against the CT behind the radiograph ({orientation['bodies']}): {verdict}.",
            "",
            "| output flipped | RMSE |",
            "|---|---|",
            *(f"| {flip['flip']} | {flip['rmse']:.5f} |" for flip in orientation["ranking"]),
        ]
    return "\n".join(lines) + "\n"
