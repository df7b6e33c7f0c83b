"""The contract of the command line, through real processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from conftest import write_dicom

ALL_FORMATS = "nrrd,nifti,dicom,mrb,png,npy"
QUICK = ("--uncertainty", 0)


@pytest.fixture(scope="module")
def generated(run_json, chest_dicom, tmp_path_factory) -> tuple[dict, Path]:
    folder = tmp_path_factory.mktemp("generated") / "result"
    return run_json("generate", chest_dicom, "-o", folder, "--formats", ALL_FORMATS, "--device", "cpu"), folder


def test_generate_prints_every_key_of_the_contract(generated, chest_dicom):
    result, _ = generated
    assert result["input"] == str(chest_dicom)
    assert {"name", "sha256", "config"} <= set(result["model"])
    assert len(result["model"]["sha256"]) == 64
    assert result["device"] == "cpu"
    assert set(result["seconds"]) == {"read", "generate", "uncertainty", "project", "classify", "check", "write"}
    assert {"ct", "projection"} <= set(result["outputs"])
    assert set(result["comparison"]) == {"ssim", "ncc", "rmse"}
    assert set(result["classes"]) == {"healthy", "sick", "tb"}
    assert sum(result["classes"].values()) == pytest.approx(1, abs=1e-5)
    assert result["checks"]
    assert all(set(check) >= {"name", "passed", "value", "message"} for check in result["checks"])
    assert any("TB" in warning and "never validated" in warning for warning in result["warnings"])
    assert any("of simulated test patients" in warning for warning in result["warnings"])


def test_every_output_that_is_named_exists_and_nothing_else_is_left(generated):
    result, folder = generated
    assert all(Path(path).exists() for path in result["outputs"].values())
    assert {path.name for path in folder.iterdir()} == {Path(path).name for path in result["outputs"].values()}
    assert result["outputs"]["ct"].endswith("ct.nrrd")


def test_all_volume_formats_hold_the_same_ct(generated):
    _, folder = generated
    nrrd = sitk.ReadImage(str(folder / "ct.nrrd"))
    nifti = sitk.ReadImage(str(folder / "ct.nii.gz"))
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder / "dicom"))
    dicom = sitk.ReadImage(names)
    raw = np.load(folder / "output.npy")
    assert nrrd.GetSize() == (128, 128, 128)
    assert nrrd.GetPixelID() == sitk.sitkInt16
    for other in (nifti, dicom):
        assert np.array_equal(sitk.GetArrayFromImage(other), sitk.GetArrayFromImage(nrrd))
        assert other.GetSpacing() == pytest.approx(nrrd.GetSpacing(), abs=1e-4)
        assert other.GetOrigin() == pytest.approx(nrrd.GetOrigin(), abs=1e-3)
        assert other.GetDirection() == pytest.approx(nrrd.GetDirection())
    assert raw.dtype == np.float32
    hu = np.rint(raw.clip(0, 1) * 2500 - 1024)
    assert np.array_equal(hu.transpose(1, 0, 2)[::-1], sitk.GetArrayFromImage(nrrd))


def test_the_size_follows_spacing_and_magnification_of_the_header(generated):
    _, folder = generated
    volume_side_mm = 256 * 1.4 * 1600 / 1800 * 320 / (500 * 541 / 949)
    assert sitk.ReadImage(str(folder / "ct.nrrd")).GetSpacing() == pytest.approx([volume_side_mm / 128] * 3, rel=1e-4)


def test_dicom_keeps_patient_and_study_and_says_that_it_is_synthetic(generated, chest_dicom):
    _, folder = generated
    source = pydicom.dcmread(chest_dicom)
    written = pydicom.dcmread(next((folder / "dicom").iterdir()))
    assert (written.PatientID, written.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    assert written.SeriesInstanceUID != source.SeriesInstanceUID
    assert written.SeriesDescription == "SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
    assert written["SyntheticData"].value == "YES"


def test_a_file_without_spacing_gets_a_nominal_size_and_a_warning(run_json, chest_png, tmp_path):
    result = run_json("generate", chest_png, "-o", tmp_path / "out", "--formats", "nrrd", *QUICK)
    assert sitk.ReadImage(result["outputs"]["ct"]).GetSpacing() == pytest.approx([2.5] * 3)
    assert any("320 mm" in warning for warning in result["warnings"])


def test_text_output_tells_paths_times_and_the_notice(run, chest_png, tmp_path):
    done = run("generate", chest_png, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for expected in ("ct.nrrd", "report.html", "seconds: read", "NOT FOR DIAGNOSTIC USE", "healthy", "checks passed"):
        assert expected in done.stdout


def test_view_and_inversion_are_passed_on(run_json, chest_png, tmp_path):
    inverted = tmp_path / "inverted.png"
    Image.fromarray(255 - np.asarray(Image.open(chest_png))).save(inverted)
    asked = ("--formats", "npy", "--view", "AP", *QUICK)
    kept = run_json("generate", chest_png, "-o", tmp_path / "a", "--invert", "no", *asked)
    turned = run_json("generate", inverted, "-o", tmp_path / "b", "--invert", "yes", *asked)
    volumes = [np.load(result["outputs"]["ct"]) for result in (kept, turned)]
    assert np.abs(volumes[0] - volumes[1]).max() < 0.05
    assert any("AP X-ray" in warning for warning in kept["warnings"])


def test_refinement_never_lowers_the_correlation(run_json, chest_png, tmp_path):
    plain = run_json("generate", chest_png, "-o", tmp_path / "a", "--formats", "npy", *QUICK)
    refined = run_json("generate", chest_png, "-o", tmp_path / "b", "--formats", "npy", "--refine", 2, *QUICK)
    assert refined["comparison"]["ncc"] >= plain["comparison"]["ncc"] - 1e-6


def test_a_network_input_skips_the_preprocessing(run_json, tmp_path):
    image = np.random.default_rng(0).random((128, 128), dtype=np.float32)
    np.save(tmp_path / "x.npy", image)
    asked = ("--formats", "npy,png", *QUICK)
    result = run_json("generate", "--network-input", tmp_path / "x.npy", "-o", tmp_path / "out", *asked)
    assert np.load(result["outputs"]["ct"]).shape == (128, 128, 128)
    shown = np.asarray(Image.open(result["outputs"]["xray"]))
    assert np.array_equal(shown, np.rint(image * 255).astype(np.uint8))


def test_an_xray_gives_the_same_volume_after_another_one_as_alone(run, chest_png, tmp_path):
    folder = tmp_path / "xrays"
    folder.mkdir()
    for name in ("first.png", "second.png"):
        (folder / name).write_bytes(chest_png.read_bytes())
    done = run("generate", folder, "-o", tmp_path / "out", "--formats", "npy", "--uncertainty", 2)
    assert done.returncode == 0, done.stderr
    first, second = (np.load(path) for path in sorted((tmp_path / "out").glob("*/*.npy")))
    assert np.array_equal(first, second)


BAD_FILES = {
    "lateral.dcm": "lateral",
    "frames.dcm": "frame",
    "ct.dcm": "CT",
    "mr.dcm": "MR",
    "constant.png": "grey",
    "small.png": "64",
    "huge.png": "megapixel",
    "empty.png": "empty",
    "truncated.png": "damaged|truncated|read",
    "text.txt": "read|image|radiograph",
    "volume.nrrd": "3|volume|dimension",
}


@pytest.fixture(scope="module")
def bad_folder(chest_png, radiograph_pixels, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mixed")
    pixels = np.rint(radiograph_pixels * 255).astype(np.uint8)
    write_dicom(folder / "lateral.dcm", pixels, ViewPosition="LL")
    write_dicom(folder / "frames.dcm", np.stack([pixels, pixels]), NumberOfFrames=2)
    write_dicom(folder / "ct.dcm", pixels, Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    write_dicom(folder / "mr.dcm", pixels, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
    Image.fromarray(np.full((128, 128), 90, np.uint8)).save(folder / "constant.png")
    Image.fromarray(pixels[:40, :40]).save(folder / "small.png")
    Image.new("1", (12000, 9000)).save(folder / "huge.png")
    (folder / "empty.png").write_bytes(b"")
    (folder / "truncated.png").write_bytes(chest_png.read_bytes()[:2000])
    (folder / "text.txt").write_text("not a picture")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((20, 80, 80), np.int16)), str(folder / "volume.nrrd"))
    (folder / "good.png").write_bytes(chest_png.read_bytes())
    return folder


@pytest.fixture(scope="module")
def batch(run, bad_folder, tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    out = tmp_path_factory.mktemp("batch") / "results"
    return run("generate", bad_folder, "-o", out, "--formats", "nrrd", "--json"), out


def test_in_a_batch_bad_files_never_stop_the_good_one(batch, bad_folder):
    done, out = batch
    assert done.returncode == 3
    lines = {Path(line["input"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(lines) == {path.name for path in bad_folder.iterdir()}
    assert Path(lines["good.png"]["outputs"]["ct"]).is_file()
    assert [path.name for path in out.iterdir()] == ["good"]
    assert all("error" in line for name, line in lines.items() if name != "good.png")


@pytest.mark.parametrize("name", sorted(BAD_FILES))
def test_each_kind_of_bad_input_gets_one_sentence_that_names_the_file(batch, name):
    import re

    done, _ = batch
    sentence = next(line for line in done.stderr.splitlines() if name in line and not line.startswith("["))
    assert re.search(BAD_FILES[name], sentence), sentence
    assert sentence.endswith(".")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["generate", "missing.png", "-o", "out"], 3),
        (["generate", "-o", "out"], 2),
        (["generate", "x.png", "--network-input", "x.npy", "-o", "out"], 2),
        (["generate", "x.png"], 2),
        (["generate", "x.png", "-o", "out", "--formats", "bmp"], 2),
        (["generate", "x.png", "-o", "out", "--device", "quantum"], 2),
        (["generate", "CHEST", "-o", "out", "--model", "missing"], 4),
        (["generate", "CHEST", "-o", "out", "--model", "CHEST.safetensors"], 4),
        (["generate", "CHEST", "-o", "out", "--crop", "0.5", "0.5", "0", "1"], 2),
        (["generate", "CHEST", "-o", "out", "--crop", "0", "nan", "0", "1"], 2),
        (["generate", "--network-input", "CHEST", "-o", "out"], 3),
        (["project", "missing.nrrd", "-o", "p.png"], 3),
        (["project", "CHEST", "-o", "p.png", "--kind", "mean", "--sad", "900"], 2),
        (["compare", "CHEST", "missing.nrrd"], 3),
        (["classify", "CHEST"], 3),
        (["check", "missing.nrrd"], 3),
        (["models", "show", "missing"], 4),
        (["models", "import", "CHEST", "--name", "x"], 4),
        (["frobnicate"], 2),
        ([], 2),
    ],
)
def test_errors_have_their_exit_code_and_no_traceback(run, chest_png, tmp_path, arguments, code):
    names = {"CHEST": chest_png, "CHEST.safetensors": f"{chest_png}.safetensors", "out": tmp_path / "o"}
    done = run(*[names.get(argument, argument) for argument in arguments])
    assert done.returncode == code, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "o").exists()
    if code > 2:
        assert len(done.stderr.strip().splitlines()) == 1


def test_debug_shows_the_traceback(run, tmp_path):
    assert "Traceback" in run("check", tmp_path / "missing.nrrd", "--debug").stderr


def test_a_device_that_is_not_there_is_exit_code_5(run, chest_png, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this computer has the device")
    done = run("generate", chest_png, "-o", tmp_path / "o", "--device", "cuda")
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_is_exit_code_130_and_leaves_nothing(chest_png, tmp_path, number):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "XrayToCTLib", "generate", chest_png, "-o", out, "--refine", "500"]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        # Tests started in the background hand an ignored SIGINT down, which Python would go on ignoring.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        time.sleep(8)
        assert process.poll() is None
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert len(errors.splitlines()) == 1
    assert not out.exists()


def test_project_mean_is_the_coronal_mean(run, generated, tmp_path):
    _, folder = generated
    done = run("project", folder / "ct.nrrd", "-o", tmp_path / "mean.npy", "--kind", "mean")
    assert done.returncode == 0, done.stderr
    hu = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "ct.nrrd"))).astype(np.float64)
    expected = (np.clip(hu + 1024, 0, 2500) / 2500).mean(1)[::-1]
    assert np.abs(np.load(tmp_path / "mean.npy") - expected).max() < 1e-5


@pytest.mark.parametrize("suffix", [".png", ".npy", ".nrrd", ".nii.gz", ".mha"])
def test_project_drr_obeys_its_geometry_in_every_format(run, generated, tmp_path, suffix):
    _, folder = generated
    out = tmp_path / f"drr{suffix}"
    geometry = ["--sad", 1650, "--sid", 1800, "--pixels", 96, 80, "--size-mm", 480, 400]
    done = run("project", folder / "ct.nrrd", "-o", out, *geometry)
    assert done.returncode == 0, done.stderr
    if suffix == ".npy":
        shape = np.load(out).shape
    elif suffix == ".png":
        shape = Image.open(out).size[::-1]
    else:
        image = sitk.ReadImage(str(out))
        shape = image.GetSize()[1::-1]
        assert image.GetSpacing()[:2] == pytest.approx((5, 5))
    assert shape == (96, 80)


def test_compare_reports_the_same_scores_as_generate(run_json, generated, chest_dicom, tmp_path):
    result, folder = generated
    scores = run_json("compare", chest_dicom, folder / "ct.nrrd", "-o", tmp_path / "difference.png")
    for name, value in result["comparison"].items():
        assert scores[name] == pytest.approx(value, abs=2e-3)
    assert -1 <= scores["band_passed_ncc"] <= 1
    assert (tmp_path / "difference.png").is_file()


def test_classify_reports_the_same_classes_as_generate(run_json, generated):
    result, folder = generated
    found = run_json("classify", folder / "dicom")
    assert found["classes"] == pytest.approx(result["classes"], abs=0.02)
    assert found["evidence"]["predicted"] == result["evidence"]["predicted"]
    assert set(found["evidence"]) == set(result["evidence"]) - {"classifiers"}


def test_classify_writes_where_it_looked_in_the_cts_own_place(run, run_json, generated, tmp_path):
    _, folder = generated
    moved = sitk.ReadImage(str(folder / "ct.nrrd"))
    moved.SetOrigin([a + b for a, b in zip(moved.GetOrigin(), (40.0, -25.0, 900.0), strict=True)])
    sitk.WriteImage(moved, str(tmp_path / "ct.nrrd"))
    found = run_json("classify", tmp_path / "ct.nrrd", "-o", tmp_path / "saliency.nrrd")
    written = sitk.ReadImage(str(tmp_path / "saliency.nrrd"))
    assert written.GetMetaData("XrayToCT.Synthetic") == "YES"
    assert "NOT FOR DIAGNOSTIC USE" in written.GetMetaData("XrayToCT.Notice")
    assert written.GetMetaData("XrayToCT.SaliencyClass") == found["evidence"]["predicted"]
    middles = [
        image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()])
        for image in (written, moved)
    ]
    assert middles[0] == pytest.approx(middles[1])
    values = sitk.GetArrayViewFromImage(written)
    assert (values.min(), values.max()) == (0, 1)
    refused = run("classify", tmp_path / "ct.nrrd", "-o", tmp_path / "saliency.txt")
    assert refused.returncode == 3
    assert ".nii.gz" in refused.stderr


def test_generate_says_what_its_class_rests_on(generated):
    result, folder = generated
    evidence = result["evidence"]
    assert evidence["predicted"] == max(result["classes"], key=result["classes"].get)
    assert set(evidence) == {
        *("predicted", "temperature", "logits", "saliency_inside_lungs", "lungs_share_of_volume"),
        *("without_surroundings", "findings", "zones", "classifiers"),
    }
    test = evidence["without_surroundings"]
    assert test["holds"] == (test["predicted"] == evidence["predicted"])
    assert sum(test["classes"].values()) == pytest.approx(1, abs=1e-5)
    assert test["message"] not in result["warnings"]  # it is nothing that was found in the patient
    shares = [zone["saliency"] for zone in evidence["zones"].values()]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(evidence["saliency_inside_lungs"], abs=1e-5)
    classifiers = evidence["classifiers"]
    assert (classifiers["ct"], classifiers["joint"]) == (result["classes"], None)
    assert sum(classifiers["xray"].values()) == pytest.approx(1, abs=1e-5)
    page = (folder / "report.html").read_text()
    assert "X-ray classifier" in page
    assert "Joint classifier: not installed." in page
    assert "The class without what surrounds the lungs" in page
    saliency = sitk.ReadImage(str(folder / "saliency.nrrd"))
    assert saliency.GetSpacing() == sitk.ReadImage(str(folder / "ct.nrrd")).GetSpacing()
    assert sitk.GetArrayViewFromImage(saliency).max() == pytest.approx(1)


def test_check_reports_the_same_verdicts_as_generate(run_json, generated):
    result, folder = generated
    checks = run_json("check", folder / "ct.nii.gz")["checks"]
    assert [(c["name"], c["passed"]) for c in checks] == [(c["name"], c["passed"]) for c in result["checks"]]


def test_models_are_listed_shown_and_verified(run, run_json):
    models = run_json("models", "list")
    assert {model["kind"] for model in models} >= {"generator", "ct_classifier"}
    for model in models:
        shown = run("models", "show", model["name"])
        assert shown.returncode == 0
        assert model["sha256"] in shown.stdout
        assert "Limits" in shown.stdout
        assert run("models", "verify", model["name"]).returncode == 0


@pytest.mark.parametrize("command", ["generate", "project", "compare", "classify", "check", "models"])
def test_every_command_has_help_with_an_example(run, command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"xray-to-ct {command}" in done.stdout.split("example", 1)[1]


def test_an_imported_original_checkpoint_gives_the_original_networks_output(run, generated, tmp_path):
    import torch

    import golden_rule

    torch.save(golden_rule.golden_state_dict("x2ct_generator_64", torch.float32), tmp_path / "90_net_G.pth")
    np.save(tmp_path / "x.npy", golden_rule.golden_input(64, 1, 64, 64).numpy())
    own_models = {"XRAYTOCT_CACHE": str(tmp_path / "models")}
    judged_on = ["--ct", generated[1] / "ct.nrrd"]
    refused = run("models", "import", tmp_path / "90_net_G.pth", "--name", "original", *judged_on, **own_models)
    assert refused.returncode == 4  # such weights have no orientation
    assert "--force" in refused.stderr
    imported = run("models", "import", tmp_path / "90_net_G.pth", "--name", "original", "--force", **own_models)
    assert imported.returncode == 0, imported.stderr
    options = ["--network-input", tmp_path / "x.npy", "--model", "original", "--formats", "npy", "-o", tmp_path / "out"]
    generated = run("generate", *options, **own_models)
    assert generated.returncode == 0, generated.stderr
    golden = golden_rule.golden_outputs("x2ct_generator_64")
    step = int(golden["step"])
    output = np.load(tmp_path / "out" / "output.npy")[::step, ::step, ::step]
    assert np.abs(output - golden["y"][0, 0]).max() < 1e-3 * float(golden["y_max"])
