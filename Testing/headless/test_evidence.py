"""What a class rests on: the map finds planted evidence, the class without surroundings is told, zones lie right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from made_prediction import made_evidence, made_prediction
from XrayToCTLib import model_folders
from XrayToCTLib.classifier import CLASSIFIERS, ClassifierConfig, CTClassifier, classify, temperature_of
from XrayToCTLib.evidence import find_evidence, on_real_radiographs
from XrayToCTLib.joint_classifier import JointClassifier, JointClassifierConfig
from XrayToCTLib.lung_zones import lung_zones
from XrayToCTLib.models import save_model, verify
from XrayToCTLib.other_classifiers import (
    OtherClassifiers,
    load_other_classifiers,
    other_classes,
    side_by_side_sentence,
)
from XrayToCTLib.outputs import summary
from XrayToCTLib.plausibility import Lungs, measure_chest
from XrayToCTLib.saliency import saliency_maps
from XrayToCTLib.xray_classifier import XRAY_CLASSIFIERS, XrayClassifier

CPU = torch.device("cpu")
SIDES = (320.0, 320.0, 320.0)
DENSE = 0.6  # a voxel value above which the made network answers


def bright_spot_network(config: ClassifierConfig) -> CTClassifier:
    """Answers "sick" (and each finding) where there is something denser than DENSE, else "healthy"."""
    model = CTClassifier(config).eval()
    with torch.no_grad():
        for number, block in enumerate(model.blocks):
            block.convolution.weight.zero_()
            block.convolution.weight[0, 0] = 1 / 27
            block.convolution.bias.zero_()
            block.norm.eps = 0.0
            if number == 0:
                block.convolution.bias[0] = -DENSE
        model.hidden.weight.zero_()
        model.hidden.weight[0, 0] = 1000
        model.hidden.bias.zero_()
        model.output.weight.zero_()
        model.output.weight[1, 0] = 1
        model.output.bias.copy_(torch.tensor([0.1, 0.0, -5.0]))
        if model.findings is not None:
            model.findings.weight.zero_()
            model.findings.weight[:, 0] = 1
            model.findings.bias.fill_(-1)
    return model


DEEP = ClassifierConfig(filters=(2, 2, 2), hidden=4, input_pooling=2, findings=("cavity", "effusion"))


@pytest.mark.parametrize("centre", [(20, 64, 100), (90, 30, 25), (64, 110, 64)])
def test_the_map_has_its_maximum_where_a_planted_spot_decides_the_class(centre) -> None:
    model = bright_spot_network(DEEP)
    volume = torch.full((1, 1, 128, 128, 128), 0.3)
    assert int(classify(model, volume).argmax()) == 0
    box = tuple(slice(at - 8, at + 8) for at in centre)
    volume[(0, 0, *box)] = 1
    assert int(classify(model, volume).argmax()) == 1
    (found,) = saliency_maps(model, volume, [1])
    peak = np.unravel_index(int(found.argmax()), found.shape)
    assert all(abs(at - (middle - 0.5)) <= 10 for at, middle in zip(peak, centre, strict=True))


@pytest.mark.parametrize("layout", ["network", "original"])
def test_the_map_lies_in_the_volumes_own_axes_and_only_where_the_network_looks(layout) -> None:
    model = bright_spot_network(ClassifierConfig(filters=(4,), hidden=4, layout=layout, slices="central"))
    volume = torch.zeros(1, 1, 32, 36, 40)
    volume[0, 0, 4:9, 14:19, 28:33] = 1
    (found,) = saliency_maps(model, volume, [1])
    assert found.shape == volume.shape[2:]
    peak = torch.nonzero(found == found.max())[0]
    assert all(low - 1 <= at <= high for at, low, high in zip(peak, (4, 14, 28), (9, 19, 33), strict=True))
    assert found[:, :9].max() == 0
    assert found[:, 27:].max() == 0


@pytest.mark.parametrize("pooling", [1, 2])
def test_on_the_last_block_the_map_is_plain_grad_cam_at_the_centres_of_what_each_cell_sees(pooling) -> None:
    torch.manual_seed(0)
    model = CTClassifier(ClassifierConfig(filters=(3,), hidden=4, input_pooling=pooling)).eval()
    volume = torch.rand(1, 1, 32, 32, 32)
    features = model.features(volume).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model.head(features)[0, 2], features)
    cells = torch.relu((gradient.mean((2, 3, 4), keepdim=True) * features).sum(1))[0].detach().numpy()
    seen_by_first = np.arange(4 * pooling)  # a cell sees four pooled voxels, and the next cell two further on
    place = (np.arange(32) - seen_by_first.mean()) / (2 * pooling)
    around = np.pad(cells, 1)
    expected = ndimage.map_coordinates(around, 1 + np.array(np.meshgrid(place, place, place, indexing="ij")), order=1)
    (found,) = saliency_maps(model, volume, [2])
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6 * expected.max())


def box_lungs() -> Lungs:
    """On the 5 mm grid of a cube of 320 mm: boxes of 20 x 30 x 12 voxels."""
    right, left = (np.zeros((64, 64, 64), bool) for _ in range(2))
    right[20:40, 15:45, 12:24] = True
    left[20:40, 15:45, 40:52] = True
    return Lungs(right, left, 20, 39, 15, 44, 31.5)


def test_zones_are_thirds_of_each_lung_on_the_patients_side_and_end_5_mm_around_it() -> None:
    found = lung_zones(box_lungs(), (128, 128, 128))
    assert set(found.zones) == {f"{s}_{t}" for s in ("right", "left") for t in ("upper", "middle", "lower")}
    assert (sum(mask.astype(int) for mask in found.zones.values()) == found.inside).all()
    along = [np.flatnonzero(found.inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    assert (along[0][0], along[0][-1]) == (38, 81)  # 20 to 40 on the grid, two voxels of 2.5 mm more on each side
    assert (along[1][0], along[1][-1]) == (28, 91)
    rows = {name: np.flatnonzero(mask.any(axis=(0, 2))) for name, mask in found.zones.items()}
    assert (rows["right_upper"][-1], rows["right_middle"][-1]) == (49, 69)  # thirds of 15 to 45: 25 and 35
    assert rows["left_middle"][0] == 50
    assert np.flatnonzero(found.zones["right_upper"].any(axis=(0, 1))).max() < 64
    assert np.flatnonzero(found.zones["left_lower"].any(axis=(0, 1))).min() >= 64


def test_what_a_lung_encloses_belongs_to_it() -> None:
    lungs = box_lungs()
    hollow = lungs.right.copy()
    hollow[26:34, 25:33, 15:21] = False
    found = lung_zones(replace(lungs, right=hollow), (64, 64, 64))
    assert found.inside[30, 29, 18]


@pytest.fixture(scope="module")
def lungs(chest) -> Lungs:
    lungs = measure_chest(chest, SIDES).lungs
    assert lungs is not None
    return lungs


def with_spot(chest: np.ndarray, place: tuple[int, int, int]) -> np.ndarray:
    """A chest without anything dense but a cube of 25 mm around a voxel."""
    volume = np.minimum(chest, 0.45)
    volume[tuple(slice(at - 2, at + 3) for at in place)] = 1
    return volume


def middle_of(mask: np.ndarray) -> tuple[int, int, int]:
    """The voxel of a mask that is nearest to its centre."""
    places = np.argwhere(mask)
    d, h, w = places[((places - places.mean(0)) ** 2).sum(1).argmin()]
    return int(d), int(h), int(w)


def test_a_class_that_rests_on_a_spot_in_a_lung_holds_and_is_found_in_its_zone(chest, lungs) -> None:
    zones = lung_zones(lungs, chest.shape).zones
    for name in ("right_upper", "left_lower"):
        volume = with_spot(chest, middle_of(zones[name]))
        found = find_evidence(bright_spot_network(DEEP), volume, lungs, None, CPU)
        assert found.predicted == "sick"
        assert found.without_surroundings.holds
        assert "class stays sick" in found.surroundings_sentence()
        assert max(found.zones, key=lambda zone: found.zones[zone].saliency) == name
        assert max(found.zones, key=lambda zone: found.zones[zone].findings["cavity"]) == name
        assert sum(zone.findings["cavity"] for zone in found.zones.values()) == pytest.approx(found.findings["cavity"])
        assert f"{name.replace('_', ' ')} zone" in found.zones_sentence()
        assert found.without_surroundings.saliency_inside_lungs > 2 * found.without_surroundings.lungs_share_of_volume


def test_a_class_that_rests_on_a_spot_outside_the_lungs_changes_without_them(chest, lungs) -> None:
    volume = with_spot(chest, (10, 10, 10))  # in the air beside the neck
    found = find_evidence(bright_spot_network(DEEP), volume, lungs, None, CPU)
    assert found.predicted == "sick"
    assert not found.without_surroundings.holds
    assert found.without_surroundings.predicted == "healthy"
    assert found.without_surroundings.saliency_inside_lungs < 0.05
    assert "becomes healthy instead of sick, not TB" in found.surroundings_sentence()


def test_the_map_has_the_volumes_size_and_lies_between_0_and_1(chest, lungs) -> None:
    volume = with_spot(chest, (40, 30, 18))
    found = find_evidence(bright_spot_network(DEEP), volume, lungs, None, CPU)
    assert found.saliency.shape == volume.shape
    assert found.saliency.min() >= 0
    assert found.saliency.max() == 1
    peak = np.unravel_index(int(found.saliency.argmax()), found.saliency.shape)
    assert np.abs(np.subtract(peak, (40, 30, 18))).max() <= 5


def test_without_two_lungs_the_class_stands_and_the_rest_says_so(chest) -> None:
    found = find_evidence(bright_spot_network(DEEP), chest, None, None, CPU)
    assert sum(found.classes.values()) == pytest.approx(1)
    told = found.as_json()
    assert told["saliency_inside_lungs"] is None
    assert told["without_surroundings"]["holds"] is None
    assert told["zones"] == {}
    for sentence in (found.surroundings_sentence(), found.zones_sentence()):
        assert "no two lungs were found" in sentence


def test_a_temperature_changes_scores_and_neither_the_class_nor_the_raw_logits(chest, lungs) -> None:
    torch.manual_seed(1)
    model = CTClassifier(CLASSIFIERS["test"]).eval()
    sure, unsure = (find_evidence(model, chest, lungs, heat, CPU) for heat in (None, 4.0))
    assert sure.logits == unsure.logits
    assert sure.predicted == unsure.predicted
    assert max(unsure.classes.values()) < max(sure.classes.values())
    expected = torch.tensor(list(sure.logits.values())).div(4).softmax(0)
    assert list(unsure.classes.values()) == pytest.approx(expected.tolist())
    assert (sure.temperature, unsure.temperature) == (None, 4.0)


@pytest.mark.parametrize("stored", [None, "1", True, 0, -1, 1e9, float("nan"), [1.0], {"a": 1}])
def test_a_temperature_that_makes_no_sense_is_no_temperature(stored) -> None:
    assert temperature_of({"temperature": stored}) is None
    assert temperature_of({}) is None
    assert temperature_of({"temperature": 1.5}) == 1.5


@pytest.fixture
def bare(monkeypatch, tmp_path) -> None:
    """No model is installed, nor shipped."""
    monkeypatch.setenv("XRAYTOCT_MODELS", "")
    monkeypatch.setenv("XRAYTOCT_CACHE", str(tmp_path))
    monkeypatch.setattr(model_folders, "PACKAGE_WEIGHTS", tmp_path / "none")


@pytest.mark.usefixtures("bare")
def test_classifiers_that_are_not_installed_are_said_to_be_so(chest) -> None:
    others = load_other_classifiers()
    assert others == OtherClassifiers()
    found = other_classes(others, None, np.zeros((64, 64), np.float32), chest, CPU)
    assert found == {"xray": None, "joint": None}
    words = side_by_side_sentence({"ct": {"healthy": 0.25, "sick": 0.5, "tb": 0.25}, **found})
    assert "CT classifier: healthy 0.25; sick, not TB 0.50; TB 0.25. " in words
    assert "X-ray classifier: not installed. Joint classifier: not installed. " in words
    assert "learned from simulated lesions only" in words


@pytest.mark.usefixtures("bare")
def test_classifiers_on_the_search_path_stand_beside_the_ct_classifier(chest, monkeypatch, tmp_path) -> None:
    torch.manual_seed(0)
    small, halves = XRAY_CLASSIFIERS["test"], JointClassifierConfig(XRAY_CLASSIFIERS["test"], CLASSIFIERS["test"])
    xray, joint = XrayClassifier(small).eval(), JointClassifier(halves).eval()
    full = torch.float32
    heat = {"temperature": 2.0}
    verify(save_model(tmp_path / "x.safetensors", xray, "xray_classifier", small, None, heat, full))
    verify(save_model(tmp_path / "j.safetensors", joint, "joint_classifier", halves, None, {}, full))
    monkeypatch.setenv("XRAYTOCT_MODELS", str(tmp_path))
    image, volume = np.random.default_rng(0).random((32, 32), np.float32), np.resize(chest, (128, 128, 128))
    found = other_classes(load_other_classifiers(), None, image, volume, CPU)
    pixels = torch.from_numpy(image)[None, None]
    with torch.no_grad():
        expected = (xray(pixels) / 2).softmax(1)[0]
        both = joint(pixels, torch.from_numpy(volume)[None, None]).softmax(1)[0]
    assert list(found["xray"].values()) == pytest.approx(expected.tolist(), abs=1e-6)
    assert list(found["joint"].values()) == pytest.approx(both.tolist(), abs=1e-6)


def test_json_and_report_tell_the_same_of_a_class_that_does_not_hold() -> None:
    evidence = made_evidence()
    told = summary(made_prediction(), {}, 0.0)["evidence"]
    assert told["temperature"] == 1.5
    assert told["without_surroundings"]["holds"] is False
    assert told["without_surroundings"]["message"] == evidence.surroundings_sentence()
    assert told["zones"]["right_upper"] == {"saliency": 0.2, "findings": {"cavity": 0.2, "effusion": 0.1}}
    assert told["classifiers"]["xray"] == {"healthy": 0.5, "sick": 0.3, "tb": 0.2}
    assert told["classifiers"]["joint"] is None


@pytest.mark.parametrize(
    ("low", "high", "how"), [(0.35, 0.46, "worse than"), (0.45, 0.56, "no better than"), (0.61, 0.7, "better than")]
)
def test_the_sentence_on_real_radiographs_follows_the_interval(low, high, how):
    figures = {"radiographs": {"cases": 380.0, "area": (low + high) / 2, "area_low": low, "area_high": high}}
    for metrics in (figures, {"generated": {"accuracy": 0.65}, "films": figures}):
        (sentence,) = on_real_radiographs("ct_classifier", {"metrics": metrics})
        assert sentence.startswith("On real radiographs")
        assert f"the CT classifier told the two apart {how} guessing" in sentence
    for metrics in ({}, {"radiographs": "good"}, {"radiographs": {"area": 0.9}}, None):
        assert on_real_radiographs("ct_classifier", {"metrics": metrics}) == []
    assert on_real_radiographs("generator", {"metrics": figures}) == []
