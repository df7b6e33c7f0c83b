"""Import of the original networks' checkpoints, and the check of a generator's orientation."""

import os
import pickle
import zipfile

import pytest
import torch

from golden_rule import golden_input, golden_outputs, golden_state_dict
from XrayToCTLib import models, original_weights
from XrayToCTLib.classifier import CTClassifier
from XrayToCTLib.errors import ModelError
from XrayToCTLib.generator import X2CT_GENERATORS
from XrayToCTLib.model_config import config_from_dict
from XrayToCTLib.orientation import flips, permute_original_discriminator_kernel
from XrayToCTLib.orientation_check import FlipError, asymmetric_chest, identity_is_best, rank_flips
from XrayToCTLib.original_weights import import_checkpoint
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.discriminator import Discriminator, DiscriminatorConfig

STRAIGHT = [FlipError("", 0.1), FlipError("D", 0.2)]
MIRRORED = [FlipError("W", 0.1), FlipError("", 0.2)]


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch):
    folder = tmp_path / "user"
    monkeypatch.setenv("XRAYTOCT_CACHE", str(folder))
    monkeypatch.delenv("XRAYTOCT_MODELS", raising=False)
    return folder


@pytest.fixture(scope="module")
def generator_state():
    return golden_state_dict("x2ct_generator_64", torch.float32)


@pytest.fixture(scope="module")
def classifier_state():
    return golden_state_dict("medsynth_cnn3d", torch.float32)


def saved(folder, content, **options):
    path = folder / "90_net_G.pth"
    torch.save(content, path, **options)
    return path


class TrueBodies(torch.nn.Module):
    """A generator that knows the answer, but gives it flipped."""

    def __init__(self, body, letters):
        super().__init__()
        self.body = dict(flips(body))[letters]

    def forward(self, radiograph):
        assert 0 <= radiograph.min() <= radiograph.max() == 1
        return self.body


def test_an_imported_generator_gives_the_original_network_s_volume(tmp_path, generator_state, user_folder):
    info = import_checkpoint(saved(tmp_path, generator_state), "generator", "x2ct-64", force=True)
    assert info.path == user_folder / "x2ct-64.safetensors"
    assert info.geometry == Geometry(detector_pixels=(64, 64))
    loaded = models.load_generator(models.find("x2ct-64"))
    expected = golden_outputs("x2ct_generator_64")
    step = int(expected["step"])
    with torch.no_grad():
        volume = loaded(golden_input(64, 1, 64, 64).float())[:, :, ::step, ::step, ::step]
    # single precision: the import keeps float32
    assert (volume.double() - torch.from_numpy(expected["y"])).abs().max() < 1e-3


def test_an_imported_classifier_gives_the_original_network_s_scores(tmp_path, classifier_state):
    import_checkpoint(saved(tmp_path, classifier_state), None, "medsynth")
    loaded = models.load_classifier(models.find("medsynth", "ct_classifier"))
    assert (loaded.config.activation, loaded.config.slices, loaded.config.layout) == ("sigmoid", "central", "original")
    for key, ours in original_weights.original_classifier_keys(loaded.config).items():
        assert torch.equal(loaded.state_dict()[ours], classifier_state[key])
    models.verify(models.find("medsynth"))


def test_an_imported_discriminator_sees_our_axes(tmp_path):
    state = golden_state_dict("x2ct_discriminator", torch.float32)
    info = import_checkpoint(saved(tmp_path, state), "discriminator", "x2ct-d")
    loaded = models.load_module(
        info, "discriminator", lambda found: Discriminator(config_from_dict(DiscriminatorConfig, found.config))
    )
    assert loaded.config == DiscriminatorConfig()
    expected = permute_original_discriminator_kernel(state["model.5.weight"])
    assert torch.equal(loaded.get_parameter("layers.5.weight"), expected)
    assert torch.equal(loaded.get_parameter("layers.11.bias"), state["model.11.bias"])
    models.verify(info)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapped", [True, False], ids=["wrapped", "bare"])
def test_both_file_formats_and_both_wrappings_are_read(tmp_path, classifier_state, zipped, wrapped):
    content = {f"module.{key}": value for key, value in classifier_state.items()} if wrapped else classifier_state
    path = saved(
        tmp_path,
        {"state_dict": content, "epoch": 3} if wrapped else content,
        _use_new_zipfile_serialization=zipped,
    )
    assert original_weights.read_checkpoint(path).keys() == classifier_state.keys()


def test_both_generators_are_told_apart_by_their_shapes(tmp_path, generator_state):
    state = dict(generator_state)
    original = original_weights.recognise(state, tmp_path / "x.pth")
    assert original.config["size"] == 64
    state["base_link.0.weight"] = torch.zeros(1).expand(16384, 704)
    state["base_link.0.bias"] = torch.zeros(16384)
    assert original_weights.recognise(state, tmp_path / "x.pth").config["size"] == 128


def test_a_mirrored_generator_is_refused_and_imported_only_by_force(
    tmp_path, generator_state, monkeypatch, user_folder
):
    monkeypatch.setattr(original_weights, "rank_flips", lambda *_: MIRRORED)
    path = saved(tmp_path, generator_state)
    with pytest.raises(ModelError, match=r"flipped \(left-right, error 0\.100\)"):
        import_checkpoint(path, "generator", "mirrored")
    assert not user_folder.exists()
    info = import_checkpoint(path, "generator", "mirrored", force=True)
    assert info.metadata["orientation"]["identity_is_best"] is False
    assert "NOT as expected" in str(info.card)


def test_a_straight_generator_keeps_its_ranking_in_metadata_and_card(tmp_path, generator_state, monkeypatch):
    monkeypatch.setattr(original_weights, "rank_flips", lambda *_: STRAIGHT)
    path = saved(tmp_path, generator_state)
    info = import_checkpoint(path, "generator", "straight")
    assert info.metadata["orientation"]["ranking"] == [
        {"flip": "as it is", "rmse": 0.1},
        {"flip": "front-back", "rmse": 0.2},
    ]
    assert "| front-back | 0.20000 |" in str(info.card)
    assert info.sha256 in str(info.card)
    assert "not for diagnostic use" in str(info.card)


@pytest.mark.parametrize("letters", ["", "D", "H", "W", "DH", "DW", "HW", "DHW"])
def test_every_flip_of_the_true_body_is_found(letters):
    body = asymmetric_chest(32)
    ranking = rank_flips(TrueBodies(body, letters), [body], Geometry(detector_pixels=(32, 32)))
    assert ranking[0] == FlipError(letters, 0.0)
    assert len({flip.letters for flip in ranking}) == 8
    assert ranking[1].rmse > 0.05  # the body is nowhere near any of its mirror images
    assert identity_is_best(ranking) == (letters == "")


def test_a_generator_that_gives_nothing_proves_nothing():
    body = asymmetric_chest(16)
    ranking = rank_flips(TrueBodies(torch.zeros_like(body), ""), [body], Geometry(detector_pixels=(16, 16)))
    assert not identity_is_best(ranking)


def test_the_drawn_chest_has_its_heart_left_liver_right_and_spine_behind():
    chest = asymmetric_chest(64)[0, 0]  # D anterior first, H superior first, W right first
    assert 0 <= chest.min() <= chest.max() <= 1
    middle, lower = chest[25, 38], chest[30, 50]
    assert (middle > 0.3)[33:44].all()  # heart
    assert (middle < 0.2)[12:24].all()  # right lung at the same level
    assert (lower > 0.4)[10:28].all()  # liver
    assert (chest[45, :, 32] > 0.5).all()  # spine
    assert (chest[18, :, 32] < 0.5).all()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".x"])
def test_a_name_that_looks_like_a_path_is_refused(tmp_path, classifier_state, name):
    with pytest.raises(ModelError, match="cannot be a model's name"):
        import_checkpoint(saved(tmp_path, classifier_state), None, name)


def test_another_kind_than_asked_for_is_refused(tmp_path, classifier_state):
    with pytest.raises(ModelError, match="is a ct_classifier, not a generator"):
        import_checkpoint(saved(tmp_path, classifier_state), "generator", "x")


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_a_network_that_is_almost_an_original_is_refused_with_the_odd_tensor(tmp_path, classifier_state, change):
    state = dict(classifier_state)
    if change == "missing":
        del state["fc2.bias"]
    elif change == "extra":
        state["fc2.bias2"] = torch.zeros(1)
    else:
        state["fc2.bias"] = torch.zeros(4)
    with pytest.raises(ModelError, match=r"nearest is CT classifier.*1 tensors differ, 'fc2\.bias"):
        import_checkpoint(saved(tmp_path, state), None, "x")


class _Code:
    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_checkpoint_is_refused_and_never_runs(tmp_path, classifier_state, monkeypatch, zipped):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path, {**classifier_state, "x": _Code()}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match="holds code, which is never run"):
        import_checkpoint(path, None, "x")
    path.write_bytes(pickle.dumps(_Code()))
    with pytest.raises(ModelError):
        import_checkpoint(path, None, "x")
    assert not (tmp_path / "executed").exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    with pytest.raises(ModelError, match="export its state dict"):
        import_checkpoint(saved(tmp_path, CTClassifier(original_weights.CLASSIFIERS["medsynth"])), None, "x")


@pytest.mark.parametrize(
    "content",
    [[torch.zeros(3)], {"a": 1}, {"a": [torch.zeros(3)]}, {}, torch.zeros(3), {"a": torch.zeros(3, device="meta")}],
    ids=["list", "number", "nested", "empty", "tensor", "meta"],
)
def test_a_checkpoint_without_a_state_dict_is_refused(tmp_path, content):
    with pytest.raises(ModelError, match="state dict"):
        import_checkpoint(saved(tmp_path, content), None, "x")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_truncated_checkpoint_is_refused(tmp_path, classifier_state, zipped):
    path = saved(tmp_path, classifier_state, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    for part in (0.0, 0.0001, 0.5, 0.999):
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(ModelError, match=r"90_net_G\.pth"):
            import_checkpoint(path, None, "x")


def test_a_zip_that_unpacks_beyond_the_limit_is_refused_unopened(tmp_path, classifier_state, monkeypatch):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(2_000_000))
    monkeypatch.setattr(original_weights, "MAX_FILE_BYTES", 1_000_000)
    monkeypatch.setattr(original_weights.torch, "load", lambda *_, **__: pytest.fail("the file was opened"))
    with pytest.raises(ModelError, match="more than its size allows"):
        import_checkpoint(path, None, "x")


def test_a_legacy_file_that_claims_a_huge_storage_is_refused_unopened(tmp_path, monkeypatch):
    path = saved(tmp_path, {"weight": torch.zeros(70_001)}, _use_new_zipfile_serialization=False)
    claimed = path.read_bytes().replace((70_001).to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"))
    path.write_bytes(claimed)
    monkeypatch.setattr(original_weights.torch, "load", lambda *_, **__: pytest.fail("the file was opened"))
    with pytest.raises(ModelError, match="more than its size allows"):
        import_checkpoint(path, None, "x")


def test_a_missing_checkpoint_is_refused_with_its_name(tmp_path):
    with pytest.raises(ModelError, match=r"gone\.pth"):
        import_checkpoint(tmp_path / "gone.pth", None, "x")


def test_weights_that_are_not_finite_are_refused(tmp_path, classifier_state):
    state = {**classifier_state, "fc2.bias": torch.full((3,), float("nan"))}
    with pytest.raises(ModelError, match="not finite"):
        import_checkpoint(saved(tmp_path, state), None, "x")


def test_the_originals_have_exactly_the_published_shapes():
    networks = ("x2ct_generator_128", "x2ct_generator_64", "medsynth_cnn3d", "x2ct_discriminator")
    for original, network in zip(original_weights.originals(), networks, strict=True):
        state = golden_state_dict(network, torch.float32)
        published = {key: tuple(value.shape) for key, value in state.items() if key in original.shapes}
        assert original.shapes == published
        assert all(
            key.endswith(("running_mean", "running_var", "num_batches_tracked"))
            for key in state.keys() - published.keys()
        )
    assert {config.size for config in (X2CT_GENERATORS["paper"], X2CT_GENERATORS["paper-64"])} == {128, 64}
