"""How much memory a generator takes, told without taking it: its forward pass is run on tensors without values."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from XrayToCTLib.generators import build_generator
from XrayToCTLib.models import ModelInfo, generator_config


def generator_memory_mb(info: ModelInfo) -> int:
    """Megabytes of weights and features at their most, for one radiograph without refinement.

    The program itself comes on top, and what a device's libraries use to work in. Raises ModelError where the
    configuration is unusable.
    """
    config = generator_config(info)
    with torch.device("meta"), torch.inference_mode():
        generator = build_generator(config).eval()
        radiograph = torch.zeros(1, 1, config.size, config.size)
        with _Peak() as features:
            generator(radiograph)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in generator.state_dict().values())
    return round((weights + features.most) / 1e6)


class _Peak(TorchDispatchMode):
    """Counts the bytes of the tensors that live at the same time; ``most`` is their greatest number."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._now = 0
        self._tensors: set[int] = set()
        self._storages: dict[int, int] = {}  # how many tensors share it

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and id(leaf) not in self._tensors:
                self._follow(leaf)
        return result

    def _follow(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size, own = storage._cdata, storage.nbytes(), id(tensor)
        self._tensors.add(own)
        self._storages[key] = self._storages.get(key, 0) + 1
        if self._storages[key] == 1:
            self._now += size
            self.most = max(self.most, self._now)
        weakref.finalize(tensor, self._forget, own, key, size)

    def _forget(self, own: int, key: int, size: int) -> None:
        self._tensors.discard(own)
        self._storages[key] -= 1
        if not self._storages[key]:
            self._now -= size
