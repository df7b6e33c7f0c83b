"""An export of a result that is there: what it writes is what the scene shows, and nothing is made anew."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image

from conftest import write_dicom
from made_results import made_with_saliency, write_results
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.generation import export_files
from XrayToCTLib.options import ExportOptions, ResultFiles
from XrayToCTLib.outputs import summary, write_outputs
from XrayToCTLib.radiograph import read_radiograph
from XrayToCTLib.results_folder import read_stored
from XrayToCTLib.stored_prediction import prediction_of

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from XrayToCTLib.scene import new_scene  # noqa: E402
from XrayToCTLib.scene_results import add_results, store_results  # noqa: E402
from XrayToCTLib.volume_nodes import image_of, set_image  # noqa: E402

FORMATS = ("nrrd", "nifti", "dicom", "mrb", "png", "pdf")


@pytest.fixture(scope="module")
def xray(radiograph_pixels, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("radiograph") / "chest.dcm"
    return write_dicom(path, np.rint(radiograph_pixels * 4095).astype(np.uint16))


@pytest.fixture(scope="module")
def prediction(xray):
    return replace(made_with_saliency(xray), radiograph=read_radiograph(xray))


@pytest.fixture
def nodes(prediction, tmp_path):
    """Its nodes in a scene; the folder that they came from is gone."""
    folder = write_results(tmp_path / "first", prediction)
    found = add_results(folder, new_scene())
    for path in folder.iterdir():
        path.unlink()
    return found


def stored(nodes, folder: Path) -> Path:
    folder.mkdir()
    store_results(nodes, folder)
    return folder


def values(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(path))


def marks(path: Path) -> dict[str, str]:
    image = sitk.ReadImage(path)
    return {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}


def test_every_format_says_what_the_scene_says(prediction, nodes, xray, tmp_path) -> None:
    write_outputs(prediction, tmp_path / "at-once", FORMATS)
    options = ExportOptions(stored(nodes, tmp_path / "stored"), ResultFiles(tmp_path / "later", FORMATS), xray)
    told = export_files(options)
    first, later = (json.loads((tmp_path / name / "result.json").read_text()) for name in ("at-once", "later"))
    assert json.loads(json.dumps(told)) == later
    same = set(first) - {"outputs", "seconds", "input"}
    assert {key: later[key] for key in same} == {key: first[key] for key in same}
    assert later["input"] == Path(first["input"]).name  # a scene keeps no folder of the user's
    folders = [tmp_path / name for name in ("at-once", "later")]
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in folders]
    assert names[0] == names[1]
    for name in ("ct", "radiograph", "projection", "difference", "uncertainty", "saliency"):
        pair = [folder / f"{name}.nrrd" for folder in folders]
        np.testing.assert_array_equal(*map(values, pair), err_msg=name)
        assert marks(pair[0]) == marks(pair[1]), name
    np.testing.assert_array_equal(values(tmp_path / "later" / "ct.nrrd"), sitk.GetArrayFromImage(image_of(nodes.ct)))
    for name in ("projection", "slices", "comparison", "saliency", "uncertainty"):
        pair = [np.asarray(Image.open(folder / f"{name}.png"), np.int16) for folder in folders]
        assert np.abs(pair[0] - pair[1]).max() <= 1, name  # HU are rounded in a CT
    headers = [pydicom.dcmread(next((folder / "dicom").iterdir())) for folder in folders]
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "SourceImageSequence", "DerivationDescription"):
        assert headers[0].get(keyword) == headers[1].get(keyword), keyword
    assert headers[1].PatientID == "P-17"


def test_nothing_runs_that_makes_or_measures_a_volume(nodes, xray, tmp_path, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an export must not compute a result")

    for name in ("generation.generate", "pipeline.load_models", "pipeline.project", "pipeline.check_chest"):
        monkeypatch.setattr(f"XrayToCTLib.{name}", refuse)
    options = ExportOptions(stored(nodes, tmp_path / "stored"), ResultFiles(tmp_path / "out", ("nrrd", "pdf")))
    assert Path(export_files(options)["outputs"]["report_pdf"]).is_file()


def test_what_was_done_to_the_ct_in_the_scene_is_exported(nodes, tmp_path) -> None:
    image = image_of(nodes.ct)
    image[10:20, 10:20, 10:20] = 700
    set_image(nodes.ct, image)
    export_files(ExportOptions(stored(nodes, tmp_path / "stored"), ResultFiles(tmp_path / "out")))
    np.testing.assert_array_equal(values(tmp_path / "out" / "ct.nrrd"), sitk.GetArrayFromImage(image))


def test_a_deleted_map_takes_along_what_was_said_of_it_and_no_more(prediction, nodes, tmp_path) -> None:
    for node in (nodes.uncertainty, nodes.saliency, nodes.difference):
        nodes.scene.RemoveNode(node)
    left = replace(nodes, uncertainty=None, saliency=None, difference=None)
    made = prediction_of(read_stored(stored(left, tmp_path / "stored")))
    assert (made.uncertainty, made.evidence) == (None, None)
    told, before = summary(made, {}, 0.0), summary(prediction, {}, 0.0)
    for key in ("classes", "comparison", "checks", "warnings", "xray", "geometry", "model"):
        assert told[key] == before[key], key
    np.testing.assert_allclose(made.comparison.difference, prediction.comparison.difference, atol=1e-6)


def test_sentences_of_the_report_are_those_of_the_result(prediction, nodes, tmp_path) -> None:
    made = prediction_of(read_stored(stored(nodes, tmp_path / "stored")))
    assert made.evidence.as_json() == prediction.evidence.as_json()
    assert made.evidence.zones_sentence() == prediction.evidence.zones_sentence()
    assert made.uncertainty.sentence() == prediction.uncertainty.sentence()
    np.testing.assert_allclose(made.projection, prediction.projection, atol=1e-6)


def test_a_result_without_its_ct_or_its_provenance_is_told(nodes, tmp_path) -> None:
    for field, words in (("ct", "CT"), ("provenance", "provenance")):
        with pytest.raises(UnsuitableInput, match=f"{words} was deleted"):
            store_results(replace(nodes, **{field: None}), tmp_path)


@pytest.mark.parametrize("text", ["{}", "[", '{"checks": 3}'])
def test_an_edited_provenance_is_told_and_nothing_is_written(nodes, tmp_path, text) -> None:
    nodes.provenance.SetText(text)
    with pytest.raises(UnsuitableInput, match="generate the CT again"):
        export_files(ExportOptions(stored(nodes, tmp_path / "stored"), ResultFiles(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["none", "another patient's", "no DICOM"])
@pytest.mark.parametrize("files", [{"formats": ("dicom",)}, {"anonymise": True}])
def test_the_patient_comes_from_no_other_xray(nodes, radiograph_pixels, chest_png, tmp_path, given, files) -> None:
    pixels = np.rint(radiograph_pixels * 4095).astype(np.uint16)
    other = write_dicom(tmp_path / "other.dcm", pixels, PatientID="P-18")
    xray = {"none": None, "another patient's": other, "no DICOM": chest_png}[given]
    options = ExportOptions(stored(nodes, tmp_path / "stored"), ResultFiles(tmp_path / "out", **files), xray)
    with pytest.raises(UnsuitableInput, match="choose its file in the section X-ray"):
        export_files(options)
    assert not (tmp_path / "out").exists()


def test_an_anonymised_export_has_the_given_pseudonym_alone(nodes, xray, tmp_path) -> None:
    files = ResultFiles(tmp_path / "out", ("dicom", "nrrd"), anonymise=True, pseudonym="ANON-7")
    export_files(ExportOptions(stored(nodes, tmp_path / "stored"), files, xray))
    header = pydicom.dcmread(tmp_path / "out" / "results.dcm")
    assert (header.PatientID, header.PatientIdentityRemoved) == ("ANON-7", "YES")
    uid = pydicom.dcmread(xray).SOPInstanceUID
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        assert not [secret for secret in (b"P-17", b"Doe^Jane", uid.encode()) if secret in path.read_bytes()], path


def test_a_result_does_not_keep_what_its_network_gave(tmp_path) -> None:
    with pytest.raises(ValueError, match="npy"):
        ExportOptions(tmp_path, ResultFiles(tmp_path / "out", ("npy",)))
