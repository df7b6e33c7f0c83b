"""``prepare`` for CTs, through the real command line, on DICOM and files that the tests write, also damaged ones."""

import csv
import json
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from asymmetric_body import assert_landmarks_in_place, asymmetric_body, find_landmarks
from training_command import training
from XrayToCTLib.dicom_marks import dicom_study
from XrayToCTLib.dicom_series import write_dicom_series
from XrayToCTLib.marking import Provenance
from XrayToCTLib.orientation import lps_to_network
from XrayToCTLib.projection import Geometry
from XrayToCTTraining.data.cohort import Cohort, open_cohort
from XrayToCTTraining.data.ct_preparation import body_mask, cropped, shrunk
from XrayToCTTraining.data.rendering import rendered
from XrayToCTTraining.data.splits import split_of

SIZE, VOXEL = 64, 5.0


def prepare(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return training("prepare", *arguments, check=check)


def left_out(out: Path) -> dict[str, str]:
    with (out / "left_out.csv").open(newline="") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def write_series(folder: Path, patient: str, image: sitk.Image | None = None, study: str = "") -> list[Path]:
    """A CT series as a scanner's archive would deliver it."""
    made_by = dicom_study(None, Provenance("test", "1", "0" * 64, "Drawn."))
    files = write_dicom_series(image or asymmetric_body(), folder, made_by)
    study = study or pydicom.uid.generate_uid()
    for file in files:
        edit(file, PatientID=patient, StudyInstanceUID=study)
    return files


def edit(file: Path, **attributes: object) -> None:
    dataset = pydicom.dcmread(file)
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


def assert_in_place(hu: np.ndarray, voxel: float = VOXEL) -> None:
    """Landmarks of the drawn body in a prepared volume (D, H, W), from anterior, superior and the patient's right."""
    middle = (SIZE - 1) / 2

    def world(dhw: tuple[float, float, float]) -> tuple[float, float, float]:
        depth, height, width = ((place - middle) * voxel for place in dhw)
        return width, depth, -height

    assert_landmarks_in_place(find_landmarks(hu, world), voxel)


@pytest.fixture(scope="module")
def lidc(tmp_path_factory) -> tuple[Path, Path, str]:
    """LIDC-IDRI as TCIA delivers it, with all that can be wrong: raw folder, prepared folder, what was printed."""
    root = tmp_path_factory.mktemp("lidc")
    raw = root / "LIDC-IDRI"
    write_series(raw / "LIDC-IDRI-0001" / "study" / "series", "LIDC-IDRI-0001")
    study = pydicom.uid.generate_uid()
    write_series(raw / "LIDC-IDRI-0002" / "study" / "thin", "LIDC-IDRI-0002", study=study)
    coarse = asymmetric_body((64, 64, 20), (5, 5, 16))
    write_series(raw / "LIDC-IDRI-0002" / "study" / "thick", "LIDC-IDRI-0002", coarse, study)
    xray = write_series(raw / "LIDC-IDRI-0002" / "other" / "dx", "LIDC-IDRI-0002", coarse)
    for file in xray:
        edit(file, Modality="DX")
    write_series(raw / "LIDC-IDRI-0003" / "study" / "series", "LIDC-IDRI-0003")[30].unlink()
    for number, file in enumerate(write_series(raw / "LIDC-IDRI-0004" / "study" / "series", "LIDC-IDRI-0004")):
        position = pydicom.dcmread(file).ImagePositionPatient
        edit(file, ImagePositionPatient=[position[0], f"{position[1] + 2.0 * number:.3f}", position[2]])
    broken = write_series(raw / "LIDC-IDRI-0005" / "study" / "series", "LIDC-IDRI-0005")[5]
    broken.write_bytes(broken.read_bytes()[:-3000])
    mixed = raw / "LIDC-IDRI-0006" / "study" / "series"  # two series in one folder
    study = pydicom.uid.generate_uid()
    write_series(mixed, "LIDC-IDRI-0006", study=study)
    for file in write_series(raw / "temporary", "LIDC-IDRI-0006", coarse, study):
        file.rename(mixed / f"other-{file.name}")
    done = prepare("lidc", raw, root / "prepared", "--size", SIZE, "--workers", 2)
    return raw, root / "prepared", done.stdout


@pytest.fixture(scope="module")
def prepared(lidc) -> Cohort:
    return open_cohort(lidc[1])


def test_each_study_of_lidc_gives_its_largest_whole_series(prepared):
    assert sorted(case.patient for case in prepared.cases) == [f"LIDC-IDRI-000{i}" for i in (1, 2, 6)]
    assert {case.source for case in prepared.cases} == {"lidc"}


def test_heart_liver_and_spine_of_a_dicom_series_lie_where_they_belong(prepared):
    for case in prepared.cases:
        assert_in_place(prepared.hu(case))


@pytest.mark.parametrize(
    ("patient", "reason"),
    [("0003", "lacks slices"), ("0004", "tilted gantry"), ("0005", "truncated")],
)
def test_a_damaged_series_is_left_out_with_its_reason(lidc, patient, reason):
    (entry,) = [text for path, text in left_out(lidc[1]).items() if path.startswith(f"LIDC-IDRI-{patient}")]
    assert reason in entry


def test_other_series_and_modalities_are_left_out_with_their_reasons(lidc):
    reasons = left_out(lidc[1])
    assert "beside a series of its study" in reasons["LIDC-IDRI-0002/study/thick"]
    assert "beside a series of its study" in reasons["LIDC-IDRI-0006/study/series"]
    dx = [text for path, text in reasons.items() if "/dx/" in path]
    assert len(dx) == 20
    assert set(dx) == {"not a CT slice but DX"}
    assert f"left out: {len(reasons)}" in lidc[2]


def test_the_stored_radiograph_is_that_of_the_stored_ct(prepared):
    case = prepared.cases[0]
    geometry = Geometry.from_dict(json.loads(case.geometry))
    assert geometry == Geometry(detector_pixels=(SIZE, SIZE))
    expected = rendered(prepared.hu(case), geometry)
    # the CT is stored in whole HU, the radiograph in 255 steps
    np.testing.assert_allclose(prepared.radiograph(case) / 255, expected, atol=1 / 255)


def test_preparing_again_changes_nothing_and_other_settings_are_refused(lidc):
    raw, out, _ = lidc
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    prepare("lidc", raw, out, "--size", SIZE)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.npy")} == before
    refused = prepare("lidc", raw, out, "--size", 32, check=False)
    assert refused.returncode == 3
    assert "other settings" in refused.stderr


def test_two_workers_prepare_what_one_does(lidc, tmp_path):
    raw, out, _ = lidc
    prepare("lidc", raw / "LIDC-IDRI-0001", tmp_path / "one", "--size", SIZE)
    (case,) = open_cohort(tmp_path / "one").cases
    together = next(c for c in open_cohort(out).cases if c.patient == case.patient)
    one, both = (np.load(folder / f"{c.name}.npy") for folder, c in ((tmp_path / "one", case), (out, together)))
    np.testing.assert_array_equal(one, both)
    assert case.sha256 == together.sha256


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Cohort]:
    """A folder of CTs in other formats and directions, some of them damaged, prepared."""
    root = tmp_path_factory.mktemp("files")
    raw = root / "raw"
    raw.mkdir()
    for name, orientation in (("a.nrrd", "RAS"), ("b.nii.gz", "PIR"), ("c.mha", "SAL")):
        sitk.WriteImage(sitk.DICOMOrient(asymmetric_body(), orientation), str(raw / name))
    whole = (raw / "c.mha").read_bytes()
    (raw / "cut.mha").write_bytes(whole[: len(whole) // 2])
    (raw / "notes.txt").write_text("not a CT")
    write_series(raw / "dicom", "P1")
    prepare("ct-folder", raw, root / "out", "--size", SIZE)
    return root / "out", open_cohort(root / "out")


def test_every_format_and_direction_of_a_folder_gives_the_same_body(files):
    _, cohort = files
    assert {case.origin for case in cohort.cases} == {"a.nrrd", "b.nii.gz", "c.mha", "dicom"}
    for case in cohort.cases:
        assert_in_place(cohort.hu(case))


def test_what_is_no_whole_ct_is_left_out_with_its_reason(files):
    reasons = left_out(files[0])
    assert "truncated" in reasons["cut.mha"]
    assert "not a CT" in reasons["notes.txt"]
    assert len(reasons) == 2


def test_the_bed_is_stripped_and_the_body_is_not(tmp_path):
    """A plate 8 mm thick, 10 mm below the back, becomes air; the skin stays."""
    with_bed = sitk.GetArrayFromImage(asymmetric_body((160, 160, 64), (2, 2, 5)))
    plain = with_bed.copy()
    with_bed[:, 135:139, 10:150] = 200  # y from 110 to 118 mm behind the centre; the back ends at 100
    (tmp_path / "raw").mkdir()
    for name, hu in (("bed", with_bed), ("plain", plain)):
        image = sitk.GetImageFromArray(hu)
        image.SetSpacing((2.0, 2.0, 5.0))
        sitk.WriteImage(image, str(tmp_path / "raw" / f"{name}.nrrd"))
    prepare("ct-folder", tmp_path / "raw", tmp_path / "out", "--size", SIZE)
    cohort = open_cohort(tmp_path / "out")
    volumes = {case.origin: cohort.hu(case).astype(int) for case in cohort.cases}
    assert (volumes["bed.nrrd"][54:] == -1024).all()  # from 110 mm behind the centre on
    body = volumes["plain.nrrd"] > -300
    assert np.mean(np.abs(volumes["bed.nrrd"] - volumes["plain.nrrd"])[body] > 100) < 0.01
    assert body[10:50].sum() > 0.95 * (lps_to_network(shrunk(plain.astype(float), SIZE)) > -300)[10:50].sum()


def test_a_tall_scan_keeps_its_top_and_a_short_one_gets_air_below():
    tall = np.zeros((400, 100, 330), np.float32)
    tall[399], tall[79], tall[80] = 500, 300, 400  # z from inferior: the top slice, and those about to be cut
    cube = cropped(tall, 320)
    assert cube.shape == (320, 320, 320)
    assert (cube[319, 110:210] == 500).all()
    assert (cube[0, 110:210] == 400).all()
    assert (cube[:, :110] == -1024).all()
    short = cropped(np.zeros((100, 320, 320), np.float32), 320)
    assert (short[220:] == 0).all()
    assert (short[:220] == -1024).all()


def test_shrinking_takes_the_mean_of_what_a_new_voxel_covers():
    values = np.arange(6.0).reshape(6, 1, 1) * np.ones((6, 3, 3))
    np.testing.assert_allclose(shrunk(values, (3, 3, 3))[:, 0, 0], [0.5, 2.5, 4.5])
    np.testing.assert_allclose(shrunk(values, (4, 3, 3))[:, 0, 0], [1 / 3, 5 / 3, 10 / 3, 14 / 3])


def test_the_body_is_whole_with_its_lungs():
    hu = sitk.GetArrayFromImage(asymmetric_body((320, 320, 64), (1, 1, 5))).repeat(5, axis=0).astype(np.float32)
    mask = body_mask(hu)
    assert mask[hu > -300].mean() > 0.98
    assert mask[(hu > -900) & (hu < -700)].mean() > 0.99
    assert mask[hu == -1000].mean() < 0.02


def write_x2ct(path: Path, ct: np.ndarray, xray: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["ct"], file["xray1"] = ct, xray


def test_x2ct_files_lie_as_their_loaders_turn_them(tmp_path):
    """On disk (z, y, x) with z from inferior to superior, in HU + 1024."""
    body = sitk.GetArrayFromImage(asymmetric_body())  # (z, y, x), identity direction in LPS
    grey = np.arange(64 * 64).reshape(64, 64) % 256
    write_x2ct(tmp_path / "raw" / "LIDC-IDRI-0007.20000101" / "ct_xray_data.h5", np.clip(body + 1024, 0, 2500), grey)
    prepare("x2ct", tmp_path / "raw", tmp_path / "out", "--size", SIZE)
    cohort = open_cohort(tmp_path / "out")
    (case,) = cohort.cases
    assert case.patient == "LIDC-IDRI-0007"
    assert_in_place(cohort.hu(case))
    np.testing.assert_array_equal(cohort.radiograph(case), grey)


def test_hostile_hdf5_files_are_left_out(tmp_path):
    raw = tmp_path / "raw"
    cube, grey = np.zeros((16, 16, 16), np.uint16), np.zeros((16, 16), np.uint8)
    write_x2ct(raw / "good" / "a.h5", cube, grey)
    (raw / "secret.bin").write_bytes(bytes(16**3))
    with h5py.File(raw / "external.h5", "w") as file:
        file.create_dataset("ct", (16, 16, 16), "u1", external=[(str(raw / "secret.bin"), 0, 16**3)])
        file["xray1"] = grey
    with h5py.File(raw / "link.h5", "w") as file:
        file["ct"] = h5py.ExternalLink(str(raw / "good" / "a.h5"), "/ct")
        file["xray1"] = grey
    with h5py.File(raw / "huge.h5", "w") as file:
        file.create_dataset("ct", (4000, 4000, 4000), "u2", chunks=True)
        file["xray1"] = grey
    (raw / "cut.h5").write_bytes((raw / "good" / "a.h5").read_bytes()[:500])
    prepare("x2ct", raw, tmp_path / "out", "--size", 16)
    assert len(open_cohort(tmp_path / "out").cases) == 1
    reasons = left_out(tmp_path / "out")
    assert "not kept in the file" in reasons["external.h5"]
    assert "a link" in reasons["link.h5"]
    assert "(4000, 4000, 4000)" in reasons["huge.h5"]
    assert "is not an X2CT file" in reasons["cut.h5"]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30, unique=True), st.integers(0, 1000))
def test_a_patient_is_always_in_the_same_one_split(patients, seed):
    first = [split_of(patient, seed, 0.2, 0.1) for patient in patients]
    assert first == [split_of(patient, seed, 0.2, 0.1) for patient in patients]
    assert set(first) <= {"training", "validation", "test"}
    assert all(split_of(patient, seed, 0.0, 0.0) == "training" for patient in patients)


def test_splits_have_about_their_fractions():
    splits = [split_of(f"patient {i}", 0, 0.2, 0.1) for i in range(5000)]
    assert splits.count("validation") / 5000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("test") / 5000 == pytest.approx(0.1, abs=0.02)


def test_a_folder_with_nothing_to_prepare_is_refused_in_a_sentence(tmp_path):
    refused = prepare("lidc", tmp_path, tmp_path / "out", check=False)
    assert refused.returncode == 3
    assert str(tmp_path) in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
