"""The projection of any CT that the worker makes for a viewer: the same as the result's own, and named as computed."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from asymmetric_body import asymmetric_body
from made_prediction import SIDE, made_prediction
from XrayToCTLib.ct_projection import write_projection
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.results_folder import read_picture
from XrayToCTLib.volume import ct_from_network, write_nrrd

GEOMETRY = Geometry(detector_pixels=(SIDE, SIDE))


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_nrrd(ct_from_network(made_prediction().volume, GEOMETRY.volume_mm), path, {})
    return path


def test_the_cone_beam_of_a_generated_ct_is_that_of_its_prediction(ct: Path, tmp_path: Path) -> None:
    picture = read_picture(write_projection(ct, GEOMETRY, "cone", tmp_path))
    assert np.abs(picture - made_prediction().projection).max() < 0.01  # whole HU


def test_the_mean_is_the_mean_along_the_patients_depth(ct: Path, tmp_path: Path) -> None:
    picture = read_picture(write_projection(ct, GEOMETRY, "mean", tmp_path))
    mean = made_prediction().volume.mean(axis=0)
    assert np.corrcoef(picture.ravel(), mean.ravel())[0, 1] > 0.98
    low, high = np.percentile(picture, (5, 95))
    assert low < high


def test_a_projection_says_that_it_was_computed(ct: Path, tmp_path: Path) -> None:
    image = sitk.ReadImage(str(write_projection(ct, GEOMETRY, "cone", tmp_path)))
    assert "NOT AN X-RAY" in image.GetMetaData("XrayToCT.Notice")


def test_a_ct_in_any_direction_is_projected_as_the_patient_lies(tmp_path: Path) -> None:
    upright = asymmetric_body()
    turned = sitk.DICOMOrient(upright, "RAI")
    pictures = []
    for name, image in (("upright", upright), ("turned", turned)):
        path = tmp_path / f"{name}.nrrd"
        sitk.WriteImage(image, str(path))
        pictures.append(read_picture(write_projection(path, GEOMETRY, "cone", tmp_path / name)))
    assert np.abs(pictures[0] - pictures[1]).max() < 0.02
