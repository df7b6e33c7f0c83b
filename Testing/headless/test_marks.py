"""Every format says in its own way that its content is synthetic: a table of formats, marks and independent readers."""

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from PIL import Image, PdfParser

from made_prediction import SHA256, SIDE, made_prediction
from XrayToCTLib import __version__
from XrayToCTLib.marking import SYNTHETIC_NOTICE, TB_NOTICE, Provenance
from XrayToCTLib.outputs import summary, write_outputs
from XrayToCTLib.report_pdf import PAGE

PROJECTED = "PROJECTION OF SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
UNSURE = "UNCERTAINTY OF SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
RESULTS = "RESULTS ON SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"
FORMATS = ["nifti", "nrrd", "dicom", "mrb", "png", "pdf", "npy"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    pytest.importorskip("slicer", reason="slicer-core is not installed")
    folder = tmp_path_factory.mktemp("marks") / "result"
    write_outputs(made_prediction(), folder, FORMATS)
    return folder


def of_nrrd(path: Path) -> str:
    return path.read_bytes().split(b"\n\n")[0].decode()


def of_nifti(path: Path) -> str:
    nibabel = pytest.importorskip("nibabel")
    header = nibabel.load(path).header
    assert "SYNTHETIC CT - NOT FOR DIAGNOSTIC USE" in header["descrip"].tobytes().decode()
    (extension,) = header.extensions
    assert extension.get_code() == 6  # a comment
    return json.dumps(json.loads(extension.get_content().rstrip(b"\0")))


def of_png(path: Path) -> str:
    image = Image.open(path)
    assert image.text["Comment"] == image.text["XrayToCT.Notice"]
    return json.dumps(image.text)


def of_dicom(path: Path) -> str:
    return str(pydicom.dcmread(path))


def of_series(path: Path) -> str:
    texts = [of_dicom(file) for file in sorted(path.iterdir())]
    assert len(texts) == SIDE
    assert all("SYNTHETIC CT - NOT FOR DIAGNOSTIC USE" in text for text in texts)
    return texts[SIDE // 2]


def of_scene(path: Path) -> str:
    """The attributes of the CT's node; the volumes inside the bundle must be marked as well."""
    with zipfile.ZipFile(path) as bundle:
        (scene,) = [name for name in bundle.namelist() if name.endswith(".mrml")]
        nodes = ElementTree.fromstring(bundle.read(scene))
        for name in bundle.namelist():
            if name.endswith(".nrrd") and "Synthetic" not in name and "X-ray" not in name:
                assert b"SYNTHETIC CT" in bundle.read(name).split(b"\n\n")[0], name
    (ct,) = [node for node in nodes if "XrayToCT.Role:ct" in node.get("attributes", "")]
    assert SYNTHETIC_NOTICE in ct.get("name", "")
    return ct.get("attributes", "").replace("%2F", "/").replace("%20", " ").replace("%3B", ";")


def of_html(path: Path) -> str:
    page = path.read_text()
    pictures = [base64.b64decode(part) for part in re.findall(r'src="data:image/png;base64,([^"]+)"', page)]
    assert len(pictures) == 3
    assert all("NOT FOR DIAGNOSTIC USE" in Image.open(io.BytesIO(content)).text["Comment"] for content in pictures)
    assert page.count(f'<p class="notice">{SYNTHETIC_NOTICE}</p>') == 2
    assert TB_NOTICE in page
    return page


def of_pdf(path: Path) -> str:
    parsed = PdfParser.PdfParser(str(path))
    properties = {key.name_as_str(): PdfParser.decode_text(value) for key, value in dict(parsed.info).items()}
    assert properties["Subject"] == SYNTHETIC_NOTICE
    assert SYNTHETIC_NOTICE in properties["Title"]
    return json.dumps(properties)


# What each format has to say beside its notice, and whoever reads it there.
TABLE: list[tuple[str, Callable[[Path], str], str, bool]] = [
    ("ct.nrrd", of_nrrd, SYNTHETIC_NOTICE, True),
    ("projection.nrrd", of_nrrd, PROJECTED, True),
    ("difference.nrrd", of_nrrd, "DIFFERENCE OF SYNTHETIC CT AND X-RAY - NOT FOR DIAGNOSTIC USE", True),
    ("saliency.nrrd", of_nrrd, "SALIENCY ON SYNTHETIC CT - NOT FOR DIAGNOSTIC USE", True),
    ("result.json", Path.read_text, SYNTHETIC_NOTICE, False),
    ("ct.nii.gz", of_nifti, SYNTHETIC_NOTICE, True),
    ("scene.mrb", of_scene, SYNTHETIC_NOTICE, True),
    ("projection.png", of_png, PROJECTED, True),
    ("comparison.png", of_png, PROJECTED, True),
    ("slices.png", of_png, SYNTHETIC_NOTICE, True),
    ("axial.png", of_png, SYNTHETIC_NOTICE, True),
    ("coronal.png", of_png, SYNTHETIC_NOTICE, True),
    ("sagittal.png", of_png, SYNTHETIC_NOTICE, True),
    ("uncertainty.nrrd", of_nrrd, UNSURE, True),
    ("uncertainty.nii.gz", of_nifti, UNSURE, True),
    ("uncertainty.png", of_png, UNSURE, True),
    ("uncertainty", of_series, UNSURE, False),
    ("report.pdf", of_pdf, SYNTHETIC_NOTICE, True),
    ("report.html", of_html, SYNTHETIC_NOTICE, False),
    ("dicom", of_series, SYNTHETIC_NOTICE, False),
    ("projection.dcm", of_dicom, PROJECTED, False),
    ("results.dcm", of_dicom, RESULTS, False),
]


@pytest.mark.parametrize(("name", "read", "notice", "has_keys"), TABLE, ids=[row[0] for row in TABLE])
def test_each_format_carries_the_notice_the_model_and_its_weights(folder, name, read, notice, has_keys) -> None:
    found = read(folder / name)
    for mark in (notice, "chest-64", SHA256, __version__):
        assert mark in found
    if has_keys:
        derivation = f"Predicted from one chest X-ray by XrayToCT {__version__}, model chest-64 ({SHA256})."
        for key, value in Provenance("chest-64", __version__, SHA256, derivation).marks(notice).items():
            assert key in found
            assert value in found


def test_the_table_knows_every_file_that_is_written(folder) -> None:
    # the X-ray itself, and the network's raw numbers for parity tests
    unmarked = {"xray.png", "radiograph.nrrd", "output.npy"}
    assert {path.name for path in folder.iterdir()} == {row[0] for row in TABLE} | unmarked


def test_the_json_object_carries_the_notice_and_the_weights() -> None:
    result = summary(made_prediction(), {}, 0.0)
    assert result["notice"] == SYNTHETIC_NOTICE
    assert result["model"]["sha256"] == SHA256


def test_the_extension_of_nifti_leaves_the_volume_as_it_was(folder) -> None:
    """ITK and nibabel read it; the bytes say so, too (https://nifti.nimh.nih.gov/nifti-1)."""
    nifti, nrrd = sitk.ReadImage(str(folder / "ct.nii.gz")), sitk.ReadImage(str(folder / "ct.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(nifti), sitk.GetArrayFromImage(nrrd))
    content = gzip.decompress((folder / "ct.nii.gz").read_bytes())
    size, code = np.frombuffer(content[352:360], "<i4")
    offset = np.frombuffer(content[108:112], "<f4")[0]
    assert content[348:352] == b"\1\0\0\0"
    assert (code, size % 16, offset) == (6, 0, 352 + size)
    assert len(content) == offset + 2 * SIDE**3
    nibabel = pytest.importorskip("nibabel")
    np.testing.assert_array_equal(
        np.asarray(nibabel.load(folder / "ct.nii.gz").dataobj).T, sitk.GetArrayFromImage(nrrd)
    )


def sheets(path: Path) -> list[Image.Image]:
    """The pictures of a PDF's pages, found by their JPEG markers alone."""
    streams = re.findall(rb"\xff\xd8\xff.*?(?=\nendstream)", path.read_bytes(), re.DOTALL)
    return [Image.open(io.BytesIO(stream)).convert("RGB") for stream in streams]


def test_every_sheet_of_the_pdf_opens_and_ends_with_the_notice(folder) -> None:
    pages = sheets(folder / "report.pdf")
    assert len(pages) == len(PdfParser.PdfParser(str(folder / "report.pdf")).pages) >= 3
    for page in pages:
        assert page.size == PAGE
        pixels = np.asarray(page, float)
        for bar in (pixels[:56], pixels[-56:]):
            assert np.abs(bar[4:8] - [0x7A, 0x1F, 0x12]).mean() < 6
            letters = (bar[:, 300:-300] > 200).all(axis=2)
            assert 0.02 < letters.mean() < 0.3
        assert (pixels[60:-60] < 100).all(axis=2).any()  # no empty sheet


@pytest.mark.parametrize("suffix", [".png", ".nrrd", ".nii.gz", ".mha"])
def test_a_projection_of_any_ct_says_that_it_was_computed(folder, tmp_path, suffix) -> None:
    from XrayToCTLib.cli import main

    out = tmp_path / f"drr{suffix}"
    assert main(["project", str(folder / "ct.nrrd"), "-o", str(out), "--kind", "mean"]) == 0
    expected = "COMPUTED PROJECTION, NOT AN X-RAY - NOT FOR DIAGNOSTIC USE"
    if suffix == ".png":
        assert Image.open(out).text["XrayToCT.Notice"] == expected
    else:
        image = sitk.ReadImage(str(out))
        assert expected in [image.GetMetaData(key) for key in image.GetMetaDataKeys()] or image.GetMetaData(
            "ITK_FileNotes"
        ).startswith(expected)
