"""CT files in any orientation, network volumes, NRRD and NIfTI: each landmark of one lopsided body in its place."""

import gzip
import struct
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from asymmetric_body import assert_landmarks_in_place, asymmetric_body, find_landmarks
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.dicom_marks import dicom_study
from XrayToCTLib.dicom_series import write_dicom_series
from XrayToCTLib.errors import ModelError, UnsuitableInput
from XrayToCTLib.marking import SYNTHETIC_NOTICE, Provenance
from XrayToCTLib.volume import ct_from_network, network_from_ct, radiograph_image, write_nifti, write_nrrd

CENTRE = (13.0, -29.0, 210.0)
VOXEL = 5.0
MARKS = Provenance("test", "1", "0" * 64, "Drawn, not measured.").marks()
ORIENTATIONS = ["LPS", "RAS", "LAI", "RPI", "PIR", "SAL", "ILA", "ASL", "IRP"]


def assert_ct_in_place(image: sitk.Image, tolerance_mm: float = VOXEL, centre=(0.0, 0.0, 0.0)) -> None:
    found = find_landmarks(
        sitk.GetArrayFromImage(image), lambda kji: image.TransformContinuousIndexToPhysicalPoint(kji[::-1])
    )
    assert_landmarks_in_place(found, tolerance_mm, centre)


def write(image: sitk.Image, path: Path) -> Path:
    sitk.WriteImage(image, str(path), useCompression=path.suffix != ".nii")
    return path


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz"])
def test_a_ct_file_in_any_orientation_keeps_every_landmark_to_the_network_and_back(
    tmp_path: Path, orientation: str, suffix: str
) -> None:
    source = sitk.DICOMOrient(asymmetric_body(centre=CENTRE), orientation)
    ct = read_ct(write(source, tmp_path / f"ct{suffix}"))
    assert_ct_in_place(ct, 0.1 * VOXEL, CENTRE)
    assert_ct_in_place(ct_from_network(network_from_ct(ct, 64), 320.0), 0.1 * VOXEL)


def test_anisotropic_voxels_and_an_uneven_box_keep_every_landmark(tmp_path: Path) -> None:
    source = asymmetric_body((100, 70, 44), (2.9, 3.1, 7.5), CENTRE)
    ct = read_ct(write(sitk.DICOMOrient(source, "SAR"), tmp_path / "ct.mha"))
    assert_ct_in_place(ct_from_network(network_from_ct(ct, 64, 350.0), 350.0), VOXEL)


def test_an_oblique_ct_is_straightened() -> None:
    body = asymmetric_body()
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.15, -0.1, 0.2)
    # The same voxels under a turned direction are a turned body; sampling it back along the turned axes undoes it.
    oblique = sitk.Image(body)
    oblique.SetDirection(turn.GetMatrix())
    oblique.SetOrigin(turn.TransformPoint(body.GetOrigin()))
    ct = ct_from_network(network_from_ct(oblique, 64, 320.0), 320.0)
    found = find_landmarks(
        sitk.GetArrayFromImage(ct), lambda kji: ct.TransformContinuousIndexToPhysicalPoint(kji[::-1])
    )
    turned_back = {name: np.array(turn.GetInverse().TransformPoint(point)) for name, point in found.items()}
    assert_landmarks_in_place(turned_back, VOXEL)


def test_the_network_volume_has_the_values_of_the_definition() -> None:
    image = asymmetric_body()
    image[0, 0, 0] = -2000
    image[1, 0, 0] = 3000
    v = network_from_ct(image, 64)
    assert v.dtype == np.float32
    expected = np.clip(sitk.GetArrayFromImage(image) + 1024.0, 0, 2500) / 2500
    np.testing.assert_allclose(v, expected[::-1].transpose(1, 0, 2), atol=1e-6)


def test_outside_the_ct_there_is_air_of_zero() -> None:
    v = network_from_ct(asymmetric_body((64, 40, 64)), 64)
    assert (v[:11] == 0).all()
    assert (v[-11:] == 0).all()
    assert v[13:-13].max() > 0.5


def test_a_shrunk_volume_keeps_the_mean_of_the_larger_one() -> None:
    # Without a filter before sampling, thin structures would come and go.
    stripes = sitk.GetImageFromArray(np.where(np.arange(64) % 4 == 0, 1000, -1000)[None, None] * np.ones((64, 64, 1)))
    v = network_from_ct(sitk.Cast(stripes, sitk.sitkInt16), 16)
    expected = (0.25 * (1000 + 1024) + 0.75 * 24) / 2500
    np.testing.assert_allclose(v[4:-4, 4:-4, 4:-4], expected, rtol=0.1)


@settings(deadline=None, max_examples=10)
@given(
    size=st.tuples(*[st.integers(8, 20)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 6)] * 3),
    side=st.floats(20, 200),
    code=st.sampled_from(ORIENTATIONS),
)
def test_reorienting_a_ct_never_changes_its_network_volume(size, spacing, side, code) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, size[::-1]).astype(np.int16))
    image.SetSpacing(spacing)
    np.testing.assert_allclose(
        network_from_ct(sitk.DICOMOrient(image, code), 16, side), network_from_ct(image, 16, side), atol=2e-3
    )


def test_hounsfield_units_survive_the_round_trip_exactly() -> None:
    v = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
    ct = ct_from_network(v, 40.0)
    assert ct.GetPixelID() == sitk.sitkInt16
    np.testing.assert_allclose(network_from_ct(ct, 8, 40.0), v, atol=0.5 / 2500 + 1e-6)


def test_a_ct_is_isotropic_lps_and_centred_at_zero() -> None:
    ct = ct_from_network(np.zeros((20, 40, 30)), (100.0, 200.0, 150.0))
    assert ct.GetSize() == (30, 20, 40)
    assert ct.GetSpacing() == (5, 5, 5)
    assert ct.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert ct.TransformContinuousIndexToPhysicalPoint([14.5, 9.5, 19.5]) == (0, 0, 0)


def test_values_are_clamped_before_they_become_hounsfield_units() -> None:
    ct = ct_from_network(np.array([-1.0, 0.0, 0.5, 1.0, 9.0]).reshape(5, 1, 1), (5.0, 1.0, 1.0))
    assert sitk.GetArrayFromImage(ct).ravel().tolist() == [-1024, -1024, 226, 1476, 1476]


def test_voxels_that_would_not_be_cubes_are_refused() -> None:
    with pytest.raises(ValueError, match="cubic"):
        ct_from_network(np.zeros((8, 8, 8)), (320.0, 320.0, 300.0))


def test_a_volume_that_is_not_a_number_blames_the_model() -> None:
    with pytest.raises(ModelError, match="not numbers"):
        ct_from_network(np.full((8, 8, 8), np.nan), 320.0)


def test_a_radiograph_in_space_has_its_corners_where_a_reader_expects_them() -> None:
    pixels = np.arange(12.0).reshape(3, 4)
    image = radiograph_image(pixels, (2.0, 3.0), -170.0)
    corner = image.TransformIndexToPhysicalPoint((0, 0, 0))
    assert corner == (-4.5, -170, 2), "row 0, column 0: patient's right (negative in LPS) and superior"
    assert image[0, 0, 0] == 0
    assert image.TransformIndexToPhysicalPoint((3, 2, 0)) == (4.5, -170, -2)
    assert image[3, 2, 0] == 11


def test_nrrd_and_nifti_written_here_keep_every_landmark_and_the_notice(tmp_path: Path) -> None:
    ct = ct_from_network(network_from_ct(asymmetric_body(), 64), 320.0)
    write_nrrd(ct, tmp_path / "ct.nrrd", MARKS)
    write_nifti(ct, tmp_path / "ct.nii.gz", MARKS)
    nrrd, nifti = sitk.ReadImage(str(tmp_path / "ct.nrrd")), sitk.ReadImage(str(tmp_path / "ct.nii.gz"))
    for image in (nrrd, nifti):
        assert image.GetPixelID() == sitk.sitkInt16
        assert_ct_in_place(image, 0.1 * VOXEL)
    assert {key: nrrd.GetMetaData(key) for key in MARKS} == MARKS
    assert nifti.GetMetaData("ITK_FileNotes").startswith(SYNTHETIC_NOTICE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nii.gz", "ct.nrrd"]


def test_nibabel_sees_every_landmark_of_our_nifti_in_ras(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    write_nifti(ct_from_network(network_from_ct(asymmetric_body(), 64), 320.0), tmp_path / "ct.nii.gz", MARKS)
    image = nibabel.load(tmp_path / "ct.nii.gz")
    found = find_landmarks(np.asarray(image.dataobj), lambda ijk: (image.affine @ [*ijk, 1])[:3])
    assert_landmarks_in_place(found, 0.1 * VOXEL, to_lps=(-1, -1, 1))
    assert SYNTHETIC_NOTICE.encode() in image.header["descrip"].tobytes()


def test_our_own_dicom_series_is_read_back_from_its_folder_or_one_file(tmp_path: Path) -> None:
    body = asymmetric_body(centre=CENTRE)
    files = write_series(body, tmp_path / "series")
    for path in (tmp_path / "series", files[17]):
        ct = read_ct(path)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(body))
        assert_ct_in_place(ct, 0.1 * VOXEL, CENTRE)


def test_dicom_slices_of_another_plane_are_placed_by_their_headers(tmp_path: Path) -> None:
    write_series(sitk.DICOMOrient(asymmetric_body(centre=CENTRE), "SLA"), tmp_path / "series")
    assert_ct_in_place(read_ct(tmp_path / "series"), 0.1 * VOXEL, CENTRE)


def test_the_rescale_slope_is_applied(tmp_path: Path) -> None:
    body = asymmetric_body()
    for file in write_series(body, tmp_path / "series"):
        dataset = pydicom.dcmread(file)
        dataset.PixelData = (dataset.pixel_array * 2).astype("<u2").tobytes()
        dataset.RescaleSlope = "0.5"
        dataset.save_as(file)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_ct(tmp_path / "series")), sitk.GetArrayFromImage(body))


def test_of_two_series_the_larger_is_read_with_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    larger = write_series(asymmetric_body(), folder)
    smaller = write_series(asymmetric_body((64, 64, 10), (5, 5, 30)), tmp_path / "other")
    for file in smaller:
        file.rename(folder / f"other-{file.name}")
    with pytest.warns(UserWarning, match="2 CT series; the largest"):
        assert read_ct(folder).GetSize() == (64, 64, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_ct(larger[0]).GetSize() == (64, 64, 64)


def write_series(image: sitk.Image, folder: Path) -> list[Path]:
    return write_dicom_series(image, folder, dicom_study(None, Provenance("test", "1", "0" * 64, "Drawn.")))


def assert_refused(path: Path, reason: str) -> None:
    with pytest.raises(UnsuitableInput, match=reason) as caught:
        read_ct(path)
    message = str(caught.value)
    assert path.name in message or path.is_dir()
    assert message.endswith(".")
    assert "\n" not in message


def edit(files: list[Path], **attributes: object) -> None:
    for file in files:
        dataset = pydicom.dcmread(file)
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(file)


def test_a_series_with_a_missing_slice_is_refused(tmp_path: Path) -> None:
    write_series(asymmetric_body(), tmp_path / "series")[30].unlink()
    assert_refused(tmp_path / "series", "lacks slices")


def test_a_series_with_two_phases_is_refused(tmp_path: Path) -> None:
    files = write_series(asymmetric_body(), tmp_path / "series")
    (tmp_path / "series" / "again.dcm").write_bytes(files[3].read_bytes())
    assert_refused(tmp_path / "series", "several slices at one place")


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    for number, file in enumerate(write_series(asymmetric_body(), tmp_path / "series")):
        position = pydicom.dcmread(file).ImagePositionPatient
        edit([file], ImagePositionPatient=[position[0], f"{position[1] + 2.0 * number:.3f}", position[2]])
    assert_refused(tmp_path / "series", "tilted gantry")


def test_another_modality_is_refused(tmp_path: Path) -> None:
    edit(
        write_series(asymmetric_body(), tmp_path / "series"),
        SOPClassUID=pydicom.uid.MRImageStorage,
        Modality="MR",
    )
    assert_refused(tmp_path / "series", "holds no CT slices .found: MR")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "no DICOM")


def test_slices_without_a_position_are_refused(tmp_path: Path) -> None:
    edit(write_series(asymmetric_body(), tmp_path / "series")[:1], ImagePositionPatient=None)
    assert_refused(tmp_path / "series", "where its slice lies")


def test_a_truncated_dicom_slice_is_refused(tmp_path: Path) -> None:
    file = write_series(asymmetric_body(), tmp_path / "series")[5]
    file.write_bytes(file.read_bytes()[:3000])
    assert_refused(tmp_path / "series", "truncated")


@pytest.mark.parametrize("suffix", [".nrrd", ".nii", ".nii.gz", ".mha"])
@pytest.mark.parametrize("kept", [0.01, 0.5, 0.98])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str, kept: float) -> None:
    image = asymmetric_body()
    noise = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 1000, (64, 64, 64)).astype(np.int16))
    noise.CopyInformation(image)
    path = write(noise, tmp_path / f"ct{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert_refused(path, "truncated")


def test_a_picture_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image([64, 64], sitk.sitkUInt8), str(tmp_path / "ct.png"))
    assert_refused(tmp_path / "ct.png", "not a CT in a known format")


def test_a_flat_image_is_refused(tmp_path: Path) -> None:
    assert_refused(write(sitk.Image([64, 64], sitk.sitkInt16), tmp_path / "ct.nrrd"), "2 dimensions")
    assert_refused(write(sitk.Image([64, 64, 1], sitk.sitkInt16), tmp_path / "thin.nrrd"), "only 64 x 64 x 1 voxels")


def test_several_values_a_voxel_are_refused(tmp_path: Path) -> None:
    image = sitk.Compose(asymmetric_body(), asymmetric_body())
    assert_refused(write(image, tmp_path / "ct.nrrd"), "2 values a voxel")


def test_a_volume_without_air_is_refused(tmp_path: Path) -> None:
    labels = sitk.Cast(asymmetric_body() > 0, sitk.sitkUInt8)
    assert_refused(write(labels, tmp_path / "labels.nrrd"), "not a CT in Hounsfield units")


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.nrrd", "does not exist")


NRRD_HEADER = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: {sizes}\n"
    "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
    "space origin: (0,0,0)\n{more}\n"
)


def test_a_header_that_claims_too_many_voxels_is_refused_before_loading(tmp_path: Path) -> None:
    path = tmp_path / "ct.nrrd"
    path.write_text(NRRD_HEADER.format(sizes="40000 30000 20000", more=""))
    assert_refused(path, "2.4e.13 voxels")
    header = bytearray(gzip.decompress(write(asymmetric_body(), tmp_path / "ct.nii.gz").read_bytes()))
    struct.pack_into("<8h", header, 40, 3, 32767, 32767, 32767, 1, 1, 1, 1)
    (tmp_path / "ct.nii").write_bytes(header)
    assert_refused(tmp_path / "ct.nii", "3.5e.13 voxels")


@pytest.mark.parametrize("key", ["data file", "datafile", "DATA FILE"])
def test_a_nrrd_header_that_points_to_another_file_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(2 * 64**3))
    path = tmp_path / "ct.nrrd"
    path.write_text(NRRD_HEADER.format(sizes="64 64 64", more=f"{key}: ../{tmp_path.name}/secret\n"))
    assert_refused(path, "another file")


def test_a_meta_image_that_points_to_another_file_is_refused(tmp_path: Path) -> None:
    sitk.WriteImage(asymmetric_body(), str(tmp_path / "ct.mhd"))
    assert_refused(tmp_path / "ct.mhd", "another file")


def test_floating_point_values_are_rounded_and_gaps_become_air(tmp_path: Path) -> None:
    values = sitk.GetArrayFromImage(asymmetric_body()).astype(np.float32) + 0.4
    values[0, 0, :3] = [np.nan, np.inf, -np.inf]
    ct = read_ct(write(sitk.GetImageFromArray(values), tmp_path / "ct.nrrd"))
    array = sitk.GetArrayFromImage(ct)
    assert array.dtype == np.int16
    assert array[0, 0, :3].tolist() == [-1024, 32767, -32768]
    assert array[32, 32, 32] == round(float(values[32, 32, 32]))


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_damaged_headers_never_raise_anything_but_unsuitable_input(tmp_path_factory, data) -> None:
    suffix = data.draw(st.sampled_from([".nrrd", ".nii", ".mha"]))
    folder = tmp_path_factory.mktemp("damaged")
    path = write(asymmetric_body((16, 16, 16), (20, 20, 20)), folder / f"ct{suffix}")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(UnsuitableInput):
        assert read_ct(path).GetPixelID() == sitk.sitkInt16


def test_a_real_ct_keeps_its_lungs_apart() -> None:
    path = Path(__file__).parents[3] / "shared" / "data" / "ct" / "cip" / "ct-64.nrrd"
    if not path.exists():
        pytest.skip("the shared data are not here")
    v = network_from_ct(read_ct(path), 64)
    assert 0.1 < np.mean(v < 0.3) < 0.9
