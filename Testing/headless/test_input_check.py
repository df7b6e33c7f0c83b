"""The input check: what the network must do whatever its weights, what the shipped one does, and how it is reported."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from conftest import DATA
from test_report import REPORT
from XrayToCTLib.errors import ModelError
from XrayToCTLib.input_check import LIMIT, MESSAGES, check_input, child_warning, odds
from XrayToCTLib.input_network import FRONTAL, KINDS, InputCheckConfig, InputNetwork
from XrayToCTLib.model_config import config_from_dict
from XrayToCTLib.models import default_model, load_input_check, verify
from XrayToCTLib.radiograph import network_input, read_radiograph
from XrayToCTLib.report import render_html
from XrayToCTTraining.data.splits import split_of
from XrayToCTTraining.input_check_evaluation import area_against
from XrayToCTTraining.odd_inputs import FROM_FRONTAL, as_input, cropped, inverted, noise, sideways, upside_down

LABELS = DATA / "xray" / "labels.csv"


@pytest.fixture(scope="module")
def shipped() -> InputNetwork:
    return load_input_check(default_model("input_check"))


@pytest.fixture(scope="module")
def held_out() -> list[np.ndarray]:
    """Twelve real radiographs of patients that training never saw."""
    if not LABELS.is_file():
        pytest.skip("the real radiographs are not here")
    rows = [line.split(",") for line in LABELS.read_text().splitlines()[1:]]
    files = [row[0] for row in rows if split_of(row[4], seed=1, validation=0.1, test=0.2) == "test"]
    return [network_input(read_radiograph(DATA / "xray" / name)) for name in files[:12]]


def pydicom_file(name: str) -> Path:
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("pydicom-data is not installed")
    return Path(path)


def test_mirroring_exchanges_frontal_and_mirrored_and_leaves_the_rest() -> None:
    torch.manual_seed(0)
    network = InputNetwork(InputCheckConfig()).eval()
    picture = torch.rand(2, 1, 64, 64) * torch.linspace(0, 1, 64)  # darker at the left
    with torch.no_grad():
        logits, flipped = network(picture), network(picture.flip(3))
    assert torch.allclose(flipped[:, [1, 0]], logits[:, :2], atol=1e-5)
    assert torch.allclose(flipped[:, 2:], logits[:, 2:], atol=1e-5)
    assert not torch.allclose(logits[:, 0] - logits[:, 1], flipped[:, 0] - flipped[:, 1], atol=1e-4)


def test_brightness_and_contrast_hardly_matter() -> None:
    torch.manual_seed(0)
    network = InputNetwork(InputCheckConfig()).eval()
    picture = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        logits, dim = network(picture), network(0.6 * picture + 0.3)
    assert torch.allclose(logits, dim, atol=0.05 * float(logits.abs().max() + 1))


def test_the_score_is_the_probability_of_everything_that_is_not_frontal(shipped) -> None:
    picture = np.random.default_rng(0).random((128, 128))
    check, probabilities = check_input(picture, shipped), odds([picture], shipped)[0]
    assert probabilities.sum() == pytest.approx(1)
    assert check.score == pytest.approx(1 - probabilities[0])
    assert check.limit == LIMIT
    assert check.passed == (check.score <= LIMIT)


def test_every_kind_has_a_sentence_of_its_own() -> None:
    assert tuple(MESSAGES) == KINDS
    assert len(set(MESSAGES.values())) == len(KINDS)
    assert all(text.endswith(".") and ". " not in text for text in MESSAGES.values())


def test_a_configuration_from_a_file_must_be_one_that_can_be_read() -> None:
    assert config_from_dict(InputCheckConfig, {"hidden": 8}).hidden == 8
    for values in ({"kinds": ["mirrored", "frontal"]}, {"kinds": ["frontal", "mirrored", "cat"]}, {"size": 60}):
        with pytest.raises(ModelError):
            config_from_dict(InputCheckConfig, values)


def test_the_shipped_check_is_intact_small_and_has_its_limits_written_down() -> None:
    info = default_model("input_check")
    verify(info)
    assert info.path.stat().st_size < 300_000
    assert info.card is not None
    assert "Limits" in info.card


def test_a_real_chest_radiograph_passes_and_is_recognised_when_turned(shipped) -> None:
    picture = network_input(read_radiograph(pydicom_file("RG1_UNCR.dcm")))
    assert check_input(picture, shipped).passed
    rng = np.random.default_rng(0)
    for kind in ("mirrored", "upside_down", "sideways", "inverted"):
        check = check_input(as_input(FROM_FRONTAL[kind](picture, rng), 128), shipped)
        assert (check.passed, check.kind, check.message) == (False, kind, MESSAGES[kind])


def test_a_leg_and_noise_do_not_pass(shipped) -> None:
    leg = network_input(read_radiograph(pydicom_file("RG3_UNCR.dcm")))
    rng = np.random.default_rng(0)
    assert not check_input(leg, shipped).passed
    assert not any(check_input(as_input(noise(128, rng), 128), shipped).passed for _ in range(20))


@pytest.mark.parametrize("kind", FROM_FRONTAL)
def test_held_out_radiographs_are_told_from_each_kind(shipped, held_out, kind) -> None:
    rng = np.random.default_rng(1)
    odd = [as_input(FROM_FRONTAL[kind](picture, rng), 128) for picture in held_out]
    usual_scores, odd_scores = (odds(pictures, shipped)[:, 1:].sum(1) for pictures in (held_out, odd))
    assert np.mean([[a > b for b in usual_scores] for a in odd_scores]) >= 0.95
    assert np.mean(usual_scores > LIMIT) <= 0.1


def test_odd_pictures_are_what_they_are_called() -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((40, 40))
    assert np.array_equal(upside_down(picture), picture[::-1, ::-1])
    assert np.allclose(inverted(picture) + picture, 1)
    assert any(np.array_equal(sideways(picture, rng), np.rot90(picture, turns)) for turns in (1, 3))
    for _ in range(50):
        part = cropped(picture, rng)
        assert 0.16 * picture.size <= part.size <= 0.66 * picture.size
        rows, columns = np.nonzero(picture == part[0, 0])
        assert np.array_equal(part, picture[rows[0] :, columns[0] :][: part.shape[0], : part.shape[1]])


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    odd, usual = rng.integers(0, 5, 30) / 5, rng.integers(0, 4, 20) / 5
    pairs = np.sign(odd[:, None] - usual[None]) / 2 + 0.5
    assert area_against(odd, usual) == pytest.approx(pairs.mean())


@pytest.mark.parametrize(("age", "years"), [("012Y", "12"), ("006M", "0"), ("017Y", "17"), (" 009y", "9")])
def test_a_recorded_child_is_warned_of(age, years) -> None:
    header = pydicom.Dataset()
    header.PatientAge = age
    warning = child_warning(header)
    assert warning is not None
    assert f" {years} years" in warning


@pytest.mark.parametrize("age", ["018Y", "085Y", "", "young", None])
def test_adults_and_unknown_ages_are_not(age) -> None:
    header = pydicom.Dataset()
    if age is not None:
        header.add_new("PatientAge", "LO", age)
    assert child_warning(header) is None
    assert child_warning(None) is None


def test_generate_warns_of_an_x_ray_upside_down_and_says_so_in_json_and_report(run_json, chest_png, tmp_path) -> None:
    turned = tmp_path / "turned.png"
    Image.open(chest_png).rotate(180).save(turned)
    plain = run_json("generate", chest_png, "-o", tmp_path / "a", "--formats", "npy", "--uncertainty", 0)
    odd = run_json("generate", turned, "-o", tmp_path / "b", "--formats", "npy", "--uncertainty", 0)
    assert set(plain["input_check"]) == {"score", "limit", "passed", "kind", "message"}
    assert plain["input_check"]["passed"]
    assert plain["input_check"]["message"] not in plain["warnings"]
    assert (odd["input_check"]["kind"], odd["input_check"]["passed"]) == ("upside_down", False)
    assert odd["input_check"]["message"] in odd["warnings"]
    assert "upside down" in Path(odd["outputs"]["report"]).read_text()


def test_the_report_shows_the_check_right_above_the_x_ray() -> None:
    assert "like those in training" not in render_html(REPORT)
    check = {"score": 0.981, "limit": LIMIT, "passed": False, "kind": "mirrored", "message": "Looks <b>mirrored</b>."}
    html = render_html(replace(REPORT, input_check=check))
    assert "Looks &lt;b&gt;mirrored&lt;/b&gt;." in html
    assert html.index("Oddness 0.98 of 1") < html.index("<figure>")
    assert html.count("<section", html.index("Oddness"), html.index("<figure>")) == 1
    passed = render_html(replace(REPORT, input_check={**check, "passed": True, "kind": FRONTAL}))
    assert "Passed.</span>" in passed


def test_fitting_evaluating_and_exporting_go_through(tmp_path, monkeypatch) -> None:
    from XrayToCTTraining.cli import main

    monkeypatch.chdir(tmp_path)
    simulate = ["--patients", "12", "--size", "32"]
    assert main(["simulate", "pairs", *simulate, "--seed", "1"]) == 0
    assert main(["simulate", "xrays", *simulate, "--seed", "2", "--domain", "real-a"]) == 0
    fit = ["fit", "input-check", "--preset", "test", "--xrays", "xrays", "--pairs", "pairs", "--run"]
    assert main([*fit, "whole"]) == 0
    evaluate = [
        "evaluate",
        "input-check",
        "--cohort",
        "xrays",
        "--pairs",
        "pairs",
        "--run",
        "whole",
        "--out",
        "results",
    ]
    assert main(evaluate) == 0
    metrics = json.loads(Path("results/metrics.json").read_text())
    assert 0 <= metrics["area_under_curve mirrored"] <= 1
    rows = Path("results/summary.csv").read_text().splitlines()
    assert len(rows) == 1 + 1 + len(FROM_FRONTAL) + 2 + 3  # a heading, frontal, made from it, drawn, simulated
    export = ["export", "whole", "--name", "mine", "--out", "weights", "--data", "12 simulated patients."]
    assert main([*export, "--results", "results"]) == 0
    assert any("never validated on patients" in line for line in Path("weights/mine.md").read_text().splitlines())
    assert main(["evaluate", "input-check", "--cohort", "xrays", "--run", "nowhere", "--out", "results"]) == 3
