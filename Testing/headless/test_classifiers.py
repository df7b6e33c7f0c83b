"""The X-ray and joint classifiers, timm weights, the findings head and the augmentations."""

from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F

from XrayToCTLib.classifier import CLASSIFIERS, FINDINGS
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.joint_classifier import JointClassifier, JointClassifierConfig
from XrayToCTLib.xray_classifier import XRAY_CLASSIFIERS, XrayClassifier, XrayClassifierConfig
from XrayToCTTraining.augmentation import cut_and_mix, erased, shifted
from XrayToCTTraining.classification import findings_of
from XrayToCTTraining.data.cohort import Case
from XrayToCTTraining.image_pool import ImagePool
from XrayToCTTraining.losses import class_loss, findings_loss
from XrayToCTTraining.simulation.lesions import KINDS
from XrayToCTTraining.timm_checkpoint import load_timm

SMALL = XrayClassifierConfig(size=32, patch=8, width=12, depth=2, heads=3)


def timm_state(
    generator: torch.Generator, width: int = 12, depth: int = 2, places: int = 17
) -> dict[str, torch.Tensor]:
    """Random weights under the names and shapes of timm's vision transformers."""

    def draw(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(*shape, generator=generator)

    state = {"cls_token": draw(1, 1, width), "pos_embed": draw(1, 17, width)}
    state |= {"patch_embed.proj.weight": draw(width, 3, 8, 8), "patch_embed.proj.bias": draw(width)}
    state |= {"norm.weight": 1 + draw(width), "norm.bias": draw(width), "head.weight": draw(1000, width)}
    sizes = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    sizes |= {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
    for layer in range(2):
        for name, (rows, columns) in sizes.items():
            state[f"blocks.{layer}.{name}.weight"] = draw(rows, columns)
            state[f"blocks.{layer}.{name}.bias"] = draw(rows)
        for name in ("norm1", "norm2"):
            state[f"blocks.{layer}.{name}.weight"], state[f"blocks.{layer}.{name}.bias"] = 1 + draw(width), draw(width)
    return state


def vision_transformer(state: dict[str, torch.Tensor], colours: torch.Tensor, heads: int = 3) -> torch.Tensor:
    """The class token after the last norm, written out from Dosovitskiy et al. 2021; colours (N, 3, H, W), [-1, 1]."""
    s = {name: tensor.double() for name, tensor in state.items()}
    patches = F.conv2d(colours.double(), s["patch_embed.proj.weight"], s["patch_embed.proj.bias"], stride=8)
    x = torch.cat([s["cls_token"].expand(len(colours), 1, -1), patches.flatten(2).transpose(1, 2)], 1) + s["pos_embed"]
    n, tokens, width = x.shape
    for layer in range(2):
        b = {name.removeprefix(f"blocks.{layer}."): t for name, t in s.items() if name.startswith(f"blocks.{layer}.")}
        h = F.layer_norm(x, (width,), b["norm1.weight"], b["norm1.bias"], 1e-6)
        qkv = F.linear(h, b["attn.qkv.weight"], b["attn.qkv.bias"])
        q, k, v = qkv.reshape(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) / (width // heads) ** 0.5).softmax(-1) @ v
        attended = attention.transpose(1, 2).reshape(n, tokens, width)
        x = x + F.linear(attended, b["attn.proj.weight"], b["attn.proj.bias"])
        h = F.layer_norm(x, (width,), b["norm2.weight"], b["norm2.bias"], 1e-6)
        h = F.gelu(F.linear(h, b["mlp.fc1.weight"], b["mlp.fc1.bias"]))
        x = x + F.linear(h, b["mlp.fc2.weight"], b["mlp.fc2.bias"])
    return F.layer_norm(x, (width,), s["norm.weight"], s["norm.bias"], 1e-6)[:, 0]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_timm_weights_give_timms_features_of_a_grey_picture(tmp_path, suffix):
    state = timm_state(torch.Generator().manual_seed(0))
    path = tmp_path / f"vit{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        safetensors.torch.save_file(state, path)
    network = XrayClassifier(SMALL)
    load_timm(network, path)
    grey = torch.rand(2, 1, 32, 32)
    expected = vision_transformer(state, (2 * grey - 1).expand(-1, 3, -1, -1))
    for training in (True, False):  # the two go through different code of PyTorch
        with torch.no_grad():
            features = network.train(training).features(grey)
        assert (features - expected).abs().max() < 1e-4


def test_positions_of_another_grid_are_interpolated(tmp_path):
    """A ramp across a 4 x 4 grid becomes a ramp across 8 x 8; the class token keeps its own."""
    state = timm_state(torch.Generator().manual_seed(0))
    ramp = torch.arange(4.0).repeat(4, 1).reshape(1, 16, 1).expand(1, 16, 12)
    state["pos_embed"] = torch.cat([torch.full((1, 1, 12), 9.0), ramp], 1)
    torch.save(state, tmp_path / "vit.pth")
    network = XrayClassifier(XrayClassifierConfig(size=64, patch=8, width=12, depth=2, heads=3))
    load_timm(network, tmp_path / "vit.pth")
    positions = network.positions[0].detach()
    assert (positions[0] == 9).all()
    grid = positions[1:, 0].reshape(8, 8)
    assert torch.allclose(grid[:, 2:6], grid[0, 2:6].expand(8, 4), atol=1e-5)
    assert (grid[0].diff() > 0).all()


@pytest.mark.parametrize("damage", ["missing", "garbage", "pickle", "small"])
def test_a_file_that_is_no_such_transformer_is_refused_in_a_sentence(tmp_path, damage):
    path = tmp_path / "vit.pth"
    if damage == "garbage":
        path.write_bytes(b"nothing")
    elif damage == "pickle":
        torch.save({"model": print}, path)
    elif damage == "small":
        torch.save(timm_state(torch.Generator().manual_seed(0), width=24), path)
    with pytest.raises(UnsuitableInput, match=r"vit\.pth") as caught:
        load_timm(XrayClassifier(SMALL), path)
    assert "\n" not in str(caught.value)


def test_the_papers_transformer_has_its_published_size():
    with torch.device("meta"):
        network = XrayClassifier(XRAY_CLASSIFIERS["vit-s16"])
    parameters = sum(parameter.numel() for parameter in network.parameters())
    colours = 2 * 384 * 16 * 16  # timm's two further input channels
    head = 384 * 1000 + 1000 - (384 * 3 + 3)
    assert parameters + colours + head == 22_050_664  # timm's vit_small_patch16_224


def test_all_three_classifiers_train_every_parameter_with_the_findings_head():
    ct = replace(CLASSIFIERS["test"], findings=FINDINGS)
    radiograph, volume = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32, 32)
    joint = JointClassifier(
        JointClassifierConfig(XRAY_CLASSIFIERS["test"], type(ct)(**{**vars(ct), "findings": FINDINGS}))
    )
    xray = XrayClassifier(replace(SMALL, findings=FINDINGS))
    for network, inputs in ((joint, (radiograph, volume)), (xray, (radiograph,))):
        logits, findings = network.train().with_findings(*inputs)
        assert logits.shape == (2, 3)
        assert findings.shape == (2, 6)
        (logits.square().sum() + findings.square().sum()).backward()
        assert all(parameter.grad is not None for parameter in network.parameters())
        torch.testing.assert_close(network.eval()(*inputs), network.with_findings(*inputs)[0])


def test_class_losses_are_their_definitions():
    rng = np.random.default_rng(0)
    logits, truth = rng.standard_normal((4, 3)), np.eye(3)[[0, 2, 1, 1]]
    smoothed = 0.9 * truth + 0.1 / 3
    log_softmax = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -(smoothed * log_softmax).sum(1).mean()
    got = class_loss(torch.from_numpy(logits), torch.from_numpy(truth), "softmax", 0.1)
    assert got.item() == pytest.approx(expected, rel=1e-9)
    p = 1 / (1 + np.exp(-logits))
    expected = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean()
    got = class_loss(torch.from_numpy(logits), torch.from_numpy(truth), "sigmoid")
    assert got.item() == pytest.approx(expected, rel=1e-9)


def test_the_findings_loss_does_not_see_cases_at_which_nobody_looked():
    logits, present = torch.randn(3, 6), torch.ones(3, 6)
    known = torch.tensor([1.0, 0.0, 1.0])
    loss = findings_loss(logits, present, known)
    expected = np.log1p(np.exp(-logits[[0, 2]].double().numpy())).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    changed = logits.clone()
    changed[1] = 99
    assert findings_loss(changed, present, known) == loss
    assert findings_loss(logits, present, torch.zeros(3)) == 0


def test_findings_of_the_simulation_come_under_the_readers_names():
    def case(findings: str) -> Case:
        return Case("a", "procedural", "a", "training", findings=findings)

    present, known = findings_of(case("cavity+mass"))
    assert [FINDINGS[i] for i in present.nonzero().flatten()] == ["cavity", "other"]
    assert known == 1
    assert findings_of(case(""))[1] == 1
    assert findings_of(case("unknown"))[1] == 0


@pytest.mark.parametrize("kind", sorted({kind for kinds in KINDS.values() for kind in kinds}))
def test_every_lesion_that_the_simulation_plants_has_one_output_of_the_findings_head(kind):
    present, known = findings_of(Case("a", "procedural", "a", "training", "tb", kind))
    own = {"cavity", "apical_cap", "miliary", "infiltrate", "effusion"}
    assert present.tolist() == [float(name == (kind if kind in own else "other")) for name in FINDINGS]
    assert known == 1


def test_cutmix_mixes_targets_by_the_share_of_the_area():
    torch.manual_seed(3)
    value = torch.tensor([0.0, 1.0])
    batch = {"radiograph": value.view(2, 1, 1, 1).expand(2, 1, 40, 50).clone(), "target": torch.eye(2)}
    batch |= {"findings": torch.tensor([[1.0, 0.0], [0.0, 1.0]]), "known": torch.ones(2)}
    seen = set()
    for _ in range(20):
        mixed = cut_and_mix(batch)
        for i in range(2):
            share = (mixed["radiograph"][i] != value[i]).float().mean()
            assert mixed["target"][i, 1 - i] == pytest.approx(float(share), abs=1e-6)
            assert mixed["findings"][i, 1 - i] == pytest.approx(float(share), abs=1e-6)
            seen.add(round(float(share), 1))
    assert len(seen) > 4


def test_erasing_changes_one_rectangle_and_never_the_original():
    image, rng = torch.full((1, 60, 80), 2.0), np.random.default_rng(0)
    for _ in range(20):
        changed = (erased(image, rng) != 2.0)[0]
        rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
        area = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
        assert changed.sum() == area
        assert 0.01 < area.item() / image.numel() < 0.4
    assert (image == 2).all()


def test_a_shifted_volume_is_moved_with_air_coming_in():
    volume = torch.zeros(1, 9, 9, 9)
    volume[0, 4, 4, 4] = 1
    places = set()
    for seed in range(20):
        moved = shifted(volume, np.random.default_rng(seed), 2)
        assert moved.shape == volume.shape
        (place,) = moved[0].nonzero().tolist()
        assert max(abs(axis - 4) for axis in place) <= 2
        places.add(tuple(place))
    assert len(places) > 5


def test_the_image_pool_fills_then_exchanges_about_every_other_image():
    torch.manual_seed(0)
    pool = ImagePool(5)
    first = torch.arange(5.0).view(5, 1)
    assert torch.equal(pool.exchange(first), first)
    earlier = 0
    for number in range(200):
        new = torch.full((1, 1), 100.0 + number)
        earlier += int(pool.exchange(new).item() != new.item())
        assert len(pool.images) == 5
    assert 70 < earlier < 130
