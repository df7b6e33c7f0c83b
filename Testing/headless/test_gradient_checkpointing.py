"""Recomputing the decoder changes memory, and nothing else."""

from dataclasses import replace

import pytest
import torch

from XrayToCTLib.generator import GENERATORS, Generator


@pytest.mark.parametrize("upsampling", ["transposed", "trilinear"])
def test_gradients_are_the_same_to_the_bit_with_dropout_drawn_alike(upsampling):
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(0)
        generator = Generator(replace(GENERATORS["test"], upsampling=upsampling)).train()
        generator.gradient_checkpointing = recompute
        volume = generator(torch.rand(2, 1, 32, 32))
        (volume * torch.rand(volume.shape)).sum().backward()
        gradients.append({name: parameter.grad for name, parameter in generator.named_parameters()})
    assert all(torch.equal(gradients[0][name], gradient) for name, gradient in gradients[1].items())
    assert any(gradient.abs().max() > 0 for gradient in gradients[0].values())


def test_less_is_kept_for_the_backward_pass():
    kept = []
    for recompute in (False, True):
        generator = Generator(GENERATORS["test"]).train()
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
