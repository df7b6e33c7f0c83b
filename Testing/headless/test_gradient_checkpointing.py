"""Recomputing the decoder changes memory, and nothing else."""

import pytest
import torch

from XrayToCTLib.compact_generator import CompactConfig
from XrayToCTLib.generators import GENERATORS, build_generator

COMPACT = CompactConfig(
    size=32, planar_channels=(8, 8, 16), planar_blocks=(1, 1, 1), volume_channels=(8, 8), volume_blocks=(3, 1)
)
X2CT = GENERATORS["test"]


@pytest.mark.parametrize("config", [X2CT, COMPACT], ids=["x2ct", "compact"])
def test_gradients_are_the_same_to_the_bit_with_dropout_drawn_alike(config):
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        generator = build_generator(config).train()
        generator.set_dropout(0.5)
        generator.gradient_checkpointing = recompute
        volume = generator(torch.rand(2, 1, 32, 32))
        (volume * torch.rand(volume.shape)).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in generator.named_parameters()})
    assert all(torch.equal(gradients[0][name], gradient) for name, gradient in gradients[1].items())
    assert any(gradient.abs().max() > 0 for gradient in gradients[0].values())


@pytest.mark.parametrize("config", [X2CT, COMPACT], ids=["x2ct", "compact"])
def test_less_is_kept_for_the_backward_pass(config):
    kept = []
    for recompute in (False, True):
        generator = build_generator(config).train()
        generator.gradient_checkpointing = recompute
        bytes_kept = 0

        def count(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal bytes_kept
            bytes_kept += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            generator(torch.rand(1, 1, 32, 32))
        kept.append(bytes_kept)
    assert kept[1] < 0.6 * kept[0]
