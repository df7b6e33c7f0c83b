"""The compact generator, by facts that hold whatever its weights."""

import dataclasses

import onnxruntime
import pytest
import torch

from XrayToCTLib.compact_generator import COMPACT_GENERATORS, CompactConfig, CompactGenerator, subvoxels_to_space
from XrayToCTTraining.onnx_export import export_onnx

SMALL = CompactConfig(
    size=16, planar_channels=(8, 8, 16), planar_blocks=(1, 1, 1), volume_channels=(4, 6), volume_blocks=(1, 1)
)


def randomised(config: CompactConfig = SMALL) -> CompactGenerator:
    """With no weight at zero, as after some training."""
    torch.manual_seed(0)
    generator = CompactGenerator(config)
    for parameter in generator.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.1)
    torch.nn.init.constant_(generator.coarse_head.bias, 1.0)  # nothing is cut off by the last ReLU
    return generator.eval()


def test_a_radiograph_becomes_a_cube_of_its_own_side():
    for size in (16, 32):
        generator = CompactGenerator(dataclasses.replace(SMALL, size=size))
        volume = generator(torch.rand(2, 1, size, size))
        assert volume.shape == (2, 1, size, size, size)
        assert volume.min() >= 0


def test_each_voxel_is_split_into_the_eight_sub_voxels_of_its_own_place():
    channels = torch.arange(8.0).view(1, 8, 1, 1, 1).expand(1, 8, 2, 3, 4)
    volume = subvoxels_to_space(channels)
    assert volume.shape == (1, 1, 4, 6, 8)
    for d in range(2):
        for h in range(2):
            for w in range(2):
                assert (volume[0, 0, d::2, h::2, w::2] == 4 * d + 2 * h + w).all()


def test_rows_and_columns_of_the_radiograph_are_rows_and_columns_of_the_volume():
    """A change in one corner of the radiograph changes that corner of the volume most, at any depth."""
    config = dataclasses.replace(SMALL, size=64)
    generator = randomised(config)
    plain = torch.full((1, 1, 64, 64), 0.5)
    for rows, columns in ((slice(4, 12), slice(48, 56)), (slice(40, 48), slice(8, 16))):
        changed = plain.clone()
        changed[0, 0, rows, columns] += 0.5
        with torch.no_grad():
            difference = (generator(changed) - generator(plain))[0, 0].abs().mean(0)
        here = difference[rows, columns].mean()
        mirrored = difference.flip(1)[rows, columns].mean()
        upside_down = difference.flip(0)[rows, columns].mean()
        assert here > 2 * mirrored
        assert here > 2 * upside_down


def test_one_case_is_not_changed_by_its_neighbours_in_the_batch():
    generator = randomised()
    x = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(generator(x)[1:2], generator(x[1:2]), rtol=1e-5, atol=1e-6)


def test_dropout_draws_while_training_and_never_afterwards():
    generator = randomised()
    generator.set_dropout(0.5)
    x = torch.rand(1, 1, 16, 16)
    assert torch.equal(generator(x), generator(x))
    generator.train()
    assert not torch.equal(generator(x), generator(x))


def test_every_weight_gets_a_gradient():
    generator = randomised().train()
    generator(torch.rand(1, 1, 16, 16)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in generator.parameters())


def test_bfloat16_stays_near_full_precision():
    generator = randomised()
    x = torch.rand(1, 1, 16, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        mixed = generator(x).float()
    with torch.no_grad():
        full = generator(x)
    assert (mixed - full).abs().max() < 0.05 * full.abs().max()


@pytest.mark.parametrize("cases", [1, 3])
def test_onnx_gives_what_pytorch_gives_for_any_number_of_cases(tmp_path, cases):
    generator = randomised()
    path = tmp_path / "compact.onnx"
    export_onnx(generator, torch.rand(1, 1, 16, 16), ("radiograph", "volume"), path, {})
    x = torch.rand(cases, 1, 16, 16)
    (got,) = onnxruntime.InferenceSession(path).run(None, {"radiograph": x.numpy()})
    with torch.no_grad():
        expected = generator(x).numpy()
    assert abs(got - expected).max() < 1e-3 * abs(expected).max()


def test_the_compact_generator_is_an_eighth_of_the_papers():
    with torch.device("meta"):
        parameters = sum(p.numel() for p in CompactGenerator(COMPACT_GENERATORS["compact"]).parameters())
    assert parameters < 29.4e6 / 7


@pytest.mark.parametrize(
    "change",
    [
        {"size": 18},
        {"size": 4},
        {"planar_blocks": (1, 1)},
        {"volume_channels": (4,)},
        {"planar_channels": (8, 12, 16)},
        {"architecture": "x2ct"},
    ],
)
def test_sizes_that_do_not_fit_are_refused(change: dict):
    with pytest.raises(ValueError, match="must"):
        dataclasses.replace(SMALL, **change)
