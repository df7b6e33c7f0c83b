"""The training commands, through real processes, on a cohort of 32 voxels; and the losses against plain arithmetic."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from XrayToCTLib.models import find, load_classifier, load_generator, verify
from XrayToCTLib.shape_induction import shape_induction_loss
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.losses import RegressionWeights, projection_loss, regression_loss


def training(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "XrayToCTTraining", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "cohort"
    training("simulate", folder, "--patients", 12, "--size", 32, "--seed", 3)
    return folder


@pytest.fixture(scope="module")
def generator_run(cohort) -> Path:
    run = cohort.parent / "generator"
    training("fit", "generator", cohort, "--run", run, "--config", "test", "--steps", 6, "--validate-every", 3)
    return run


@pytest.fixture(scope="module")
def classifier_run(cohort, generator_run) -> Path:
    run = cohort.parent / "classifier"
    options = ["--config", "test", "--epochs", 2, "--batch", 4]
    training("fit", "ct-classifier", cohort, "--run", run, "--generator", generator_run, *options)
    return run


def test_a_cohort_has_every_class_and_every_split(cohort):
    cases = open_cohort(cohort).cases
    assert {case.label for case in cases} == {"healthy", "sick", "tb"}
    assert {case.split for case in cases} == {"training", "validation", "test"}
    structures = open_cohort(cohort).structures(cases[0])
    assert structures["lungs"].any()
    assert not (structures["lungs"] & ~structures["body"]).any()


def test_simulating_again_changes_nothing_and_other_settings_are_refused(cohort):
    before = {path.name: path.read_bytes() for path in cohort.glob("*.npy")}
    training("simulate", cohort, "--patients", 12, "--size", 32, "--seed", 3)
    assert {path.name: path.read_bytes() for path in cohort.glob("*.npy")} == before
    refused = training("simulate", cohort, "--patients", 12, "--size", 32, "--seed", 4, check=False)
    assert refused.returncode == 3
    assert str(cohort) in refused.stderr


def test_fitting_the_generator_logs_falling_losses_and_metrics(generator_run):
    log = [json.loads(line) for line in (generator_run / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [1, 2, 3, 4, 5, 6]
    assert np.isfinite([row["loss"] for row in log]).all()
    assert {"mae_hu", "psnr_honest", "psnr_x2ct", "ssim"} <= set(log[-1])
    # peak 4095 in place of 2500 is worth 4.29 dB; the mean over slices is never below the whole volume's value
    assert log[-1]["psnr_x2ct"] > log[-1]["psnr_honest"] + 4.28


def test_a_stopped_fit_resumes_to_the_weights_of_an_uninterrupted_one(cohort, generator_run):
    from XrayToCTTraining.reconstruction import GeneratorFit, fit_generator

    settings = GeneratorFit(generator="test", steps=6, validate_every=3)
    run = cohort.parent / "stopped"

    class Stop(Exception):
        pass

    def stop_after_step_4(step: int) -> None:
        if step == 4:
            raise Stop

    with pytest.raises(Stop):
        fit_generator(open_cohort(cohort), run, settings, after_step=stop_after_step_4)
    path = fit_generator(open_cohort(cohort), run, settings)
    resumed = torch.load(path, weights_only=True)
    whole = torch.load(generator_run / "checkpoint.pt", weights_only=True)
    for part in ("model", "averaged"):
        assert all(torch.equal(resumed[part][key], value) for key, value in whole[part].items())


def test_evaluate_prints_the_generator_beside_the_mean_volume(cohort, generator_run):
    scores = json.loads(training("evaluate", cohort, "--run", generator_run, "--split", "validation").stdout)
    assert {"generator", "mean training volume"} <= set(scores)


def test_exported_weights_load_verify_and_have_cards(cohort, generator_run, classifier_run, tmp_path):
    options = ["--generator", generator_run, "--classifier", classifier_run, "--out", tmp_path]
    training("export", cohort, *options)
    for name, load in (("compact", load_generator), ("ct-classifier", load_classifier)):
        info = find(tmp_path / f"{name}.safetensors")
        verify(info)
        assert "never" in info.card
        assert not load(info).training
        assert info.geometry is not None


def test_a_folder_that_is_no_cohort_is_refused_with_a_sentence(tmp_path):
    done = training("fit", "generator", tmp_path, "--run", tmp_path / "run", check=False)
    assert done.returncode == 3
    assert len(done.stderr.strip().splitlines()) == 1


def test_regression_loss_is_the_sum_of_its_definitions():
    rng = np.random.default_rng(0)
    p, t = rng.random((2, 1, 4, 5, 6)), rng.random((2, 1, 4, 5, 6))
    projections = [np.abs(p.mean(axis) - t.mean(axis)).mean() for axis in (2, 3, 4)]
    weights = RegressionWeights(reconstruction=2, projection=3, absolute=5)
    expected = 2 * ((p - t) ** 2).mean() + 3 * np.mean(projections) + 5 * np.abs(p - t).mean()
    assert regression_loss(torch.from_numpy(p), torch.from_numpy(t), weights).item() == pytest.approx(
        expected, rel=1e-12
    )
    assert projection_loss(torch.from_numpy(p), torch.from_numpy(t)).item() == pytest.approx(np.mean(projections))


def test_shape_induction_with_the_mean_projection_is_its_definition():
    from XrayToCTLib.projection import Geometry

    rng = np.random.default_rng(1)
    v, x = rng.random((2, 1, 4, 5, 6)), rng.random((2, 1, 5, 6))
    projected = v.mean(2)

    def unit(a: np.ndarray) -> np.ndarray:
        low, high = a.min((2, 3), keepdims=True), a.max((2, 3), keepdims=True)
        return (a - low) / (high - low)

    expected = {"min-max": ((unit(projected) - unit(x)) ** 2).mean(), "none": ((projected - x) ** 2).mean()}
    residuals = []
    for p, target in zip(projected.reshape(2, -1), x.reshape(2, -1), strict=True):
        fit = np.polyfit(p, target, 1)
        residuals.append((np.polyval(fit, p) - target) ** 2)
    expected["affine"] = np.mean(residuals)
    for name, value in expected.items():
        loss = shape_induction_loss(torch.from_numpy(v), torch.from_numpy(x), Geometry(), "mean", name)
        assert loss.item() == pytest.approx(value, rel=1e-9), name
