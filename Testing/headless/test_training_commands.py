"""Every fit, evaluate, export and reproduce through the real command line, on simulated patients of 32 voxels."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import SimpleITK as sitk
import torch
from PIL import Image

from asymmetric_body import asymmetric_body
from training_command import training
from XrayToCTLib.classifier import temperature_of
from XrayToCTLib.models import find, load_generator, load_joint_classifier, load_module, verify
from XrayToCTLib.style_transfer import StyleTransfer, StyleTransferConfig
from XrayToCTLib.uncertainty import Calibration, calibration_of
from XrayToCTLib.xray_classifier import XrayClassifier, XrayClassifierConfig
from XrayToCTTraining.data.cohort import open_cohort
from XrayToCTTraining.export import trained_network
from XrayToCTTraining.simulation.stored_lesions import read_lesions
from XrayToCTTraining.trained import trained_generator


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Simulated pairs and radiographs of another device, and a run of every network."""
    folder = tmp_path_factory.mktemp("commands")
    training("simulate", folder / "pairs", "--patients", 20, "--size", 32, "--seed", 3)
    training("simulate", folder / "xrays", "--patients", 20, "--size", 32, "--seed", 4, "--domain", "real-a")
    pairs, xrays = ["--pairs", folder / "pairs"], ["--xrays", folder / "xrays"]
    training("fit", "reconstruction", "--preset", "test", *pairs, *xrays, "--run", folder / "generator")
    training("fit", "cyclegan", "--preset", "test", *xrays, "--drrs", folder / "pairs", "--run", folder / "cyclegan")
    labelled, findings = ["--cohort", folder / "xrays"], ["--findings", "true"]
    volumes = ["--generator", folder / "generator"]
    style = ["--style", folder / "cyclegan"]
    training("fit", "ct-classifier", "--preset", "test", *labelled, *volumes, *style, *findings, "--run", folder / "ct")
    training("fit", "xray-classifier", "--preset", "test", *labelled, *findings, "--run", folder / "xray")
    training("fit", "joint-classifier", "--preset", "test", *labelled, *volumes, *findings, "--run", folder / "joint")
    return folder


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("run", "names"),
    [
        ("generator", {"reconstruction", "projection", "adversarial", "discriminator", "induction", "psnr_honest"}),
        ("cyclegan", {"adversarial", "cycle", "identity", "discriminator", "cycle_real", "cycle_drr"}),
        ("ct", {"loss", "findings", "accuracy"}),
        ("xray", {"loss", "findings", "accuracy"}),
        ("joint", {"loss", "findings", "accuracy"}),
    ],
)
def test_each_fit_logs_finite_losses_and_figures_and_keeps_its_settings(data, run, names):
    logged = rows(data / run)
    assert names <= {name for row in logged for name in row}
    assert np.isfinite([value for row in logged for value in row.values()]).all()
    assert json.loads((data / run / "fit.json").read_text())["seed"] == 0
    assert (data / run / "checkpoint.pt").is_file()


def test_a_stopped_cyclegan_resumes_with_its_image_pools_to_the_same_bits(data):
    options = ["fit", "cyclegan", "--preset", "test", "--xrays", data / "xrays", "--drrs", data / "pairs", "--pool", 3]
    training(*options, "--run", data / "whole-pool")
    training(*options, "--run", data / "stopped-pool", "--engine.stop_after", 7)
    stopped = torch.load(data / "stopped-pool" / "checkpoint.pt", weights_only=True)
    assert stopped["step"] == 7
    assert len(stopped["extra"]["drr"]) == 3
    training(*options, "--run", data / "stopped-pool")
    one, other = (torch.load(data / f"{n}-pool" / "checkpoint.pt", weights_only=True) for n in ("whole", "stopped"))
    assert all(torch.equal(value, other["model"][key]) for key, value in one["model"].items())
    assert all(torch.equal(a, b) for a, b in zip(one["extra"]["drr"], other["extra"]["drr"], strict=True))


@pytest.fixture(scope="module")
def longer(data) -> Path:
    """An X-ray classifier of two epochs."""
    run = data / "longer"
    training(*longer_fit(data), "--run", run)
    return run


def longer_fit(data: Path) -> list[object]:
    settings = ["--preset", "test", "--epochs", 2, "--augment", "styles"]
    return ["fit", "xray-classifier", *settings, "--cohort", data / "xrays"]


def test_a_stopped_classifier_resumes_to_the_same_bits(data, longer):
    stopped = data / "stopped"
    training(*longer_fit(data), "--run", stopped, "--engine.stop_after", 5)
    training(*longer_fit(data), "--run", stopped)
    one, other = (torch.load(run / "checkpoint.pt", weights_only=True) for run in (longer, stopped))
    assert all(torch.equal(value, other["model"][key]) for key, value in one["model"].items())


def test_volumes_of_another_generator_are_refused(data):
    shutil.copytree(data / "ct" / "volumes", data / "mixed" / "volumes")
    options = ["--cohort", data / "xrays", "--generator", data / "generator", "--run", data / "mixed"]
    refused = training("fit", "ct-classifier", "--preset", "test", *options, check=False)  # without the style transfer
    assert refused.returncode == 3
    assert "another generator" in refused.stderr


def test_evaluation_of_a_generator_writes_cases_summary_and_both_protocols(data):
    out = data / "results"
    done = training("evaluate", "reconstruction", "--cohort", data / "pairs", "--run", data / "generator", "--out", out)
    with (out / "cases.csv").open(newline="") as file:
        cases = list(csv.DictReader(file))
    assert {row["method"] for row in cases} == {"generator", "mean training volume", "nearest training volume"}
    tested = {case.name for case in open_cohort(data / "pairs").of_split("test")}
    assert {row["case"] for row in cases} == tested
    wanted = {"mae_hu", "rmse_hu", "psnr_x2ct", "psnr_honest", "ssim", "cosine", "dice_lungs", "dice_bone", "dice_body"}
    assert wanted <= set(cases[0])
    with (out / "summary.csv").open(newline="") as file:
        summary = list(csv.DictReader(file))
    for entry in summary:
        values = [float(row[entry["figure"]]) for row in cases if row["method"] == entry["method"]]
        if entry["method"] in {row["method"] for row in cases}:
            assert float(entry["mean"]) == pytest.approx(np.nanmean(values), nan_ok=True)
            assert float(entry["low"]) <= float(entry["mean"]) <= float(entry["high"]) or np.isnan(values).all()
    assert "psnr_x2ct" in done.stdout


def test_real_cts_stand_beside_the_mean_training_volume_and_the_mean_of_the_other_cts(data, tmp_path):
    """A body and a copy that lies 30 mm further back: the copy is the mean of the others, and closer in its density."""
    for name, back in (("near", 0.0), ("far", 30.0)):
        body = asymmetric_body(size=(64, 64, 64), spacing=(5.0, 5.0, 5.0))
        moved = sitk.Resample(body, body, sitk.TranslationTransform(3, (0.0, -back, 0.0)), sitk.sitkLinear, -1000.0)
        sitk.WriteImage(moved, str(tmp_path / f"{name}.nrrd"))
    cts = ["--ct", tmp_path / "near.nrrd", "--ct", tmp_path / "far.nrrd"]
    options = ["--cohort", data / "pairs", "--run", data / "generator", "--limit", 1, *cts, "--out", tmp_path / "out"]
    training("evaluate", "reconstruction", *options)
    with (tmp_path / "out" / "real-ct" / "cases.csv").open(newline="") as file:
        cases = {(row["case"], row["method"]): row for row in csv.DictReader(file)}
    methods = {"generator", "mean training volume", "mean of the other CTs"}
    assert set(cases) == {(case, method) for case in ("near", "far") for method in methods}
    one, other = (float(cases[case, "mean of the other CTs"]["mae_hu"]) for case in ("near", "far"))
    assert one == pytest.approx(other, rel=1e-4)  # each is the other's prediction
    assert one > 50


def test_the_nearest_training_volume_of_a_training_case_is_another_case(data):
    from XrayToCTTraining.evaluation import NEAREST, evaluate_reconstruction
    from XrayToCTTraining.strategies import predictor

    predict, geometry, size = predictor(data / "generator")
    found = evaluate_reconstruction(predict, open_cohort(data / "pairs"), "training", geometry, size)
    assert min(row.figures["mae_hu"] for row in found if row.method == NEAREST) > 5


def test_evaluation_on_radiographs_needs_no_ct(data):
    out = data / "reprojected"
    options = ["--cohort", data / "xrays", "--pairs", data / "pairs", "--run", data / "generator", "--out", out]
    training("evaluate", "reprojection", *options, "--style", data / "cyclegan")
    with (out / "cases.csv").open(newline="") as file:
        cases = list(csv.DictReader(file))
    assert {"reprojection_ncc", "reprojection_ssim", "reprojection_details_ncc"} <= set(cases[0])
    assert {row["method"] for row in cases} == {"generator", "mean training volume"}


def test_classifiers_are_set_beside_each_other_over_runs(data, longer):
    out = data / "classes"
    named = [f"--classifier={name}={data / run}" for name, run in (("ct", "ct"), ("xray", "xray"), ("joint", "joint"))]
    again = f"--classifier=xray={longer}"
    done = training("evaluate", "classification", "--cohort", data / "xrays", "--out", out, *named, again)
    assert "McNemar" in done.stdout
    assert "| xray | 2 |" in done.stdout
    with (out / "classes.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == 3 * 4
    tested = [case for case in open_cohort(data / "xrays").of_split("test") if case.label]
    for run in ("ct", "joint"):
        counted = sum(int(row[c]) for row in table if row["classifier"] == run for c in row if c.startswith("taken"))
        assert counted == len(tested)
    assert Image.open(out / "roc-tb.png").size == (760, 460)
    assert (out / "confusion-joint.png").is_file()


def test_lesions_are_followed_from_the_truth_into_the_prediction(data):
    out = data / "lesions"
    seen = ["--cohort", data / "pairs", "--run", data / "generator", "--split", "training", "--limit", 6]
    training("evaluate", "lesions", *seen, "--out", out)
    with (out / "lesions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert float(row["kept"]) == pytest.approx(float(row["contrast_hu"]) / float(row["true_contrast_hu"]))
        assert abs(float(row["true_contrast_hu"])) >= 50
    assert f"# {len(rows)} planted lesions" in (out / "summary.md").read_text()
    cohort = open_cohort(data / "pairs")
    planted = [read_lesions(cohort.folder, case.name)[1] for case in cohort.of_split("training")[:6]]
    assert {row["kind"] for row in rows} <= {lesion.kind for lesions in planted for lesion in lesions}


@pytest.fixture(scope="module")
def fidelity(data) -> Path:
    """What `evaluate fidelity` says of a lesion of each kind in one simulated patient."""
    out = data / "fidelity"
    chest = ["--cohort", data / "pairs", "--split", "training", "--limit", 1, "--count", 1]
    training("evaluate", "fidelity", "--run", data / "generator", *chest, "--out", out)
    return out


def test_planted_lesions_are_followed_one_at_a_time(data, fidelity):
    with (fidelity / "lesions.csv").open() as file:
        found = list(csv.DictReader(file))
    assert len({row["kind"] for row in found}) == len(found) > 4  # one of a kind
    summary = (fidelity / "summary.md").read_text()
    assert summary.startswith(f"# Fidelity to {len(found)} planted lesions\n")
    assert "1 simulated patient without disease" in summary
    figures = json.loads((fidelity / "metrics.json").read_text())
    kept = [float(row["effect_hu"]) / float(row["true_effect_hu"]) for row in found]
    assert figures["effect_kept"] == pytest.approx(np.mean(kept))
    assert figures["found"] == pytest.approx(np.mean(np.array(kept) >= 0.5))
    assert Image.open(fidelity / "lesions.png").text["XrayToCT.Synthetic"] == "YES"
    for wrong, code in (([], 3), (["--ct", data / "pairs" / "manifest.csv"], 3), (["--model", "compact"], 2)):
        words = ["--run", data / "generator", *wrong, "--out", data / "none"]
        assert training("evaluate", "fidelity", *words, check=False).returncode == code


def test_an_uncertainty_of_one_volume_is_refused_in_a_sentence(data):
    paths = ["--cohort", data / "pairs", "--run", data / "generator", "--out", data / "none"]
    refused = training("evaluate", "uncertainty", *paths, "--samples", 1, check=False)
    assert refused.returncode == 3
    assert refused.stderr.strip().endswith("give --samples 2 or more.")


def test_refinement_never_lowers_a_correlation(data):
    run = ["--run", data / "generator", "--steps", 4, "--limit", 2, "--out", data / "refined"]
    training("evaluate", "refinement", "--cohort", data / "xrays", *run)
    with (data / "refined" / "cases.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        assert float(row["ncc after"]) >= float(row["ncc before"])
        assert float(row["checks after"]) >= float(row["checks before"])
    assert "refused" in (data / "refined" / "summary.md").read_text()


def test_evaluations_side_by_side_go_into_a_page_where_it_names_them(data, weights):
    table, page = data / "side-by-side.md", data / "page.md"
    ours, mean = f"ours={data / 'for-card'}", f"mean={data / 'for-card'}:mean training volume"
    names = ["--figures", "mae_hu,ssim"]
    training("evaluate", "table", "--results", ours, "--results", mean, *names, "--out", table)
    with (data / "for-card" / "summary.csv").open() as file:
        means = {(row["method"], row["figure"]): float(row["mean"]) for row in csv.DictReader(file)}
    cells = [line.split("|")[1:-1] for line in table.read_text().splitlines()]
    assert [cell.strip() for cell in cells[0]] == ["", "ours", "mean"]
    assert float(cells[2][1].split("±")[0]) == pytest.approx(means["generator", "mae_hu"], rel=1e-3)
    assert float(cells[3][2].split("±")[0]) == pytest.approx(means["mean training volume", "ssim"], rel=1e-3)
    training("evaluate", "table", "--results", ours, "--results", mean, *names, "--paired", "--out", table)
    cells = [line.split("|")[1:-1] for line in table.read_text().splitlines()]
    assert cells[0][-1].strip() == "ours less mean"
    difference, low, high = map(float, re.findall(r"[+-][\d.e+]*\d", cells[2][-1]))
    assert difference == pytest.approx(means["generator", "mae_hu"] - means["mean training volume", "mae_hu"], rel=0.06)
    assert low <= difference <= high
    page.write_text(f"# Page\n\nBefore.\n\n<!-- from {table} -->\nold\n<!-- end -->\n\nAfter.\n")
    for _ in range(2):  # a second time changes nothing
        training("evaluate", "document", page)
        assert page.read_text().split(f"<!-- from {table} -->\n")[1].startswith(table.read_text())
    assert "old" not in page.read_text()
    assert page.read_text().endswith("<!-- end -->\n\nAfter.\n")
    table.unlink()
    refused = training("evaluate", "document", page, check=False)
    assert refused.returncode == 3
    assert str(table) in refused.stderr


def test_blended_weights_lie_on_the_line_between_two_runs(data):
    first, second = data / "generator" / "epoch-1.pt", data / "generator"
    training("blend", first, second, "--share", 0.25, "--run", data / "blended")
    one, other, mixed = (trained_generator(path)[0].state_dict() for path in (first, second, data / "blended"))
    moved = 0.0
    for name, value in mixed.items():
        assert torch.allclose(value, 0.75 * one[name] + 0.25 * other[name], atol=1e-7)
        moved += float((value - one[name]).abs().sum())
    assert moved > 0
    again = training("blend", first, second, "--share", 0.5, "--run", data / "blended", check=False)
    assert again.returncode == 3
    assert training("blend", first, second, "--share", 2, "--run", data / "b", check=False).returncode == 2


def test_curves_are_drawn_from_the_log(data):
    out = data / "curves.png"
    training("evaluate", "curves", "--run", data / "generator", "--figures", "reconstruction,projection", "--out", out)
    picture = np.asarray(Image.open(out).convert("RGB")).reshape(-1, 3)
    assert (picture == (0x1F, 0x5F, 0xA8)).all(1).sum() > 50  # the first line's colour
    refused = training("evaluate", "curves", "--run", data / "ct", "--figures", "nonsense", "--out", out, check=False)
    assert refused.returncode == 3
    assert "nonsense" in refused.stderr


@pytest.fixture(scope="module")
def weights(data, fidelity) -> Path:
    """Weights, cards and ONNX files of every network that the runtime reads."""
    results = data / "for-card"
    training("evaluate", "reconstruction", "--cohort", data / "pairs", "--run", data / "generator", "--out", results)
    classes = data / "classes-for-card"
    training("evaluate", "classification", "--cohort", data / "xrays", "--classifier", data / "ct", "--out", classes)
    unsure = data / "uncertainty"
    sparingly = ["--samples", 2, "--limit", 2]
    training(
        "evaluate", "uncertainty", "--cohort", data / "pairs", "--run", data / "generator", "--out", unsure, *sparingly
    )
    judged = {"generator": [results, unsure, fidelity], "ct": [classes]}
    for run in ("generator", "cyclegan", "ct", "xray", "joint"):
        options = ["--name", run, "--out", data / "weights", "--data", "Simulated patients.", "--onnx"]
        card = [word for folder in judged.get(run, []) for word in ("--results", folder)]
        training("export", data / run, *options, *card)
    return data / "weights"


def test_exported_weights_load_verify_and_have_cards_filled_from_the_run(data, weights):
    info = find(weights / "generator.safetensors")
    verify(info)
    assert "Simulated patients." in info.card
    assert "not for diagnostic use" in info.card
    assert "psnr_x2ct" in info.card
    assert '- adversarial_form: "paper"' in info.card
    with (data / "for-card" / "summary.csv").open() as file:
        means = {row["figure"]: float(row["mean"]) for row in csv.DictReader(file) if row["method"] == "generator"}
    assert info.metadata["metrics"]["psnr_x2ct"] == pytest.approx(means["psnr_x2ct"])
    assert "![Best, middle and worst case](generator-for-card-cases.png)" in info.card
    assert (weights / "generator-for-card-cases.png").read_bytes() == (data / "for-card" / "cases.png").read_bytes()
    assert "![Expected against measured error](generator-uncertainty-reliability.png)" in info.card
    assert "Spearman" in info.card
    assert "### Fidelity to " in info.card
    assert "(generator-fidelity-lesions.png)" in info.card
    assert info.metadata["metrics"]["fidelity"] == json.loads((data / "fidelity" / "metrics.json").read_text())
    stored = json.loads((data / "uncertainty" / "uncertainty.json").read_text())
    assert calibration_of(info.metadata) == Calibration(stored["spread_hu"], stored["error_hu"])
    assert info.metadata["loss_preset"].startswith("adversarial 0.1 (paper), reconstruction 10,")
    classes = find(weights / "ct.safetensors").metadata
    assert 0 <= classes["metrics"]["generated"]["accuracy"] <= 1
    fitted = json.loads((data / "classes-for-card" / "temperature.json").read_text())["temperature"]
    assert temperature_of(classes) == fitted
    assert {"calibration_error", "calibration_error_calibrated"} <= set(classes["metrics"]["generated"])
    trained = trained_network(data / "generator").network
    radiograph = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        expected, got = trained(radiograph), load_generator(info)(radiograph)
    assert (got - expected).abs().max() < 5e-3 * expected.abs().max()  # half precision on disk


@pytest.mark.parametrize(
    ("name", "kind", "build"),
    [
        ("xray", "xray_classifier", lambda info: XrayClassifier(XrayClassifierConfig(**info.config))),
        ("cyclegan", "style_transfer", lambda info: StyleTransfer(StyleTransferConfig(**info.config))),
    ],
)
def test_the_other_networks_of_the_runtime_load_too(data, weights, name, kind, build):
    info = find(weights / f"{name}.safetensors")
    verify(info)
    own = trained_network(data / name)
    with torch.no_grad():
        difference = load_module(info, kind, build)(*own.examples) - own.network(*own.examples)
    assert difference.abs().max() < 1e-2


def test_a_joint_classifier_is_loaded_by_the_runtime(data, weights):
    info, own = find(weights / "joint.safetensors"), trained_network(data / "joint")
    verify(info)
    with torch.no_grad():
        difference = load_joint_classifier(info)(*own.examples) - own.network(*own.examples)
    assert difference.abs().max() < 1e-2


@pytest.mark.parametrize("run", ["generator", "cyclegan", "ct", "xray", "joint"])
@pytest.mark.parametrize("cases", [1, 3])
def test_onnx_gives_what_pytorch_gives_for_any_number_of_cases(data, weights, run, cases):
    trained = trained_network(data / run)
    torch.manual_seed(0)
    examples = [torch.rand(cases, *example.shape[1:]) for example in trained.examples]
    with torch.no_grad():
        expected = trained.network(*examples).numpy()
    session = onnxruntime.InferenceSession(weights / f"{run}.onnx")
    (got,) = session.run(None, {n: x.numpy() for n, x in zip(trained.names[:-1], examples, strict=True)})
    assert np.abs(got - expected).max() < 1e-3 * np.abs(expected).max()
    properties = session.get_modelmeta().custom_metadata_map
    assert "NOT FOR DIAGNOSTIC USE" in properties["notice"]
    assert json.loads(properties["xraytoct"])["kind"] == trained.kind


@pytest.fixture(scope="module")
def experiment(data) -> list[object]:
    paths = ["--pairs", data / "pairs", "--xrays", data / "xrays", "--out", data / "experiment"]
    return [*paths, "--scale", "tiny", "--accelerator", "cpu"]


@pytest.mark.parametrize("what", ["table1", "table2"])
def test_a_table_is_reproduced_beside_the_papers(data, experiment, what):
    done = training("reproduce", what, *experiment)
    assert "hours" in done.stdout.splitlines()[0]
    text = (data / "experiment" / f"{what}.md").read_text()
    assert "0.939 ± 0.003" in text  # the paper's
    with (data / "experiment" / f"{what}.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    names = {"table1": {"x2ct", "x2ct-cyclegan", "induction", "anchored", "X-ray alone", "X-ray and CT (joint)"}}
    names["table2"] = {"0", "0.1", "1", "10", "100"}
    assert {row["row"] for row in table} == names[what]
    assert {row["seed"] for row in table} == {"0", "1"}
    for row in table:
        assert 0 <= float(row["accuracy"]) <= 1


def test_each_strategy_is_measured_against_the_truth(data, experiment):
    training("reproduce", "truth", *experiment)
    with (data / "experiment" / "truth.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    own = {row["strategy"]: row for row in table if row["seed"] == "0"}
    assert {"mean training volume", "x2ct", "x2ct-cyclegan", "induction-10", "anchored"} < set(own)
    constant = [row for row in table if row["strategy"] == "mean training volume"]
    assert len({row["mae_hu"] for row in constant}) == 1  # it knows neither radiograph nor seed
    assert all(0 < float(row["mae_hu"]) < 2500 and 0 <= float(row["handed"]) <= 1 for row in table)
    assert "lesions: found" in (data / "experiment" / "truth.md").read_text()


def test_the_truth_of_some_strategies_has_rows_for_these_alone(data, experiment):
    training("reproduce", "truth", "--strategies", "interleaved", *experiment)
    with (data / "experiment" / "truth.csv").open(newline="") as file:
        assert {row["strategy"] for row in csv.DictReader(file)} == {"mean training volume", "interleaved"}
    refused = training("reproduce", "table1", "--strategies", "x2ct", *experiment, check=False)
    assert refused.returncode == 3
    assert "leave out --strategies" in refused.stderr


@pytest.mark.parametrize("what", ["figure1", "figure2", "figure4"])
def test_a_figure_is_reproduced_from_the_runs_at_hand(data, experiment, what):
    before = {path: path.stat().st_mtime_ns for path in (data / "experiment").rglob("*.pt")}
    training("reproduce", what, *experiment)
    picture = Image.open(data / "experiment" / f"{what}.png")
    assert picture.width == 768
    assert "NOT FOR DIAGNOSTIC USE" in str(picture.info)
    if before:  # the tables came first: nothing is trained again
        assert {path: path.stat().st_mtime_ns for path in before} == before


def test_the_strategies_of_a_seed_share_their_first_stage(data, experiment):
    folder = data / "experiment" / "seed-0"
    if not folder.is_dir():
        training("reproduce", "table2", *experiment)
    shared = torch.load(folder / "stage-1" / "epoch-1.pt", weights_only=True)
    for strategy in ("x2ct", "induction-0.1", "induction-100"):
        own = torch.load(folder / strategy / "checkpoint.pt", weights_only=True)
        assert own["step"] > shared["step"]
        first = next(json.loads(line) for line in (folder / strategy / "log.jsonl").read_text().splitlines())
        assert first["step"] == shared["step"] + 1


COMMANDS = ["prepare", "simulate", "blend", "evaluate", "reproduce", "export"]
NETWORKS = ["reconstruction", "cyclegan", "ct-classifier", "xray-classifier", "joint-classifier"]


@pytest.mark.parametrize("words", [[c] for c in COMMANDS] + [["fit", n] for n in NETWORKS])
def test_the_help_of_every_command_shows_an_example_whose_options_exist(words):
    text = training(*words, "--help").stdout
    assert "example" in text
    examples = [line for line in text.split("example", 1)[1].splitlines() if "XrayToCTTraining" in line]
    assert examples
    described = text.split("example", 1)[0]
    for line in examples:
        for word in line.split():
            if word.startswith("--") and word not in ("--nnodes", "--nproc-per-node"):
                assert word.split("=")[0] in described or words == ["evaluate"], (word, line)


def test_without_a_command_there_is_a_list_of_them():
    done = training(check=False)
    assert done.returncode == 2
    assert all(name in done.stderr for name in [*COMMANDS, "fit"])
    assert training("fit", check=False).returncode == 2
    assert training("--help").stdout
