"""The CT classifier against the original network and against its own definition."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from golden_rule import golden_input, golden_outputs, golden_state_dict
from XrayToCTLib import classifier as classifier_module
from XrayToCTLib.classifier import (
    CLASSES,
    CLASSIFIERS,
    ClassifierConfig,
    CTClassifier,
    classifier_input,
    classify,
    original_classifier_keys,
    probabilities,
)
from XrayToCTLib.errors import UnsuitableInput

SMALL = ClassifierConfig(filters=(4, 6, 8), hidden=10)


def network(config=SMALL, seed=0):
    torch.manual_seed(seed)
    model = CTClassifier(config).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
        elif name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    return model


def volumes(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_logits_and_scores_are_those_of_the_original_network_in_double_precision():
    config = CLASSIFIERS["medsynth"]
    keys = original_classifier_keys(config)
    model = CTClassifier(config).double().eval()
    model.load_state_dict({keys[key]: value for key, value in golden_state_dict("medsynth_cnn3d").items()})
    expected = golden_outputs("medsynth_cnn3d")
    with torch.no_grad():
        logits = model(golden_input(5, 1, 64, 128, 128))
    assert (logits - torch.from_numpy(expected["logits"])).abs().max() < 1e-9
    assert (probabilities(config, logits) - torch.from_numpy(expected["scores"])).abs().max() < 1e-9


def test_working_in_slabs_changes_nothing(monkeypatch):
    model, volume = network(), volumes(2, 1, 27, 24, 26)
    with torch.enable_grad():
        whole = model(volume)
    monkeypatch.setattr(classifier_module, "_SLAB_VALUES", 30_000)
    with torch.no_grad():
        assert torch.allclose(model(volume), whole, atol=1e-6)


def test_a_block_is_convolution_relu_pooling_and_normalisation_in_this_order():
    block, values = network().blocks[0], volumes(1, 1, 9, 10, 11)
    convolved = functional.relu(functional.conv3d(values, block.convolution.weight, block.convolution.bias))
    pooled = functional.max_pool3d(convolved, 2)
    shape = (1, -1, 1, 1, 1)
    mean, variance = block.norm.running_mean.view(shape), block.norm.running_var.view(shape)
    expected = (pooled - mean) / (variance + 1e-5).sqrt()
    assert torch.allclose(block(values), expected, atol=1e-5)


def test_the_original_layout_is_central_axial_slices_transposed_in_plane():
    volume = volumes(1, 1, 128, 128, 128)
    seen = classifier_input(CLASSIFIERS["medsynth"], volume)
    assert torch.equal(seen, volume.permute(0, 1, 3, 4, 2)[:, :, 32:96])


def test_the_default_layout_is_the_volume_itself():
    volume = volumes(1, 1, 32, 32, 32)
    assert torch.equal(classifier_input(CLASSIFIERS["default"], volume), volume)


def test_softmax_probabilities_sum_to_one_in_the_order_of_the_classes():
    model = network()
    result = classify(model, volumes(3, 1, 24, 24, 24))
    assert result.shape == (3, len(CLASSES))
    assert model.config.classes == ("healthy", "sick", "tb")
    assert torch.allclose(result.sum(dim=1), torch.ones(3))


def test_sigmoid_scores_each_class_by_itself():
    logits = torch.tensor([[0.0, 20.0, -20.0]])
    scores = probabilities(ClassifierConfig(activation="sigmoid"), logits)
    assert torch.allclose(scores, torch.tensor([[0.5, 1.0, 0.0]]), atol=1e-6)


def test_a_volume_too_small_for_the_network_is_refused_with_the_size_that_it_needs():
    model = network()
    side = model.smallest_side()
    assert classify(model, volumes(1, 1, side, side, side)).isfinite().all()
    with pytest.raises(UnsuitableInput, match=f"needs {side} voxels"):
        classify(model, volumes(1, 1, side, side - 1, side))


def test_the_compact_configuration_is_small():
    count = sum(parameter.numel() for parameter in CTClassifier(CLASSIFIERS["compact"]).parameters())
    assert count < 100_000


@pytest.mark.parametrize("field", ["slices", "activation", "layout"])
def test_a_configuration_outside_its_choices_is_refused(field):
    choice: dict[str, Any] = {field: "other"}
    with pytest.raises(ValueError, match=field):
        replace(SMALL, **choice)
