"""The conditional 3D PatchGAN against the original network and against its own definition."""

import pytest
import torch

from golden_rule import golden_input, golden_outputs, golden_state_dict
from XrayToCTLib.orientation import permute_original_discriminator_kernel
from XrayToCTTraining.discriminator import Discriminator, DiscriminatorConfig


@pytest.fixture(scope="module")
def original_state():
    state = golden_state_dict("x2ct_discriminator")
    return {key.replace("model.", "layers."): value for key, value in state.items() if key.endswith(("weight", "bias"))}


@pytest.fixture(scope="module")
def original(original_state):
    network = Discriminator().double().eval()
    network.load_state_dict(original_state)
    return network


def test_scores_are_those_of_the_original_network_in_double_precision(original):
    with torch.no_grad():
        scores = original.layers(golden_input(7, 2, 32, 32, 32))
    expected = torch.from_numpy(golden_outputs("x2ct_discriminator")["y"])
    assert scores.shape == expected.shape
    assert (scores - expected).abs().max() < 1e-9


def test_the_radiograph_repeated_along_depth_is_the_first_channel(original):
    generator = torch.Generator().manual_seed(0)
    radiograph = torch.rand(1, 1, 20, 20, generator=generator, dtype=torch.float64)
    volume = torch.rand(1, 1, 20, 20, 20, generator=generator, dtype=torch.float64)
    pair = torch.empty(1, 2, 20, 20, 20, dtype=torch.float64)
    for depth in range(20):
        pair[0, 0, depth] = radiograph[0, 0]
    pair[0, 1] = volume[0, 0]
    with torch.no_grad():
        assert torch.equal(original(radiograph, volume), original.layers(pair))


def test_permuted_kernels_see_our_axes_as_the_original_saw_its_own(original, original_state):
    ours = Discriminator().double().eval()
    permuted = {
        key: permute_original_discriminator_kernel(value) if value.ndim == 5 else value
        for key, value in original_state.items()
    }
    ours.load_state_dict(permuted)
    volume_dhw = torch.rand(1, 2, 24, 20, 28, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        theirs = original.layers(volume_dhw.permute(0, 1, 3, 2, 4))  # (z, y, x)
        assert torch.allclose(ours.layers(volume_dhw), theirs.permute(0, 1, 3, 2, 4), atol=1e-10, rtol=0)


def test_a_batch_is_scored_image_by_image():
    network = Discriminator(DiscriminatorConfig(filters=(4, 8, 8)))
    radiographs, volumes = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16, 16)
    with torch.no_grad():
        together = network(radiographs, volumes)
        apart = torch.cat([network(radiographs[i : i + 1], volumes[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, apart, atol=1e-6)


def test_a_radiograph_of_another_size_than_the_volume_is_refused():
    with pytest.raises(RuntimeError):
        Discriminator(DiscriminatorConfig(filters=(4, 8)))(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 16, 16, 16))
