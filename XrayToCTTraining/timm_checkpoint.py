"""Weights of a timm vision transformer (``vit_small_patch16_224`` and its like) into our X-ray classifier."""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.xray_classifier import XrayClassifier

LARGEST_BYTES = 1 << 30
_LAYER = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.qkv": "self_attn.in_proj_",
    "attn.proj": "self_attn.out_proj",
    "mlp.fc1": "linear1",
    "mlp.fc2": "linear2",
}


def load_timm(network: nn.Module, path: Path) -> None:
    """Fills everything but the heads from a timm checkpoint (.pth or .safetensors; no code in it runs).

    The three colours' kernels are summed, since grey is the same in each; position embeddings of another grid are
    interpolated. timm's augreg models expect values scaled to [-1, 1], as our network does itself.

    Raises:
        UnsuitableInput: the file cannot be read, or is not a vision transformer of these sizes.
    """
    assert isinstance(network, XrayClassifier)
    state = _read(path)
    own = network.state_dict()
    try:
        taken = _converted(state, network)
        for key, tensor in taken.items():
            if tensor.shape != own[key].shape:
                raise ValueError(f"{key} is {tuple(tensor.shape)} where {tuple(own[key].shape)} is needed")
    except (KeyError, ValueError, RuntimeError) as error:
        raise UnsuitableInput(
            f"{path} is not a timm vision transformer of this size ({error}); give one of vit_small_patch16_224."
        ) from error
    network.load_state_dict({**own, **taken})


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file() or path.stat().st_size > LARGEST_BYTES:
        raise UnsuitableInput(f"{path} is missing or over 1 GiB; give a timm checkpoint.")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return dict(state.get("model", state))
    except Exception as error:  # the restricted unpickler fails on hostile files in any way it likes
        raise UnsuitableInput(f"{path} cannot be read as plain weights; download it again.") from error


def _converted(state: dict[str, Tensor], network: XrayClassifier) -> dict[str, Tensor]:
    taken = {
        "class_token": state["cls_token"],
        "positions": _resized(state["pos_embed"], network.positions.shape[1]),
        "patches.weight": state["patch_embed.proj.weight"].sum(1, keepdim=True),
        "patches.bias": state["patch_embed.proj.bias"],
        "norm.weight": state["norm.weight"],
        "norm.bias": state["norm.bias"],
    }
    for layer in range(len(network.layers)):
        for theirs, ours in _LAYER.items():
            for part in ("weight", "bias"):
                joint = "" if ours.endswith("_") else "."
                taken[f"layers.{layer}.{ours}{joint}{part}"] = state[f"blocks.{layer}.{theirs}.{part}"]
    return {key: tensor.float() for key, tensor in taken.items()}


def _resized(positions: Tensor, wanted: int) -> Tensor:
    """Position embeddings (1, 1 + n, width) for another square grid; the class token's stays."""
    token, grid = positions[:, :1].float(), positions[:, 1:].float()
    side, wanted_side = round(grid.shape[1] ** 0.5), round((wanted - 1) ** 0.5)
    if side == wanted_side:
        return positions
    picture = grid.unflatten(1, (side, side)).permute(0, 3, 1, 2)
    picture = F.interpolate(picture, (wanted_side, wanted_side), mode="bicubic", antialias=True)
    return torch.cat([token, picture.flatten(2).transpose(1, 2)], dim=1)
