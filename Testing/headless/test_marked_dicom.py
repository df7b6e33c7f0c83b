"""What stands beside the CT in DICOM: projection, maps and results. Their marks, their place, and who can read them."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, EnhancedSRStorage, SecondaryCaptureImageStorage

from asymmetric_body import LANDMARKS, assert_landmarks_in_place, asymmetric_body, find_landmarks
from dicom_validator import errors_of
from test_dicom_series import SHA256, xray_header
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.dicom_marks import dicom_study
from XrayToCTLib.dicom_projection import write_dicom_projection
from XrayToCTLib.dicom_report import NOT_CALIBRATED, SCHEME, write_structured_report
from XrayToCTLib.dicom_series import write_derived_series, write_dicom_series
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import TB_NOTICE, Provenance
from XrayToCTLib.volume import ct_from_network, image_from_network, network_from_ct, radiograph_image

VOXEL = 10.0
NOTICES = {
    "ct": "SYNTHETIC CT - NOT FOR DIAGNOSTIC USE",
    "projection": "PROJECTION OF SYNTHETIC CT - NOT FOR DIAGNOSTIC USE",
    "uncertainty": "UNCERTAINTY OF SYNTHETIC CT - NOT FOR DIAGNOSTIC USE",
    "saliency": "SALIENCY ON SYNTHETIC CT - NOT FOR DIAGNOSTIC USE",
    "results": "RESULTS ON SYNTHETIC CT - NOT FOR DIAGNOSTIC USE",
}
IMAGES = ["ct", "projection", "uncertainty", "saliency"]
MAPS = ["uncertainty", "saliency"]
CLASSES = {"healthy": 0.25, "sick": 0.625, "tb": 0.125}
CHECKS = (
    {"name": "chest wall closed", "passed": True, "value": 0.0, "message": "No gap opens the lungs."},
    {"name": "two lungs", "passed": False, "value": 1, "message": "There is one lung."},
    {"name": "liver on the right", "passed": None, "value": None, "message": "Not measurable."},
)


@pytest.fixture(scope="module")
def ct() -> sitk.Image:
    return ct_from_network(network_from_ct(asymmetric_body((32, 32, 32), (VOXEL,) * 3), 32), 320.0)


@pytest.fixture(scope="module")
def header() -> pydicom.Dataset:
    return xray_header()


@pytest.fixture(scope="module")
def volumes(ct) -> dict[str, np.ndarray]:
    """(z, y, x) as ITK reads them: the body's own landmarks, so that a mirrored map is noticed."""
    hu = sitk.GetArrayFromImage(ct).astype(float)
    return {"ct": hu, "uncertainty": (hu + 1024) / 7, "saliency": ((hu + 1024) / 2500).clip(0, 1)}


@pytest.fixture(scope="module")
def files(tmp_path_factory, ct, header, volumes) -> dict[str, list[Path]]:
    folder = tmp_path_factory.mktemp("study")
    study = dicom_study(header, Provenance("chest-64", "0.3", SHA256, "Predicted from one chest radiograph."))
    written = {"ct": write_dicom_series(ct, folder / "ct", study)}
    for kind in MAPS:
        network = volumes[kind].transpose(1, 0, 2)[:, ::-1]  # (D, H, W), by the convention alone
        image = image_from_network(network, 320.0)
        written[kind] = write_derived_series(image, kind, folder / kind, study, written["ct"])
    picture = volumes["saliency"].max(axis=1)[::-1]
    image = radiograph_image(picture, (VOXEL, VOXEL), -160.0)
    written["projection"] = [write_dicom_projection(image, folder / "projection.dcm", study)]
    results = write_structured_report(
        folder / "results.dcm",
        study,
        classes=CLASSES,
        checks=CHECKS,
        warnings=["Sizes are nominal."],
        ct_files=written["ct"],
    )
    return {**written, "results": [results]}


@pytest.fixture(scope="module")
def datasets(files) -> dict[str, list[pydicom.Dataset]]:
    return {kind: [pydicom.dcmread(path) for path in paths] for kind, paths in files.items()}


@pytest.mark.parametrize("kind", IMAGES)
def test_every_image_carries_every_mark_of_the_standard(datasets, header, kind: str) -> None:
    for item in datasets[kind]:
        assert item[0x0008, 0x001C].value == "YES"  # Synthetic Data
        assert item[0x0008, 0x0008].value[:2] == ["DERIVED", "SECONDARY"]  # Image Type
        assert item[0x0008, 0x103E].value == NOTICES[kind]  # Series Description
        assert item[0x0018, 0x9004].value == "RESEARCH"  # Content Qualification
        (equipment,) = item[0x0018, 0xA001].value  # Contributing Equipment
        (purpose,) = equipment[0x0040, 0xA170].value
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("109100", "DCM")
        assert purpose.CodeMeaning == codes.DCM.SynthesizingEquipment.meaning
        assert equipment.ManufacturerModelName == "chest-64"
        assert "0.3" in equipment.SoftwareVersions
        (source,) = item[0x0008, 0x2112].value  # Source Image
        assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
        (purpose,) = source[0x0040, 0xA170].value
        assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("121322", "DCM")
        for part in (NOTICES[kind], "chest-64", SHA256):
            assert part in item[0x0008, 0x2111].value  # Derivation Description


def test_results_carry_every_mark_that_an_object_without_pixels_can(datasets) -> None:
    (item,) = datasets["results"]
    assert (item.SyntheticData, item.ContentQualification) == ("YES", "RESEARCH")
    assert item.SeriesDescription == NOTICES["results"]
    assert item.ContributingEquipmentSequence[0].PurposeOfReferenceCodeSequence[0].CodeValue == "109100"
    assert (item.VerificationFlag, item.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")


def test_all_objects_are_of_one_patient_study_and_space_and_each_kind_is_a_new_series(datasets, header) -> None:
    everything = [item for kind in datasets.values() for item in kind]
    assert {item.StudyInstanceUID for item in everything} == {header.StudyInstanceUID}
    assert {(item.PatientID, str(item.PatientName)) for item in everything} == {("P-17", "Müller^Jürgen")}
    assert {len({item.SeriesInstanceUID for item in items}) for items in datasets.values()} == {1}
    assert len({items[0].SeriesInstanceUID for items in datasets.values()} | {header.SeriesInstanceUID}) == 6
    assert len({items[0].SeriesNumber for items in datasets.values()}) == 5
    assert len({item.FrameOfReferenceUID for kind in IMAGES for item in datasets[kind]}) == 1
    assert len({item.SOPInstanceUID for item in everything}) == len(everything)


def test_only_the_ct_is_a_ct(datasets) -> None:
    assert {kind: (items[0].SOPClassUID, items[0].Modality) for kind, items in datasets.items()} == {
        "ct": (CTImageStorage, "CT"),
        "projection": (SecondaryCaptureImageStorage, "OT"),
        "uncertainty": (SecondaryCaptureImageStorage, "OT"),
        "saliency": (SecondaryCaptureImageStorage, "OT"),
        "results": (EnhancedSRStorage, "SR"),
    }


@pytest.mark.parametrize("kind", [*MAPS, "projection"])
def test_our_own_reader_takes_no_map_and_no_projection_for_a_ct(files, kind: str) -> None:
    with pytest.raises(UnsuitableInput, match="no CT slices"):
        read_ct(files[kind][0])


def stored_to_values(items: list[pydicom.Dataset]) -> np.ndarray:
    return np.stack([pydicom.pixels.apply_rescale(item.pixel_array, item) for item in items])


STEP = {"ct": 0.5, "uncertainty": 0.05, "saliency": 0.00005}  # half of what one stored number is worth


@pytest.mark.parametrize("kind", ["ct", *MAPS])
def test_pydicom_finds_the_values_in_their_place(datasets, volumes, kind: str) -> None:
    items = datasets[kind]
    np.testing.assert_allclose(stored_to_values(items)[::-1], volumes[kind], atol=STEP[kind] * 1.001)
    for number, item in enumerate(items):
        assert item.ImagePositionPatient == pytest.approx([-155, -155, 155 - 10 * number])
        assert item.ImageOrientationPatient == [1, 0, 0, 0, 1, 0]
        assert item.PixelSpacing == [10, 10]


@pytest.mark.parametrize("kind", ["ct", *MAPS])
def test_simpleitk_reads_the_values_in_their_place(files, volumes, ct, kind: str) -> None:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(files[kind][0].parent))
    image = sitk.DICOMOrient(sitk.ReadImage(names), "LPS")
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), volumes[kind], atol=STEP[kind] * 1.001)
    for getter in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(image, getter)(), getattr(ct, getter)(), atol=1e-5)


def read_in_slicer(paths: list[Path]):
    """As Slicer's own DICOM plugin does: the files of a series, handed to the archetype reader in their order."""
    slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
    storage, scene = slicer.vtkMRMLVolumeArchetypeStorageNode(), slicer.vtkMRMLScene()
    scene.AddNode(storage)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage.SetSingleFile(0)
    storage.SetFileName(str(paths[0]))
    for path in paths:
        storage.AddFileName(str(path))
    assert storage.ReadData(node)
    return node


@pytest.mark.parametrize("kind", ["ct", *MAPS])
def test_slicer_reads_the_values_in_their_place(files, volumes, kind: str) -> None:
    node = read_in_slicer(files[kind])
    from mrml_reading import array_of, ras_of

    values, to_ras = array_of(node), ras_of(node)
    across = to_ras((0, 1, 1)) - to_ras((0, 0, 0))
    np.testing.assert_allclose(across, [-VOXEL, -VOXEL, 0], atol=1e-5)  # leftwards and backwards
    up = to_ras((1, 0, 0)) - to_ras((0, 0, 0))
    np.testing.assert_allclose(np.abs(up), [0, 0, VOXEL], atol=1e-5)
    from_below = up[2] > 0
    np.testing.assert_allclose(to_ras((0 if from_below else 31, 0, 0)), [155, 155, -155], atol=1e-5)
    np.testing.assert_allclose(values if from_below else values[::-1], volumes[kind], atol=STEP[kind] * 1.001)


def test_the_landmarks_of_the_ct_are_where_they_are_in_the_body_in_slicer(tmp_path: Path) -> None:
    study = dicom_study(None, Provenance("chest-64", "0.3", SHA256, "Drawn."))
    node = read_in_slicer(write_dicom_series(asymmetric_body(), tmp_path / "ct", study))
    from mrml_reading import array_of, ras_of

    assert_landmarks_in_place(find_landmarks(array_of(node), ras_of(node)), 0.5, to_lps=(-1, -1, 1))


def test_each_slice_of_a_map_refers_to_the_slice_of_the_ct_in_its_place(datasets) -> None:
    ct = {item.SOPInstanceUID: item.ImagePositionPatient for item in datasets["ct"]}
    for kind in MAPS:
        for item in datasets[kind]:
            (reference,) = item.ReferencedImageSequence
            assert ct[reference.ReferencedSOPInstanceUID] == item.ImagePositionPatient


def test_values_that_cannot_be_stored_are_clipped_not_wrapped(tmp_path: Path) -> None:
    study = dicom_study(None, Provenance("m", "1", SHA256, "Drawn."))
    image = sitk.GetImageFromArray(np.array([[[-5.0, 1e6]], [[0.5, 1.5]]]))
    read = {kind: write_derived_series(image, kind, tmp_path / kind, study) for kind in MAPS}
    values = {kind: stored_to_values([pydicom.dcmread(path) for path in paths]) for kind, paths in read.items()}
    np.testing.assert_allclose(values["uncertainty"][::-1].ravel(), [0, 6553.5, 0.5, 1.5])
    np.testing.assert_allclose(values["saliency"][::-1].ravel(), [0, 1, 0.5, 1])


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("anatomy", np.zeros((2, 2, 2)), "uncertainty, saliency"),
        ("saliency", np.full((2, 2, 2), np.nan), "finite"),
        ("saliency", np.zeros((2, 2)), "three dimensions"),
    ],
)
def test_other_maps_are_refused(tmp_path: Path, kind: str, values: np.ndarray, words: str) -> None:
    study = dicom_study(None, Provenance("m", "1", SHA256, "Drawn."))
    with pytest.raises(ValueError, match=words):
        write_derived_series(sitk.GetImageFromArray(values), kind, tmp_path / "map", study)
    assert not (tmp_path / "map").exists()


def test_a_map_of_another_number_of_slices_does_not_belong_to_the_ct(files, tmp_path: Path) -> None:
    study = dicom_study(None, Provenance("m", "1", SHA256, "Drawn."))
    with pytest.raises(ValueError, match="3 slices does not belong to a CT of 32"):
        write_derived_series(
            sitk.GetImageFromArray(np.zeros((3, 4, 4))), "saliency", tmp_path / "map", study, files["ct"]
        )


def test_the_projection_lies_before_the_patient_as_large_as_it_is(datasets) -> None:
    (item,) = datasets["projection"]
    columns = item.Columns
    assert columns >= 512
    factor = columns // 32
    along_row, along_column = np.reshape(item.ImageOrientationPatient, (2, 3)).astype(float)
    spacing, corner = np.array(item.PixelSpacing, float), np.array(item.ImagePositionPatient, float)
    assert spacing == pytest.approx([VOXEL / factor] * 2)
    edge = corner - along_row * spacing[1] / 2 - along_column * spacing[0] / 2
    assert edge == pytest.approx([-160, -160, 160])  # right, anterior, superior: the edge of the volume itself
    assert item.PatientOrientation == ["L", "F"]
    # The densest cube of the body, left and up, is where it is in the body.
    pixels = item.pixel_array[:columns]
    (left, _, up), _ = LANDMARKS["left"]
    row, column = np.argwhere(pixels == pixels.max()).mean(axis=0)
    place = corner + along_row * spacing[1] * column + along_column * spacing[0] * row
    assert place[[0, 2]] == pytest.approx([left, up], abs=VOXEL)


def test_the_projection_bears_the_notice_below_and_keeps_its_pixels(datasets, volumes) -> None:
    (item,) = datasets["projection"]
    columns = item.Columns
    picture = np.rint(volumes["saliency"].max(axis=1)[::-1] * 255).astype(np.uint8)
    factor = columns // 32
    np.testing.assert_array_equal(item.pixel_array[:columns][::factor, ::factor], picture)
    strip = item.pixel_array[columns:]
    assert len(strip) >= 12
    assert 0.02 < (strip > 128).mean() < 0.5  # letters
    assert item.BurnedInAnnotation == "NO"  # no letter of them names the patient


@pytest.mark.parametrize("kind", list(NOTICES))
def test_dciodvfy_finds_no_error(files, kind: str) -> None:
    assert errors_of(files[kind][0]) == []


def walk(item: pydicom.Dataset, depth: int = 0):
    yield depth, item
    for child in item.get("ContentSequence", []):
        yield from walk(child, depth + 1)


def concept(item: pydicom.Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in item else ""


def test_the_results_follow_template_1500(datasets) -> None:
    (report,) = datasets["results"]
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert concept(report) == codes.DCM.ImagingMeasurementReport.meaning
    assert [(item.RelationshipType, item.ValueType, concept(item)) for item in report.ContentSequence] == [
        ("HAS CONCEPT MOD", "CODE", "Language of Content Item and Descendants"),
        ("HAS OBS CONTEXT", "CODE", "Observer Type"),
        ("HAS OBS CONTEXT", "UIDREF", "Device Observer UID"),
        ("HAS OBS CONTEXT", "TEXT", "Device Observer Name"),
        ("HAS OBS CONTEXT", "TEXT", "Device Observer Manufacturer"),
        ("HAS OBS CONTEXT", "TEXT", "Device Observer Model Name"),
        ("HAS OBS CONTEXT", "TEXT", "Device Observer Serial Number"),
        ("HAS CONCEPT MOD", "CODE", "Procedure reported"),
        ("CONTAINS", "CONTAINER", "Image Library"),
        ("CONTAINS", "CONTAINER", "Imaging Measurements"),
        ("CONTAINS", "TEXT", "Comment"),
        ("CONTAINS", "TEXT", "Comment"),
        ("CONTAINS", "TEXT", "Comment"),
    ]


def test_every_code_of_the_standard_has_the_meaning_that_the_standard_gives_it(datasets) -> None:
    """Against pydicom's tables, which are made from PS3.16."""
    (report,) = datasets["results"]
    known = {
        (scheme, getattr(group, keyword).value): getattr(group, keyword).meaning
        for scheme, group in (("DCM", codes.DCM), ("UCUM", codes.UCUM))
        for keyword in dir(group)
        if keyword[0].isupper()
    }
    used = [
        code
        for _, item in walk(report)
        for sequence in ("ConceptNameCodeSequence", "ConceptCodeSequence")
        for code in item.get(sequence, [])
        if code.CodingSchemeDesignator in ("DCM", "UCUM")
    ]
    assert len(used) > 20
    assert [(code.CodeValue, code.CodeMeaning) for code in used] == [
        (code.CodeValue, known[code.CodingSchemeDesignator, code.CodeValue]) for code in used
    ]


def test_the_scores_stand_beside_what_they_are_not(datasets) -> None:
    (report,) = datasets["results"]
    group = next(item for _, item in walk(report) if concept(item) == "Measurement Group")
    numbers = {
        item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].NumericValue)
        for item in group.ContentSequence
        if item.ValueType == "NUM"
    }
    assert numbers == {f"class-{name}": value for name, value in CLASSES.items()}
    texts = [item.TextValue for item in group.ContentSequence if item.ValueType == "TEXT"]
    assert {TB_NOTICE, NOT_CALIBRATED} <= set(texts)
    everywhere = [item.TextValue for _, item in walk(report) if item.get("ValueType") == "TEXT"]
    for expected in (f"{NOTICES['results']}.", "Sizes are nominal.", "No gap opens the lungs.", "There is one lung."):
        assert expected in everywhere


def test_no_class_is_a_coded_finding_that_a_program_could_take_for_a_diagnosis(datasets) -> None:
    (report,) = datasets["results"]
    answers = [item.ConceptCodeSequence[0] for _, item in walk(report) if item.get("ValueType") == "CODE"]
    assert {answer.CodeValue for answer in answers if answer.CodingSchemeDesignator == SCHEME} == {
        "passed",
        "failed",
        "not-assessed",
    }
    assert not [answer for answer in answers if answer.CodingSchemeDesignator == "SCT"]
    assert "Finding" not in {concept(item) for _, item in walk(report)}


def test_the_tb_notice_is_there_without_a_class(tmp_path: Path) -> None:
    study = dicom_study(None, Provenance("m", "1", SHA256, "Drawn."))
    report = pydicom.dcmread(write_structured_report(tmp_path / "sr.dcm", study, classes={}))
    assert TB_NOTICE in [item.TextValue for _, item in walk(report) if item.get("ValueType") == "TEXT"]
    assert "CurrentRequestedProcedureEvidenceSequence" not in report


def test_the_results_refer_to_the_xray_and_to_every_slice(datasets, header) -> None:
    (report,) = datasets["results"]
    expected = {header.SOPInstanceUID} | {item.SOPInstanceUID for item in datasets["ct"]}
    library = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for _, item in walk(report)
        if item.get("ValueType") == "IMAGE"
    }
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    by_series = {
        series.SeriesInstanceUID: {item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence}
        for series in study.ReferencedSeriesSequence
    }
    assert library == set().union(*by_series.values()) == expected
    assert study.StudyInstanceUID == header.StudyInstanceUID
    assert by_series[header.SeriesInstanceUID] == {header.SOPInstanceUID}


def test_highdicom_reads_the_results_as_a_measurement_report(files) -> None:
    highdicom = pytest.importorskip("highdicom", reason="highdicom is not installed")
    content = highdicom.sr.srread(files["results"][0]).content
    assert isinstance(content, highdicom.sr.MeasurementReport)
    scores, findings = content.get_image_measurement_groups()
    assert {item.name.value: item.value for item in scores.get_measurements()} == {
        f"class-{name}": value for name, value in CLASSES.items()
    }
    read = [(item.name.meaning, item.value.meaning) for item in findings.get_qualitative_evaluations()]
    assert read == [
        ("chest wall closed", "Passed"),
        ("two lungs", "Failed"),
        ("liver on the right", "Not assessed"),
    ]
