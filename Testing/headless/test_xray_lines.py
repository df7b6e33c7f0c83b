"""X-ray classifiers that are trained on line integrals, planted findings and the places of shadows."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from training_command import training
from XrayToCTLib.classifier import FINDINGS
from XrayToCTLib.evidence import on_real_radiographs
from XrayToCTLib.marking import TB_NOTICE, class_notices
from XrayToCTLib.models import find, load_xray_classifier, verify
from XrayToCTLib.xray_classifier import SHADOWS, XRAY_CLASSIFIERS, XrayClassifier, XrayClassifierConfig
from XrayToCTTraining.augmentation import cut_and_mix
from XrayToCTTraining.classifiers import trained_classifier
from XrayToCTTraining.data.cohort import Cohort, open_cohort, write_manifest
from XrayToCTTraining.data.lines import Lines, lines_of, posed_lines, read_lines, shadow_targets, write_lines
from XrayToCTTraining.data.samples import geometry_of, radiograph_of
from XrayToCTTraining.losses import shadows_loss
from XrayToCTTraining.planted_lesions import ALL_KINDS
from XrayToCTTraining.simulation.acquisition import CLEAN, Style, acquire
from XrayToCTTraining.simulation.hospital import CohortRequest
from XrayToCTTraining.simulation.write_cohort import write_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    folder = tmp_path_factory.mktemp("lines") / "cohort"
    write_cohort(folder, CohortRequest(20, seed=3, size=32))
    return open_cohort(folder)


@pytest.fixture(scope="module")
def run(cohort) -> Path:
    """A run of the compact network in small."""
    folder = cohort.folder.parent / "run"
    options = ["--preset", "compact", "--classifier", "compact-test", "--planted", 2, "--epochs", 2, "--batch", 4]
    training("fit", "xray-classifier", *options, "--cohort", cohort.folder, "--run", folder)
    return folder


@pytest.fixture(scope="module")
def planted(cohort, tmp_path_factory) -> list[tuple[Lines, Lines]]:
    """Healthy patients, without and with planted TB."""
    folder = tmp_path_factory.mktemp("planted")
    healthy = [case for case in cohort.cases if case.label == "healthy"]
    write_lines(cohort, healthy, 32, 2, folder)
    return [(read_lines(folder, case), read_lines(folder, case, f"tb-{n}")) for case in healthy for n in range(2)]


def test_developed_lines_are_the_radiograph_that_the_volume_gives(cohort):
    for case in cohort.cases[:3]:
        lines = lines_of(cohort, case, 32)
        stored = radiograph_of(cohort, case, 32)[0].numpy()
        assert np.abs(lines.developed(CLEAN, np.random.default_rng(0)) - stored).max() < 0.02  # 8 bits, stretched
        style, hu = Style(bone=1.4, scatter=0.2), torch.from_numpy(cohort.hu(case)).float()[None, None]
        whole = acquire(hu, geometry_of(cohort, 32), style, np.random.default_rng(0))[0, 0].numpy()
        low, high = np.percentile(whole, (0.5, 99.5))
        expected = np.clip((whole - low) / (high - low), 0, 1)
        assert np.abs(lines.developed(style, np.random.default_rng(0)) - expected).max() < 1e-3


def test_the_network_knows_every_kind_of_lesion_that_the_simulation_plants():
    assert set(SHADOWS) == set(ALL_KINDS)


def test_what_a_planted_finding_changes_lies_in_its_shadow_and_goes_with_it_into_another_frame(planted):
    for number, pair in enumerate(planted):
        for seed in (None, number):
            without, with_it = (x if seed is None else posed_lines(x, np.random.default_rng(seed)) for x in pair)
            change = np.abs(with_it.nominal - without.nominal).reshape(16, 2, 16, 2).mean((1, 3))
            shadow = with_it.shadows.any(0)
            assert shadow.any()
            assert not shadow.all()
            near = sum(np.roll(shadow, shift, (0, 1)) for shift in [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]) > 0
            assert change[near].sum() > 0.9 * change.sum()
            assert with_it.findings


def test_the_same_chest_is_there_with_and_without_and_nothing_is_planted_into_the_sick(cohort, tmp_path):
    write_lines(cohort, cohort.cases[:9], 32, 1, tmp_path)
    for case in cohort.cases[:9]:
        names = {path.name for path in tmp_path.glob(f"{case.name}*")}
        more = {f"{case.name}-{label}-0.npz" for label in ("sick", "tb")} if case.label == "healthy" else set()
        assert names == {f"{case.name}.npz"} | more


def test_targets_say_how_far_a_shadow_covers_each_patch():
    shadows = np.zeros((len(SHADOWS), 16, 16), bool)
    shadows[2, :4, :4] = True
    shadows[2, 4, 0] = True
    nothing = np.zeros((32, 32), np.float32)
    targets, known = shadow_targets(Lines(nothing, nothing, shadows, "oedema"), 4)
    assert known == 1
    assert targets[2, 0, 0] == 1
    assert targets[2, 1, 0] == pytest.approx(2 / 16)
    assert targets.sum() == pytest.approx(1 + 2 / 16)
    assert shadow_targets(Lines(nothing, nothing, None, "unknown"), 4)[1] == 0


def test_shadows_that_nobody_knows_do_not_count(tmp_path):
    request = CohortRequest(10, seed=3, size=32, streamed=True)
    write_cohort(tmp_path, request)
    streamed = open_cohort(tmp_path)
    assert lines_of(streamed, streamed.cases[0], 32).shadows is None
    logits, target = torch.randn(3, 11, 4, 4), torch.rand(3, 11, 4, 4)
    loss = shadows_loss(logits, target, torch.tensor([1.0, 0.0, 1.0]))
    each = -(target * logits.sigmoid().log() + (1 - target) * (-logits).sigmoid().log())
    assert loss == pytest.approx(float(each[[0, 2]].sum(1).mean()), rel=1e-4)
    batch = {name: torch.rand(2, 3) for name in ("target", "findings")} | {"known": torch.ones(2)}
    mixed = cut_and_mix(batch | {"radiograph": torch.rand(2, 1, 8, 8), "shadows_known": torch.ones(2)})
    assert not mixed["shadows_known"].any()


def test_classes_rest_on_the_strongest_shadow_of_each_kind():
    network = XrayClassifier(XRAY_CLASSIFIERS["compact-test"]).eval()
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.weight[2, 16 + SHADOWS.index("cavity")] = 1
        logits, _, shadows = network.with_shadows(torch.rand(2, 1, 32, 32))
    assert shadows.shape == (2, 11, 4, 4)
    expected = shadows[:, SHADOWS.index("cavity")].amax((1, 2)) + network.output.bias[2]
    assert torch.allclose(logits[:, 2], expected, atol=1e-6)


@pytest.mark.parametrize("patch", [1, 12])
def test_a_stem_halves_the_picture_down_to_a_patch(patch):
    with pytest.raises(ValueError, match="patch must be"):
        XrayClassifierConfig(size=96, patch=patch, width=16, heads=2, stem=4)


def test_a_fit_learns_classes_findings_and_shadows_and_is_resumed_to_the_same_bits(cohort, run, tmp_path):
    logged = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert {"loss", "findings", "shadows", "accuracy"} <= {name for row in logged for name in row}
    assert len([row for row in logged if "loss" in row]) == json.loads((run / "fit.json").read_text())["epochs"] * 7
    options = ["--preset", "compact", "--classifier", "compact-test", "--planted", 2, "--epochs", 2, "--batch", 4]
    again = ["fit", "xray-classifier", *options, "--cohort", cohort.folder, "--run", tmp_path / "run"]
    training(*again, "--engine.stop_after", 5)
    training(*again)
    one, other = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (run, tmp_path / "run"))
    assert all(torch.equal(value, other["model"][key]) for key, value in one["model"].items())


def test_exported_it_gives_the_runtime_what_it_gave_the_training(run, tmp_path):
    training("export", run, "--name", "shadows", "--out", tmp_path, "--data", "Simulated patients.")
    info = find(tmp_path / "shadows.safetensors")
    verify(info)
    assert "never validated on patients" in info.card
    own, record = trained_classifier(run)
    assert own.config.findings == FINDINGS
    assert not record["tb_from_patients"]
    radiograph = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert (load_xray_classifier(info)(radiograph) - own(radiograph)).abs().max() < 1e-2


def test_evaluate_styles_sees_the_same_patients_through_other_devices(cohort, run, tmp_path):
    out = tmp_path / "styles"
    told = training("evaluate", "styles", "--cohort", cohort.folder, "--run", run, "--split", "training", "--out", out)
    with (out / "styles.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["device"] == "projection"
    assert float(rows[0]["same class"]) == float(rows[0]["p"]) == 1
    assert all(0 <= float(row["accuracy"]) <= 1 and 0 <= float(row["p"]) <= 1 for row in rows)
    assert (out / "summary.md").read_text() in told.stdout
    assert "| ward (real-b) |" in told.stdout


def as_if_real(cohort: Cohort, folder: Path) -> Path:
    """The cohort, its radiographs called real."""
    shutil.copytree(cohort.folder, folder)
    write_manifest(folder, [replace(case, domain="real") for case in cohort.cases])
    return folder


def test_sick_are_told_from_healthy_by_the_chance_of_the_right_order_and_the_file_says_so(cohort, run, tmp_path):
    out = tmp_path / "radiographs"
    asked = ["evaluate", "radiographs", "--cohort", as_if_real(cohort, tmp_path / "real"), "--out", out]
    told = training(*asked, "--classifier", f"xray={run}")
    with (out / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {"healthy", "sick"}  # nobody with tuberculosis
    healthy, sick = ([float(row["healthy"]) for row in rows if row["label"] == label] for label in ("healthy", "sick"))
    area = mannwhitneyu(healthy, sick).statistic / len(healthy) / len(sick)
    figures = json.loads((out / "metrics.json").read_text())["radiographs"]
    assert figures["cases"] == len(rows)
    assert figures["area"] == pytest.approx(area, abs=0.02)  # four digits make ties
    assert figures["area_low"] <= figures["area"] <= figures["area_high"]
    assert f"| xray | {figures['area']:.3f} (" in told.stdout
    training("export", run, "--name", "judged", "--out", tmp_path, "--data", "Simulated patients.", "--results", out)
    info = find(tmp_path / "judged.safetensors")
    (warning,) = on_real_radiographs(info.kind, info.metadata)
    assert warning in info.card
    assert class_notices(["Sizes are nominal.", warning]) == [TB_NOTICE, warning]
    assert f"area under the curve {figures['area']:.2f}" in warning
    for others in (["--origin", "elsewhere"], ["--cohort", cohort.folder]):  # simulated ones are not called real
        nobody = training(*asked, "--classifier", f"xray={run}", *others, check=False)
        assert nobody.returncode == 3
        assert "has not both healthy and sick patients with real radiographs" in nobody.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--augment", "none", "--planted", "1"], "--augment styles"),
        (["--augment", "styles", "--classifier", "huge"], "no X-ray classifier 'huge'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_in_a_sentence(cohort, tmp_path, options, said):
    fit = ["fit", "xray-classifier", "--preset", "test", *options, "--cohort", cohort.folder]
    refused = training(*fit, "--run", tmp_path / "run", check=False)
    assert refused.returncode == 3
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_evaluations_refuse_a_classifier_that_sees_something_else(cohort, tmp_path):
    training(
        *("fit", "ct-classifier", "--preset", "test", "--size", 32, "--volumes", "true"),
        *("--cohort", cohort.folder, "--run", tmp_path / "ct"),
    )
    out = tmp_path / "out"
    refused = training(
        "evaluate", "styles", "--cohort", cohort.folder, "--run", tmp_path / "ct", "--out", out, check=False
    )
    assert refused.returncode == 3
    assert "no X-ray classifier" in refused.stderr
    blind = training(
        *("evaluate", "radiographs", "--cohort", as_if_real(cohort, tmp_path / "real")),
        *("--classifier", tmp_path / "ct", "--out", out),
        check=False,
    )
    assert blind.returncode == 3
    assert "sees volumes; give the --generator" in blind.stderr
    assert not out.exists()
