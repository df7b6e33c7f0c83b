"""State dicts of the original networks, filled by the rule that the golden files were made with (no tests here)."""

from __future__ import annotations

import csv
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"


def golden_tensor(key: str, shape: tuple[int, ...], integer: bool = False) -> Tensor:
    """The float64 tensor (int64 zeros for integer tensors) that the rule gives for one key."""
    if integer:
        return torch.zeros(shape, dtype=torch.int64)
    normal = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
    last = key.rsplit(".", 1)[-1]
    if last == "running_mean":
        values = 0.1 * normal
    elif last == "running_var":
        values = 1 + 0.1 * np.abs(normal)
    elif len(shape) >= 2:
        values = normal * math.sqrt(2 / math.prod(shape[1:]))
    elif last == "bias":
        values = 0.1 * normal
    else:
        values = 1 + 0.1 * normal
    return torch.from_numpy(np.asarray(values))


def golden_state_dict(network: str, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Every key of golden/<network>_state_dict.tsv with its tensor by the rule, floating point in ``dtype``."""
    state = {}
    with open(GOLDEN / f"{network}_state_dict.tsv", newline="") as rows:
        for row in csv.DictReader(rows, delimiter="\t"):
            shape = tuple(int(side) for side in row["shape"].split(",") if side)
            integer = "int" in row["dtype"]
            tensor = golden_tensor(row["key"], shape, integer)
            state[row["key"]] = tensor if integer else tensor.to(dtype)
    return state


def golden_outputs(network: str) -> dict[str, np.ndarray]:
    """The arrays of golden/<network>_golden.npz."""
    with np.load(GOLDEN / f"{network}_golden.npz") as arrays:
        return dict(arrays)


def golden_input(seed: int, *shape: int) -> Tensor:
    """The float64 input (1, C, ...) that a golden output belongs to."""
    return torch.from_numpy(np.random.default_rng(seed).random((1, *shape)))
