"""The generator against the published network's outputs, and its shortcuts against the plain network."""

import dataclasses

import numpy as np
import pytest
import torch

import golden_rule
from plain_generator import PlainGenerator
from XrayToCTLib.generator import X2CT_GENERATORS, Generator, GeneratorConfig, original_generator_keys


def original_generator(size: int, name: str) -> Generator:
    config = X2CT_GENERATORS[name]
    keys = original_generator_keys(config)
    original = golden_rule.golden_state_dict(f"x2ct_generator_{size}")
    model = Generator(config).double().eval()
    model.load_state_dict({keys[key]: value for key, value in original.items() if key in keys})
    return model


def test_the_paper_network_at_64_equals_the_original_in_float64():
    golden = golden_rule.golden_outputs("x2ct_generator_64")
    x = golden_rule.golden_input(64, 1, 64, 64)
    with torch.no_grad():
        y = original_generator(64, "paper-64")(x).numpy()
    step = int(golden["step"])
    assert np.abs(y[:, :, ::step, ::step, ::step] - golden["y"]).max() < 1e-9
    assert y.mean() == pytest.approx(float(golden["y_mean"]), abs=1e-9)
    assert y.std(ddof=1) == pytest.approx(float(golden["y_std"]), abs=1e-9)


def test_the_paper_network_at_128_equals_the_original_in_float32():
    golden = golden_rule.golden_outputs("x2ct_generator_128")
    x = golden_rule.golden_input(128, 1, 128, 128).float()
    with torch.no_grad():
        y = original_generator(128, "paper").float()(x).numpy()
    step = int(golden["step"])
    assert np.abs(y[:, :, ::step, ::step, ::step] - golden["y"]).max() < 1e-3 * float(golden["y_max"])
    assert y.max() == pytest.approx(float(golden["y_max"]), rel=1e-3)


def test_every_parameter_of_the_original_has_one_of_ours_and_the_reverse():
    config = X2CT_GENERATORS["paper"]
    keys = original_generator_keys(config)
    original = golden_rule.golden_state_dict("x2ct_generator_128")
    parameters = {key: tuple(value.shape) for key, value in original.items() if key.endswith(("weight", "bias"))}
    with torch.device("meta"):
        ours = {name: tuple(value.shape) for name, value in Generator(config).state_dict().items()}
    assert {keys[key]: shape for key, shape in parameters.items()} == ours


@pytest.mark.parametrize(
    "config",
    [
        dataclasses.replace(X2CT_GENERATORS["test"], size=16),
        dataclasses.replace(X2CT_GENERATORS["test"], head_kernel=5, decoder_blocks=(1, 0, 2)),
    ],
    ids=["smallest depth", "deeper"],
)
def test_the_shortcuts_change_neither_output_nor_gradients(config: GeneratorConfig):
    torch.manual_seed(3)
    fast = Generator(config).double().eval()
    plain = PlainGenerator(config).double().eval()
    plain.load_state_dict(fast.state_dict())
    inputs = [torch.rand(2, 1, config.size, config.size, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    inputs[1].data.copy_(inputs[0].data)
    outputs = [model(x) for model, x in zip((fast, plain), inputs, strict=True)]
    assert (outputs[0] - outputs[1]).abs().max() < 1e-9
    direction = torch.randn_like(outputs[0])
    for output in outputs:
        (output * direction).sum().backward()
    assert (inputs[0].grad - inputs[1].grad).abs().max() < 1e-9 * inputs[1].grad.abs().max().clamp_min(1)
    for (name, ours), theirs in zip(fast.named_parameters(), plain.parameters(), strict=True):
        scale = theirs.grad.abs().max().clamp_min(1)
        assert (ours.grad - theirs.grad).abs().max() < 1e-9 * scale, name


def test_mixed_precision_stays_near_full_precision():
    torch.manual_seed(0)
    model = Generator(X2CT_GENERATORS["test"]).eval()
    x = torch.rand(1, 1, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(x).float()
    full = model(x)
    assert (mixed - full).abs().max() < 0.05 * full.abs().max()
    mixed.sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.dtype == p.dtype for p in model.parameters())


def test_the_norms_use_the_instance_at_test_time_too():
    model = Generator(X2CT_GENERATORS["test"]).eval()
    x = torch.rand(1, 1, 32, 32)
    other = torch.cat([x, torch.rand(1, 1, 32, 32)])
    assert torch.allclose(model(x), model(other)[:1], atol=1e-5)


@pytest.mark.parametrize("change", [{"size": 20}, {"size": 8}, {"decoder_blocks": (1, 1)}, {"head_kernel": 4}])
def test_sizes_that_do_not_fit_are_refused(change: dict):
    with pytest.raises(ValueError, match="must"):
        dataclasses.replace(X2CT_GENERATORS["test"], **change)
