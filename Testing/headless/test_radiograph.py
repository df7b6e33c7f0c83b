"""Radiographs in DICOM: grey scale, orientation, spacing, view, and what is refused."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ImplicitVRLittleEndian, JPEGLosslessSV1, RLELossless

from radiograph_phantoms import CR_STORAGE, SECONDARY_CAPTURE_STORAGE, as_stored, dicom_of, drawn_chest, refusal, saved
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.options import Reading
from XrayToCTLib.radiograph import normalise, padded_side_mm, read_radiograph

CHEST = drawn_chest()
STORED = as_stored(CHEST, 16)
EXPECTED = normalise(STORED)
IN_TMP_PATH = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(dataset: pydicom.Dataset, tmp_path: Path, **options):
    return read_radiograph(saved(dataset, tmp_path / "chest.dcm"), Reading(**options))


def test_a_dicom_radiograph_reads_as_displayed(tmp_path):
    radiograph = read(dicom_of(STORED), tmp_path)
    np.testing.assert_array_equal(radiograph.pixels, EXPECTED)
    assert radiograph.pixels.dtype == np.float32
    assert radiograph.view == "PA"


def test_monochrome1_is_inverted_once(tmp_path):
    radiograph = read(dicom_of(65535 - STORED, PhotometricInterpretation="MONOCHROME1"), tmp_path)
    np.testing.assert_allclose(radiograph.pixels, EXPECTED, atol=1e-5)


def test_a_header_without_doubt_is_not_overruled_by_the_look_of_the_picture(tmp_path):
    radiograph = read(dicom_of(65535 - STORED), tmp_path)
    np.testing.assert_allclose(radiograph.pixels, 1 - EXPECTED, atol=1e-5)
    assert any("bone dark" in warning for warning in radiograph.warnings)


@pytest.mark.parametrize("inverted", [False, True])
def test_a_secondary_capture_is_judged_by_its_look(tmp_path, inverted):
    stored = 65535 - STORED if inverted else STORED
    dataset = dicom_of(stored, SOPClassUID=SECONDARY_CAPTURE_STORAGE, Modality="OT")
    np.testing.assert_allclose(read(dataset, tmp_path).pixels, EXPECTED, atol=1e-5)


def test_the_inversion_option_overrides_everything(tmp_path):
    shown = read(dicom_of(STORED), tmp_path, invert="yes").pixels
    np.testing.assert_allclose(shown, 1 - EXPECTED, atol=1e-5)
    captured = dicom_of(65535 - STORED, SOPClassUID=SECONDARY_CAPTURE_STORAGE, Modality="OT")
    np.testing.assert_allclose(read(captured, tmp_path, invert="no").pixels, 1 - EXPECTED, atol=1e-5)


def test_rescale_with_a_negative_slope_turns_the_grey_scale(tmp_path):
    dataset = dicom_of(65535 - STORED, RescaleSlope=-2, RescaleIntercept=10)
    np.testing.assert_allclose(read(dataset, tmp_path).pixels, EXPECTED, atol=1e-5)


def test_the_first_window_is_applied_after_rescale(tmp_path):
    dataset = dicom_of(STORED, RescaleSlope=0.5, RescaleIntercept=-100)
    dataset.WindowCenter, dataset.WindowWidth = [16000, 1], [14000, 1]
    # DICOM PS3.3 C.11.2.1.2.1, linear function, up to its scale.
    windowed = np.clip((STORED * 0.5 - 100 - (16000 - 0.5)) / (14000 - 1) + 0.5, 0, 1)
    np.testing.assert_allclose(read(dataset, tmp_path).pixels, normalise(windowed), atol=1e-4)


@pytest.mark.parametrize("window", [(-50000, 10), (0, 0), (30000, -5)])
def test_a_window_that_shows_nothing_is_ignored_with_a_warning(tmp_path, window):
    radiograph = read(dicom_of(STORED, WindowCenter=window[0], WindowWidth=window[1]), tmp_path)
    np.testing.assert_array_equal(radiograph.pixels, EXPECTED)
    assert any("window" in warning for warning in radiograph.warnings)


def test_a_voi_lut_is_applied(tmp_path):
    stored = as_stored(CHEST, 8).astype(np.uint16)
    table = (np.arange(256) ** 2).astype(np.uint16)
    item = pydicom.Dataset()
    item.add_new((0x0028, 0x3002), "US", [256, 0, 16])
    item.add_new((0x0028, 0x3006), "OW", table.tobytes())
    dataset = dicom_of(stored, VOILUTSequence=[item])
    np.testing.assert_allclose(read(dataset, tmp_path).pixels, normalise(table[stored]), atol=1e-5)


def test_padding_is_black_whatever_its_value(tmp_path):
    stored = np.maximum(STORED, 1)
    stored[:20] = 0
    dataset = dicom_of(stored, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0)
    assert read(dataset, tmp_path).pixels.shape[0] <= 101


ORIENTATIONS = {
    ("L", "F"): lambda a: a,
    ("R", "F"): lambda a: a[:, ::-1],
    ("L", "H"): lambda a: a[::-1],
    ("R", "H"): lambda a: a[::-1, ::-1],
    ("F", "L"): lambda a: a.T,
    ("F", "R"): lambda a: a.T[::-1],
    ("H", "L"): lambda a: a.T[:, ::-1],
    ("H", "R"): lambda a: a.T[::-1, ::-1],
}
DIRECTIONS = {"L": (1, 0, 0), "R": (-1, 0, 0), "F": (0, 0, -1), "H": (0, 0, 1)}


@pytest.mark.parametrize("letters", ORIENTATIONS)
@pytest.mark.parametrize("recorded_as", ["PatientOrientation", "ImageOrientationPatient"])
def test_every_recorded_orientation_ends_with_the_patients_right_at_the_left(tmp_path, letters, recorded_as):
    stored = ORIENTATIONS[letters](STORED)  # what a device stores that scans along these letters
    if recorded_as == "PatientOrientation":
        elements = {"PatientOrientation": list(letters)}
    else:
        cosines = [*DIRECTIONS[letters[0]], *DIRECTIONS[letters[1]]]
        elements = {"PatientOrientation": None, "ImageOrientationPatient": cosines}
    spacing = [0.1, 0.2] if letters[0] in "LR" else [0.2, 0.1]
    radiograph = read(dicom_of(np.ascontiguousarray(stored), ImagerPixelSpacing=spacing, **elements), tmp_path)
    np.testing.assert_array_equal(radiograph.pixels, EXPECTED)
    assert radiograph.spacing_mm == (0.1, 0.2)


@IN_TMP_PATH
@given(
    rows=st.integers(64, 150),
    columns=st.integers(64, 150),
    bits=st.sampled_from([8, 10, 12, 15, 16]),
    letters=st.sampled_from(sorted(ORIENTATIONS)),
    inverted=st.booleans(),
    oblique=st.sampled_from(["", "A", "P"]),
)
def test_any_size_depth_and_orientation_reads_the_same_chest(tmp_path, rows, columns, bits, letters, inverted, oblique):
    stored = as_stored(drawn_chest(rows, columns), bits)
    expected = normalise(stored)
    stored = ORIENTATIONS[letters](stored)
    dataset = dicom_of(
        np.ascontiguousarray(2**bits - 1 - stored if inverted else stored),
        BitsStored=bits,
        HighBit=bits - 1,
        PhotometricInterpretation="MONOCHROME1" if inverted else "MONOCHROME2",
        PatientOrientation=[letter + oblique for letter in letters],
    )
    np.testing.assert_allclose(read(dataset, tmp_path).pixels, expected, atol=1e-5)


@pytest.mark.parametrize("recorded", [None, [], ["L"], ["X", "F"], ["L", "R"]])
def test_a_senseless_orientation_means_as_displayed_with_a_warning(tmp_path, recorded):
    radiograph = read(dicom_of(STORED, PatientOrientation=recorded), tmp_path)
    np.testing.assert_array_equal(radiograph.pixels, EXPECTED)
    assert any("orientation" in warning for warning in radiograph.warnings)


@pytest.mark.parametrize(
    ("elements", "spacing", "magnification"),
    [
        ({}, None, None),
        ({"PixelSpacing": [0, 0]}, None, None),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.3]}, (0.2, 0.3), None),
        ({"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 1.25}, (0.2, 0.2), 1.25),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 1800, "DistanceSourceToPatient": 1500},
            (0.2, 0.2),
            1.2,
        ),
        ({"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 1800}, (0.2, 0.2), None),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 1800, "DistanceSourceToPatient": 0},
            (0.2, 0.2),
            None,
        ),
        ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2), None),
        (
            {
                "PixelSpacing": [0.15, 0.15],
                "ImagerPixelSpacing": [0.2, 0.2],
                "PixelSpacingCalibrationType": "GEOMETRY",
                "EstimatedRadiographicMagnificationFactor": 1.3,
            },
            (0.15, 0.15),
            1.0,
        ),
        ({"PixelSpacing": [0.15, 0.15], "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.15, 0.15), 1.0),
        ({"PixelSpacing": [0.18, 0.18]}, (0.18, 0.18), None),
        ({"NominalScannedPixelSpacing": [0.17, 0.17]}, (0.17, 0.17), None),
    ],
)
def test_spacing_and_magnification_follow_the_header(tmp_path, elements, spacing, magnification):
    radiograph = read(dicom_of(STORED, **elements), tmp_path)
    assert radiograph.spacing_mm == spacing
    assert radiograph.magnification == pytest.approx(magnification)
    if spacing is None:
        assert padded_side_mm(radiograph) is None
    else:
        assert padded_side_mm(radiograph) == pytest.approx(
            max(120 * spacing[0], 96 * spacing[1]) / (magnification or 1)
        )


@pytest.mark.parametrize(("recorded", "expected"), [("AP", "AP"), ("PA", "PA"), (None, "PA"), ("LLD", "PA")])
def test_the_view_comes_from_the_header_and_is_pa_by_default(tmp_path, recorded, expected):
    assert read(dicom_of(STORED, ViewPosition=recorded), tmp_path).view == expected
    assert read(dicom_of(STORED, ViewPosition=recorded), tmp_path, view="AP").view == "AP"


def test_the_header_keeps_patient_and_study_without_pixels(tmp_path):
    dataset = dicom_of(STORED)
    header = read(dataset, tmp_path).header
    assert (header.PatientID, header.StudyInstanceUID) == ("42", dataset.StudyInstanceUID)
    assert "PixelData" not in header


def test_rle_compressed_pixels_are_decoded(tmp_path):
    dataset = dicom_of(STORED)
    dataset.compress(RLELossless)
    np.testing.assert_array_equal(read(dataset, tmp_path).pixels, EXPECTED)


def written_by_itk(stored: np.ndarray, path: Path, compressor: str) -> Path:
    writer = sitk.ImageFileWriter()
    image = sitk.GetImageFromArray(stored)
    for tag, value in {"0008|0060": "CR", "0008|0016": CR_STORAGE, "0020|0020": r"L\F"}.items():
        image.SetMetaData(tag, value)
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.Execute(image)
    return path


def test_jpeg_2000_written_by_itk_is_decoded(tmp_path):
    path = written_by_itk(STORED, tmp_path / "chest.dcm", "JPEG2000")
    assert "JPEG 2000" in pydicom.dcmread(path).file_meta.TransferSyntaxUID.name
    np.testing.assert_array_equal(read_radiograph(path).pixels, EXPECTED)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 2, "RescaleIntercept": -50}])
def test_itk_steps_in_where_pydicom_has_no_decoder_and_nothing_is_inverted_twice(tmp_path, photometric, rescale):
    stored = STORED if photometric == "MONOCHROME2" else 65535 - STORED
    elements = {"PhotometricInterpretation": photometric, "WindowCenter": 30000, "WindowWidth": 40000, **rescale}
    plain = dicom_of(stored, **elements)
    expected = read(plain, tmp_path).pixels
    compressed = pydicom.dcmread(written_by_itk(stored, tmp_path / "itk.dcm", "JPEG"))
    assert compressed.file_meta.TransferSyntaxUID.name.startswith("JPEG")
    with pytest.raises(RuntimeError):
        _ = compressed.pixel_array
    plain.PixelData, plain["PixelData"].VR = compressed.PixelData, "OB"
    plain.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID
    np.testing.assert_allclose(read(plain, tmp_path).pixels, expected, atol=1e-4)


@pytest.mark.parametrize("explicit", [True, False])
def test_dicom_without_preamble_and_with_a_wrong_extension_is_read(tmp_path, explicit):
    dataset = dicom_of(STORED)
    path = tmp_path / "chest.png"
    del dataset.file_meta
    pydicom.dcmwrite(path, dataset, implicit_vr=not explicit, little_endian=True)
    np.testing.assert_array_equal(read_radiograph(path).pixels, EXPECTED)


def test_a_colour_secondary_capture_becomes_grey(tmp_path):
    grey = as_stored(CHEST, 8)
    dataset = dicom_of(np.repeat(grey[..., None], 3, axis=2), SOPClassUID=SECONDARY_CAPTURE_STORAGE, Modality="OT")
    np.testing.assert_allclose(read(dataset, tmp_path).pixels, normalise(grey), atol=1e-5)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"ViewPosition": "LL"}, "lateral"),
        ({"ViewPosition": "RL"}, "lateral"),
        ({"ViewPosition": "LATERAL"}, "lateral"),
        ({"ViewPosition": "LLO"}, "oblique"),
        ({"ViewPosition": None, "SeriesDescription": "W Chest Lat."}, "lateral"),
        ({"PatientOrientation": ["A", "F"]}, "not a frontal view"),
        ({"PatientOrientation": ["F", "P"]}, "not a frontal view"),
        ({"PatientOrientation": None, "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "not a frontal view"),
        ({"Modality": "CT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "CT"),
        ({"Modality": "MR"}, "MR"),
        ({"Modality": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}, "not a chest radiograph"),
        ({"Modality": "MG"}, "MG"),
        ({"NumberOfFrames": 2}, "more than one frame"),
        ({"Rows": 20000, "Columns": 20000}, "100 megapixels"),
        ({"Rows": 60}, "60 x 96 pixels"),
        ({"Rows": None}, "without an image"),
        ({"PixelData": None}, "damaged"),
        ({"PixelData": b"\0\1"}, "damaged"),
        ({"PixelData": bytes(STORED.nbytes)}, "one even grey"),
    ],
)
def test_what_is_no_frontal_radiograph_is_refused_in_one_sentence(tmp_path, elements, reason):
    assert reason in refusal(saved(dicom_of(STORED, **elements), tmp_path / "chest.dcm"))


def test_a_named_view_overrides_a_header_that_errs(tmp_path):
    assert read(dicom_of(STORED, ViewPosition="LL"), tmp_path, view="AP").view == "AP"


def test_pixels_that_no_decoder_understands_are_refused(tmp_path):
    dataset = dicom_of(STORED)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([b"not a JPEG stream"])
    assert "damaged" in refusal(saved(dataset, tmp_path / "chest.dcm"))


def test_what_is_no_readable_file_is_refused_in_one_sentence(tmp_path):
    assert "does not exist" in refusal(tmp_path / "missing.dcm")
    assert "not a file" in refusal(tmp_path)
    for name, content in {
        "empty.dcm": b"",
        "text.png": b"This is not an image, and it is longer than a header. " * 100,
        "preamble.dcm": bytes(128) + b"DICM",
        "zeros.nii": bytes(5000),
        "archive.nii.gz": gzip.compress(b"nothing inside"),
        "broken.nii.gz": b"\x1f\x8b" + bytes(50),
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        refusal(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (64, 64)).save(path)
    content = bytearray(path.read_bytes())
    for width, height in ((11_000, 11_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        content[16:24] = struct.pack(">II", width, height)
        content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
        path.write_bytes(content)
        assert "100 megapixels" in refusal(path)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"view": "LL"}, "view"),
        ({"invert": "maybe"}, "inversion"),
        ({"crop": (0.5, 0.5, 0, 1)}, "crop"),
        ({"crop": (0, 1, 0.9, 0.1)}, "crop"),
        ({"crop": (-0.1, 1, 0, 1)}, "crop"),
        ({"crop": (0, 1.1, 0, 1)}, "crop"),
        ({"crop": (0, float("nan"), 0, 1)}, "crop"),
    ],
)
def test_an_unknown_option_is_a_programming_error(options, word):
    with pytest.raises(ValueError, match=word):
        Reading(**options)


def test_flipping_exchanges_left_and_right_and_says_so(tmp_path):
    radiograph = read(dicom_of(STORED), tmp_path, flip=True)
    np.testing.assert_allclose(radiograph.pixels, EXPECTED[:, ::-1], atol=1e-6)
    assert any("exchanged on request" in warning for warning in radiograph.warnings)


def test_a_crop_reads_as_a_file_that_holds_only_that_part(tmp_path):
    rows, columns = STORED.shape
    kept = slice(round(0.1 * rows), round(0.9 * rows)), slice(round(0.1 * columns), round(0.9 * columns))
    cropped = read(dicom_of(STORED), tmp_path, crop=(0.1, 0.9, 0.1, 0.9))
    part = read(dicom_of(np.ascontiguousarray(STORED[kept])), tmp_path)
    np.testing.assert_allclose(cropped.pixels, part.pixels, atol=1e-6)
    assert cropped.spacing_mm == part.spacing_mm
    assert any("cropped on request" in warning for warning in cropped.warnings)


def test_a_crop_of_a_flipped_picture_goes_by_what_is_seen(tmp_path):
    seen = read(dicom_of(np.ascontiguousarray(STORED[:, ::-1])), tmp_path, crop=(0, 1, 0, 0.8))
    flipped = read(dicom_of(STORED), tmp_path, flip=True, crop=(0, 1, 0, 0.8))
    np.testing.assert_array_equal(flipped.pixels, seen.pixels)


def test_a_crop_to_too_few_pixels_is_refused_by_name(tmp_path):
    with pytest.raises(UnsuitableInput, match=r"chest\.dcm.*pixels of its crop; crop it less"):
        read(dicom_of(STORED), tmp_path, crop=(0, 0.05, 0, 1))


@pytest.mark.parametrize("kind", ["explicit", "implicit", "rle"])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_dicom_file_is_refused_or_complete(tmp_path, kind, share):
    dataset = dicom_of(STORED)
    if kind == "implicit":
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    if kind == "rle":
        dataset.compress(RLELossless)
    path = saved(dataset, tmp_path / "cut.dcm")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    try:
        radiograph = read_radiograph(path)
    except UnsuitableInput:
        refusal(path)
    else:
        np.testing.assert_array_equal(radiograph.pixels, EXPECTED)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_damaged_dicom_header_never_ends_in_anything_but_a_refusal(tmp_path, changes):
    path = saved(dicom_of(STORED, WindowCenter=30000, WindowWidth=40000, PixelSpacing=[0.1, 0.1]), tmp_path / "x.dcm")
    content = bytearray(path.read_bytes())
    for position, byte in changes:
        content[position] = byte
    path.write_bytes(content)
    try:
        pixels = read_radiograph(path).pixels
    except UnsuitableInput:
        refusal(path)
    else:
        assert np.isfinite(pixels).all()
