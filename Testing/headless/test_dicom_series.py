"""The synthetic CT as DICOM: its marks, its geometry as pydicom and dciodvfy see it, and what it does to a folder."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from asymmetric_body import assert_landmarks_in_place, asymmetric_body, find_landmarks
from dicom_validator import errors_of
from XrayToCTLib.dicom_marks import dicom_study
from XrayToCTLib.dicom_series import write_dicom_series
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import Provenance
from XrayToCTLib.volume import ct_from_network, network_from_ct

VOXEL = 5.0
SHA256 = "0123456789abcdef" * 4
NOTICE = "SYNTHETIC CT - NOT FOR DIAGNOSTIC USE"


def xray_header(**changes: object) -> pydicom.Dataset:
    header = pydicom.Dataset()
    header.SOPClassUID = DigitalXRayImageStorageForPresentation
    header.SOPInstanceUID = generate_uid()
    header.StudyInstanceUID = generate_uid()
    header.SeriesInstanceUID = generate_uid()
    header.PatientName = "Müller^Jürgen"
    header.PatientID = "P-17"
    header.PatientBirthDate = "19600229"
    header.PatientSex = "F"
    header.StudyDate = "20240131"
    header.StudyTime = "081500.25"
    header.StudyID = "S1"
    header.AccessionNumber = "A77"
    header.ReferringPhysicianName = "Doe^Jane"
    header.Modality = "DX"
    for keyword, value in changes.items():
        setattr(header, keyword, value)
    return header


def write(
    folder: Path, image: sitk.Image | None = None, header: pydicom.Dataset | None = None
) -> list[pydicom.Dataset]:
    study = dicom_study(header, Provenance("chest-64", "0.3", SHA256, "Predicted from one chest radiograph."))
    files = write_dicom_series(image or asymmetric_body((32, 32, 20), (10, 10, 16)), folder, study)
    return [pydicom.dcmread(file) for file in files]


@pytest.fixture(scope="module")
def header() -> pydicom.Dataset:
    return xray_header()


@pytest.fixture(scope="module")
def series(tmp_path_factory, header) -> list[pydicom.Dataset]:
    return write(tmp_path_factory.mktemp("marks") / "series", header=header)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
        ("Modality", "CT"),
        ("SyntheticData", "YES"),
        ("ImageType", ["DERIVED", "SECONDARY", "AXIAL"]),
        ("SeriesDescription", NOTICE),
        ("ContentQualification", "RESEARCH"),
        ("BurnedInAnnotation", "NO"),
        ("RescaleType", "HU"),
        ("PatientPosition", "HFS"),
        ("ManufacturerModelName", "chest-64"),
    ],
)
def test_every_slice_carries_the_mark(series: list[pydicom.Dataset], keyword: str, value: object) -> None:
    assert all(dataset[keyword].value == value for dataset in series)


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
    ],
)
def test_patient_and_study_are_those_of_the_xray(series, header, keyword: str) -> None:
    assert all(dataset[keyword].value == header[keyword].value for dataset in series)


def test_the_synthesizing_equipment_is_named(series) -> None:
    (equipment,) = series[0].ContributingEquipmentSequence
    (purpose,) = equipment.PurposeOfReferenceCodeSequence
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning) == (
        "109100",
        "DCM",
        "Synthesizing Equipment",
    )
    assert equipment.Manufacturer == "XrayToCT"
    assert equipment.ManufacturerModelName == "chest-64"
    assert "0.3" in equipment.SoftwareVersions
    assert SHA256 in equipment.ContributionDescription


def test_the_source_image_is_the_xray(series, header) -> None:
    (source,) = series[0].SourceImageSequence
    (purpose,) = source.PurposeOfReferenceCodeSequence
    assert source.ReferencedSOPClassUID == header.SOPClassUID
    assert source.ReferencedSOPInstanceUID == header.SOPInstanceUID
    assert (purpose.CodeValue, purpose.CodingSchemeDesignator) == ("121322", "DCM")


def test_the_derivation_names_the_model_its_weights_and_the_way(series) -> None:
    for part in (NOTICE, "chest-64", "0.3", SHA256, "Predicted from one chest radiograph."):
        assert part in series[0].DerivationDescription


def test_series_frame_and_instances_have_new_identifiers(series, header, tmp_path: Path) -> None:
    again = write(tmp_path / "again", header=header)
    for keyword in ("SeriesInstanceUID", "FrameOfReferenceUID"):
        values = {dataset[keyword].value for dataset in series}
        assert len(values) == 1
        assert not values & {dataset[keyword].value for dataset in again}
    instances = {dataset.SOPInstanceUID for dataset in [*series, *again]}
    assert len(instances) == len(series) + len(again)
    assert header.SOPInstanceUID not in instances
    assert header.SeriesInstanceUID != series[0].SeriesInstanceUID
    assert all(dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID for dataset in series)


def test_without_an_xray_in_dicom_the_marks_stay_and_the_study_is_new(tmp_path: Path) -> None:
    dataset = write(tmp_path / "series")[0]
    assert dataset.SyntheticData == "YES"
    assert "SourceImageSequence" not in dataset
    assert dataset.PatientName == ""
    assert pydicom.uid.UID(dataset.StudyInstanceUID).is_valid


def test_pydicom_finds_every_landmark_by_the_headers_alone(tmp_path: Path) -> None:
    ct = ct_from_network(network_from_ct(asymmetric_body(), 64), 320.0)
    slices = write(tmp_path / "series", ct)
    hu = np.stack(
        [item.pixel_array.astype(int) * int(item.RescaleSlope) + int(item.RescaleIntercept) for item in slices]
    )
    np.testing.assert_array_equal(hu[::-1], sitk.GetArrayFromImage(ct))
    positions = np.array([item.ImagePositionPatient for item in slices], float)
    along_row, along_column = np.reshape(slices[0].ImageOrientationPatient, (2, 3)).astype(float)
    row_spacing, column_spacing = slices[0].PixelSpacing

    def world(index):  # PS3.3 C.7.6.2.1.1, equation C.7.6.2.1-1
        number, row, column = index
        place = [np.interp(number, np.arange(len(slices)), positions[:, axis]) for axis in range(3)]
        return place + along_row * column_spacing * column + along_column * row_spacing * row

    assert_landmarks_in_place(find_landmarks(hu, world), 0.1 * VOXEL)


def test_itk_reads_the_series_as_it_was(tmp_path: Path) -> None:
    image = asymmetric_body((30, 20, 16), (9.5, 10.25, 20.0), (1.5, -2.25, 77.125))
    write(tmp_path / "series", image)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "series"))
    read = sitk.ReadImage(names)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    for getter in ("GetOrigin", "GetSpacing", "GetDirection"):
        np.testing.assert_allclose(getattr(read, getter)(), getattr(image, getter)(), atol=1e-5)


def test_files_are_named_and_numbered_from_the_head_down(tmp_path: Path) -> None:
    write(tmp_path / "series")
    files = sorted((tmp_path / "series").iterdir())
    heights = [float(pydicom.dcmread(file).ImagePositionPatient[2]) for file in files]
    assert [file.name for file in files] == [f"IM{number:05d}.dcm" for number in range(1, 21)]
    assert heights == sorted(heights, reverse=True)
    assert [pydicom.dcmread(file).InstanceNumber for file in files] == list(range(1, 21))


def test_the_whole_int16_range_above_minus_1024_is_kept(tmp_path: Path) -> None:
    values = np.array([-32768, -1025, -1024, 0, 3071, 3072, 32767, 5], np.int16).reshape(2, 2, 2)
    slices = write(tmp_path / "series", sitk.GetImageFromArray(values))
    hu = np.stack([item.pixel_array.astype(int) + int(item.RescaleIntercept) for item in reversed(slices)])
    assert hu.ravel().tolist() == [-1024, -1024, -1024, 0, 3071, 3072, 32767, 5]


def test_another_pixel_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="int16"):
        write(tmp_path / "series", sitk.Image([8, 8, 8], sitk.sitkFloat32))


def test_an_earlier_series_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "series")
    second = write(tmp_path / "series", asymmetric_body((32, 32, 10), (10, 10, 32)))
    assert len(list((tmp_path / "series").iterdir())) == len(second) == 10
    assert [path.name for path in tmp_path.iterdir()] == ["series"]


@pytest.mark.parametrize("name", ["notes.txt", "IM00001.dcm"])
def test_a_folder_that_holds_anything_else_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UnsuitableInput, match="holds other files"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_failure_leaves_no_trace(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(pydicom.Dataset, "save_as", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "series")
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=20)
@given(
    text=st.text(max_size=200),
    keyword=st.sampled_from(["PatientID", "PatientName", "StudyID", "PatientSex", "StudyDate"]),
)
def test_a_strangers_header_never_breaks_the_series(tmp_path_factory, text: str, keyword: str) -> None:
    header = xray_header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header[keyword] = pydicom.DataElement(
            keyword, pydicom.datadict.dictionary_VR(keyword), text, validation_mode=pydicom.config.IGNORE
        )
    image = asymmetric_body((8, 8, 8), (40, 40, 40))
    dataset = write(tmp_path_factory.mktemp("hostile") / "series", image, header)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(str(dataset[keyword].value)) <= 64


def test_an_invalid_study_identifier_is_replaced(tmp_path: Path) -> None:
    header = xray_header()
    header["StudyInstanceUID"] = pydicom.DataElement(
        "StudyInstanceUID", "UI", "1.2.not-a-uid", validation_mode=pydicom.config.IGNORE
    )
    assert write(tmp_path / "series", header=header)[0].StudyInstanceUID.is_valid


@pytest.mark.parametrize("with_header", [True, False])
def test_dciodvfy_finds_no_error(tmp_path: Path, header, with_header: bool) -> None:
    write(tmp_path / "series", header=header if with_header else None)
    for name in ("IM00001.dcm", "IM00012.dcm"):
        assert errors_of(tmp_path / "series" / name) == []


def test_the_values_are_set_for_a_lung_window(series) -> None:
    assert (series[0].WindowCenter, series[0].WindowWidth) == (-600, 1500)
