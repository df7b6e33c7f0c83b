"""What stands in a source file's header never stays beside our marks, whatever bytes its keys and values are."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from asymmetric_body import asymmetric_body
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.marking import MARK, SYNTHETIC_NOTICE, Provenance
from XrayToCTLib.radiograph_files import _is_synthetic
from XrayToCTLib.volume import write_nifti, write_nrrd

MARKS = Provenance("chest-64", "1", "0" * 64, "Made by a test.").marks()
HOSTILE_LINES = {
    "our mark says no": b"XrayToCT.Synthetic:=NO",
    "our mark says no after ours": b"XrayToCT.Synthetic:=YES\\nXrayToCT.Synthetic:=NO",
    "our key in other letters": b"xraytoct.synthetic:=NO",
    "a key that is no UTF-8": b"XrayToCT.Synth\xff\xfe:=SECRET",
    "half a character as key": b"\xf0\x9f:=SECRET",
    "a key in Latin-1": b"Patientenname\xfc:=SECRET",
    "a value that is no UTF-8": b"Patient:=SECRET\xff\xfe",
    "a value with control characters": b"Patient:=SECRET\x07\x1b[2J",
    "a key with blanks and signs": b"Patient name = x:=SECRET",
    "a very long key": b"k" * 100_000 + b":=SECRET",
    "a field of NIfTI": b"aux_file:=SECRET",
    "ITK's notes": b"ITK_FileNotes:=SECRET",
}


@pytest.fixture(params=HOSTILE_LINES)
def hostile(request, tmp_path: Path) -> Path:
    """A CT in NRRD whose header has one more line."""
    path = tmp_path / "hostile.nrrd"
    sitk.WriteImage(sitk.Cast(asymmetric_body(), sitk.sitkInt16), str(path), useCompression=False)
    header, voxels = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(header + b"\n" + HOSTILE_LINES[request.param] + b"\n\n" + voxels)
    return path


def test_an_nrrd_has_our_marks_alone_and_the_same_voxels(hostile, tmp_path) -> None:
    ct, written = read_ct(hostile), tmp_path / "ct.nrrd"
    write_nrrd(ct, written, MARKS)
    header = written.read_bytes().split(b"\n\n", 1)[0].decode("ascii").splitlines()
    assert dict(line.split(":=", 1) for line in header if ":=" in line) == MARKS
    assert_same_image(ct, sitk.ReadImage(str(written)))


def test_a_meta_image_has_our_mark_and_nothing_of_the_source(hostile, tmp_path) -> None:
    ct, written = read_ct(hostile), tmp_path / "ct.mha"
    write_nrrd(ct, written, MARKS)
    header = written.read_bytes().split(b"ElementDataFile", 1)[0].decode("ascii")
    assert f"{MARK} = YES" in header.splitlines()
    assert "SECRET" not in header
    assert "synthetic = NO" not in header
    assert_same_image(ct, sitk.ReadImage(str(written)))


def test_a_nifti_has_our_marks_and_nothing_of_the_source(hostile, tmp_path) -> None:
    ct, written = read_ct(hostile), tmp_path / "ct.nii.gz"
    write_nifti(ct, written, MARKS)
    header, comment = nifti_header(written)
    assert json.loads(comment) == MARKS
    assert b"SECRET" not in header
    image = sitk.ReadImage(str(written))
    assert image.GetMetaData("ITK_FileNotes").startswith(SYNTHETIC_NOTICE)
    assert _is_synthetic(image)


@pytest.mark.parametrize(
    "value", ["two\nlines\r\n", "x\nXrayToCT.Synthetic:=NO", "a\0b", "half a character \ud800", "\x1b[2J", "Ä\u202etxt"]
)
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nii.gz"])
def test_no_value_of_a_mark_can_break_out_of_its_line(value, suffix, tmp_path) -> None:
    written = tmp_path / f"ct{suffix}"
    write = write_nifti if suffix == ".nii.gz" else write_nrrd
    write(sitk.Image(8, 8, 8, sitk.sitkInt16), written, {**MARKS, "XrayToCT.Model": value})
    image = sitk.ReadImage(str(written))
    assert _is_synthetic(image)
    if suffix == ".nii.gz":
        marks = json.loads(nifti_header(written)[1])
    else:
        marks = {key: image.GetMetaData(key) for key in MARKS}
    assert {**marks, "XrayToCT.Model": ""} == {**MARKS, "XrayToCT.Model": ""}
    assert marks["XrayToCT.Model"].isprintable()


def nifti_header(path: Path) -> tuple[bytes, bytes]:
    """All bytes before the voxels, and the comment among them (NIfTI-1: 348 bytes, 4 that announce extensions)."""
    content = gzip.decompress(path.read_bytes())
    size, code = struct.unpack_from("<2i", content, 352)
    assert code == 6
    return content[: 352 + size], content[360 : 352 + size].rstrip(b"\0")


def assert_same_image(first: sitk.Image, second: sitk.Image) -> None:
    assert first.GetPixelID() == second.GetPixelID()
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second))
    for place in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(first, place)(), getattr(second, place)(), atol=1e-6)
