"""One asymmetric body through every station: file, CT, radiograph, network input, volume, and every output file.

The generator is an oracle that knows the body; everything else is what users run.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import torch

from asymmetric_body import LANDMARKS, assert_landmarks_in_place, asymmetric_body, find_landmarks
from conftest import write_dicom
from XrayToCTLib.ct_reading import read_ct
from XrayToCTLib.models import ModelInfo
from XrayToCTLib.outputs import write_outputs
from XrayToCTLib.pipeline import Models, Prediction, generate
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.radiograph import network_input, read_radiograph
from XrayToCTLib.volume import network_from_ct

SIZE, SIDE_MM = 64, 320.0
VOXEL_MM = SIDE_MM / SIZE
GEOMETRY = Geometry(detector_pixels=(SIZE, SIZE))
STORED_AS = {  # Patient Orientation of DICOM -> what turns a picture as displayed into one stored so
    ("L", "F"): lambda shown: shown,
    ("R", "F"): lambda shown: shown[:, ::-1],
    ("L", "H"): lambda shown: shown[::-1],
    ("F", "L"): lambda shown: shown.T,
}


class Oracle(torch.nn.Module):
    """A generator that has seen the body's CT."""

    def __init__(self, volume: np.ndarray) -> None:
        super().__init__()
        self.config = SimpleNamespace(size=SIZE)
        self.volume = torch.from_numpy(volume)[None, None]

    def forward(self, radiograph: torch.Tensor) -> torch.Tensor:
        return self.volume.clone()


@pytest.fixture(scope="module")
def ct_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("stations") / "ct.nrrd"
    sitk.WriteImage(sitk.DICOMOrient(asymmetric_body((SIZE,) * 3, (VOXEL_MM,) * 3), "RAS"), str(path))
    return path


@pytest.fixture(scope="module")
def volume(ct_file) -> np.ndarray:
    return network_from_ct(read_ct(ct_file), SIZE, SIDE_MM)


@pytest.fixture(scope="module")
def shown(volume) -> np.ndarray:
    """The body's radiograph as displayed, 12 bits."""
    geometry = Geometry(detector_pixels=(256, 256))
    line = radiograph_from_ct(torch.from_numpy(volume)[None, None], geometry)[0, 0].numpy()
    return np.rint(4095 * line / line.max()).astype(np.uint16)


def predict(path: Path, volume: np.ndarray) -> Prediction:
    info = ModelInfo("oracle", path, "0" * 64, "generator", {"size": SIZE}, GEOMETRY, {}, None)
    models = Models(Oracle(volume), info, None, None, torch.device("cpu"), may_fall_back=False)
    return generate(path, models)


@pytest.mark.parametrize("orientation", STORED_AS, ids="".join)
def test_however_it_is_stored_the_radiograph_agrees_with_the_projection_of_its_body(
    shown, volume, tmp_path, orientation
):
    stored = np.ascontiguousarray(STORED_AS[orientation](shown))
    path = write_dicom(tmp_path / "x.dcm", stored, PatientOrientation=list(orientation), ImagerPixelSpacing=[2, 2])
    prediction = predict(path, volume)
    assert prediction.comparison.ncc > 0.995
    mirrored = predict(path, np.ascontiguousarray(volume[:, :, ::-1]))
    assert mirrored.comparison.ncc < prediction.comparison.ncc - 0.02


def test_landmarks_lie_in_the_network_input_where_similar_triangles_put_them(shown, volume, tmp_path):
    image = network_input(read_radiograph(write_dicom(tmp_path / "x.dcm", shown)), 256)
    for name, ((x, y, z), _) in LANDMARKS.items():
        magnified = GEOMETRY.source_to_detector_mm / (GEOMETRY.source_to_axis_mm - y)  # source behind, at +y
        column, row = (127.5 + sign * place * magnified * 256 / 500 for sign, place in ((1, x), (-1, z)))
        if not (4 < row < 252 and 4 < column < 252):
            continue  # outside of the detector
        without = volume.copy()
        cube = np.rint([(y / VOXEL_MM), (-z / VOXEL_MM), (x / VOXEL_MM)]).astype(int) + SIZE // 2
        without[tuple(slice(c - 3, c + 3) for c in cube)] = 0.4
        geometry = Geometry(detector_pixels=(256, 256))
        line = radiograph_from_ct(torch.from_numpy(without)[None, None], geometry)[0, 0].numpy()
        shadow = np.clip(image - np.float32(image.max()) * line / shown_maximum(volume), 0.02, None) - 0.02
        rows, columns = np.indices(shadow.shape)
        near = (np.abs(rows - row) < 20) & (np.abs(columns - column) < 20)
        assert shadow[near].sum() > 0, name
        centre = [(index[near] * shadow[near]).sum() / shadow[near].sum() for index in (rows, columns)]
        assert centre == pytest.approx([row, column], abs=4), name


def shown_maximum(volume: np.ndarray) -> float:
    geometry = Geometry(detector_pixels=(256, 256))
    return float(radiograph_from_ct(torch.from_numpy(volume)[None, None], geometry).max())


@pytest.fixture(scope="module")
def written(shown, volume, tmp_path_factory) -> tuple[Path, float]:
    """All outputs of a radiograph whose header tells its size, and how much larger than drawn the body is."""
    folder = tmp_path_factory.mktemp("written")
    prediction = predict(write_dicom(folder / "x.dcm", shown), volume)
    write_outputs(prediction, folder / "out", ("nrrd", "nifti", "dicom", "mrb", "npy", "png"))
    return folder / "out", prediction.geometry.volume_mm[0] / SIDE_MM


def assert_in_place(found: dict[str, np.ndarray], scale: float, to_lps=(1, 1, 1)) -> None:
    assert_landmarks_in_place({name: place / scale for name, place in found.items()}, VOXEL_MM, to_lps=to_lps)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii.gz", "dicom"])
def test_simpleitk_finds_every_landmark_in_every_volume_file(written, name):
    folder, scale = written
    path = folder / name
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path)) if path.is_dir() else str(path)
    image = sitk.ReadImage(files)
    hu = sitk.GetArrayFromImage(image)
    found = find_landmarks(hu, lambda kji: image.TransformContinuousIndexToPhysicalPoint([*kji][::-1]))
    assert_in_place(found, scale)


def test_pydicom_finds_every_landmark_by_the_headers_alone(written):
    folder, scale = written
    slices = [pydicom.dcmread(path) for path in sorted((folder / "dicom").iterdir())]
    hu = np.stack([item.pixel_array * float(item.RescaleSlope) + float(item.RescaleIntercept) for item in slices])
    first, last = (np.array(slices[index].ImagePositionPatient, float) for index in (0, -1))
    along_row, down_column = np.reshape(slices[0].ImageOrientationPatient, (2, 3)).astype(float)
    down_mm, along_mm = slices[0].PixelSpacing

    def world(index):
        slice_, row, column = index
        corner = first + (last - first) * slice_ / (len(slices) - 1)
        return corner + along_row * along_mm * column + down_column * down_mm * row

    assert_in_place(find_landmarks(hu, world), scale)


def test_mrml_finds_every_landmark_in_ras(written, tmp_path):
    pytest.importorskip("slicer")
    from mrml_reading import array_of, node_of_role, ras_of, read_mrb

    folder, scale = written
    node = node_of_role(read_mrb(folder / "scene.mrb", tmp_path), "ct")
    assert_in_place(find_landmarks(array_of(node), ras_of(node)), scale, to_lps=(-1, -1, 1))
