"""The X-ray's plane: a straight line from the tube through a voxel meets the pixel that this voxel made."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from XrayToCTLib.geometry import Geometry
from XrayToCTLib.orientation import network_point_to_lps
from XrayToCTLib.prepared_input import scaled_geometry
from XrayToCTLib.projection import cone_beam_projection
from XrayToCTLib.xray_plane import XrayPlane, plane_of

X2CT = Geometry(detector_pixels=(128, 128))
VOXELS = (64, 64, 64)
GEOMETRIES = {
    "PA, nominal size": X2CT,
    "AP, nominal size": replace(X2CT, view="AP"),
    "PA, a patient of 410 mm": scaled_geometry(X2CT, 410.0, "PA"),
    "AP, a child of 180 mm": scaled_geometry(X2CT, 180.0, "AP"),
    "a hospital's detector, not square": Geometry(1650, 1800, (430, 350), (160, 96), (300, 360, 320)),
    "AP at a bedside": Geometry(850, 1000, (350, 430), (96, 128), (300, 340, 340), "AP"),
    "parallel": Geometry(math.inf, 1000, (320, 320), (128, 128), (320, 320, 320)),
}


@pytest.fixture(params=GEOMETRIES)
def geometry(request) -> Geometry:
    return GEOMETRIES[request.param]


def voxel_centre(index: np.ndarray, geometry: Geometry) -> tuple[float, float, float]:
    """LPS of a voxel of a network volume (D, H, W)."""
    sides, sizes = np.array(geometry.volume_mm), np.array(VOXELS)
    return network_point_to_lps(tuple((index - (sizes - 1) / 2) * sides / sizes))


def projected_pixel(index: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Where the project's own projector draws a single dense voxel: the centre of mass of its shadow (row, column)."""
    volume = torch.zeros((1, 1, *VOXELS), dtype=torch.float64)
    volume[(0, 0, *index)] = 1
    picture = cone_beam_projection(volume, geometry)[0, 0].numpy()
    assert picture.sum() > 0
    return np.array([np.average(axis, weights=picture) for axis in np.indices(picture.shape)])


def voxels_in_the_beam(geometry: Geometry, count: int) -> list[np.ndarray]:
    """Random voxels whose shadow is whole: at least two pixels from the detector's edge."""
    generator, chosen = np.random.default_rng(20), []
    rows, columns = geometry.detector_pixels
    while len(chosen) < count:
        index = generator.integers(1, 63, 3)
        plane = XrayPlane(geometry)
        row, column = plane.pixel(plane.shadow(voxel_centre(index, geometry)), geometry.detector_pixels)
        if 2 < row < rows - 3 and 2 < column < columns - 3:
            chosen.append(index)
    return chosen


def test_ten_random_voxels_are_projected_where_the_link_says(geometry: Geometry) -> None:
    plane = XrayPlane(geometry)
    for index in voxels_in_the_beam(geometry, 10):
        said = plane.pixel(plane.shadow(voxel_centre(index, geometry)), geometry.detector_pixels)
        assert np.abs(projected_pixel(index, geometry) - said).max() < 1, index


def test_tube_voxel_and_its_pixel_in_space_lie_on_one_line(geometry: Geometry) -> None:
    plane = XrayPlane(geometry)
    for index in voxels_in_the_beam(geometry, 10):
        voxel, shadow = (np.array(voxel_centre(index, geometry)), np.array(plane.shadow(voxel_centre(index, geometry))))
        along = np.array([0.0, 1.0, 0.0]) if plane.source is None else voxel - np.array(plane.source)
        assert np.linalg.norm(np.cross(shadow - voxel, along / np.linalg.norm(along))) < 1e-6


def test_the_image_in_space_has_its_pixels_where_the_link_says(geometry: Geometry) -> None:
    plane = XrayPlane(geometry)
    image = plane.image(np.zeros(geometry.detector_pixels, np.float32))
    for row, column in ((0, 0), (5, 60), (95, 90)):
        np.testing.assert_allclose(
            image.TransformIndexToPhysicalPoint((column, row, 0)),
            plane.point((row, column), geometry.detector_pixels),
            atol=1e-9,
        )


def test_pixel_and_point_are_each_others_reverse(geometry: Geometry) -> None:
    plane = XrayPlane(geometry)
    assert plane.pixel(plane.point((12.5, 77), (128, 96)), (128, 96)) == pytest.approx((12.5, 77))


def test_the_plane_is_behind_the_patient_and_before_a_tube_that_is_there(geometry: Geometry) -> None:
    plane = XrayPlane(geometry)
    assert plane.posterior_mm > geometry.volume_mm[0] / 2, "LPS y grows to posterior: seen from the front, it is last"
    if plane.source is not None and geometry.view == "PA":
        assert plane.posterior_mm < plane.source[1]


def test_a_tube_close_behind_the_patient_still_leaves_room_for_the_plane() -> None:
    close = Geometry(165.0, 400.0, volume_mm=(320.0, 320.0, 320.0))
    assert 160 < XrayPlane(close).posterior_mm < 165


def test_the_picture_is_smaller_than_in_the_middle_for_pa_and_larger_for_ap() -> None:
    middle = X2CT.field_at_isocentre_mm[1]
    assert XrayPlane(X2CT).size_mm[1] < middle < XrayPlane(replace(X2CT, view="AP")).size_mm[1]


def test_a_rays_ends_lie_on_the_volumes_faces_and_cast_the_same_shadow(geometry: Geometry) -> None:
    plane, half = XrayPlane(geometry), np.array(geometry.volume_mm) / 2
    generator, hits = np.random.default_rng(3), 0
    for _ in range(50):
        pixel = generator.uniform(0, 1, 2) * (np.array(geometry.detector_pixels) - 1)
        shadow = plane.point(pixel, geometry.detector_pixels)
        ray = plane.ray(shadow)
        if ray is None:
            continue
        hits += 1
        for end in ray:
            share = np.abs(end) / half[[2, 0, 1]]
            assert share.max() == pytest.approx(1, abs=1e-9), "on a face, and beyond none"
            assert plane.shadow(end) == pytest.approx(shadow, abs=1e-6)
        assert (ray[0][1] > ray[1][1]) == (geometry.view == "PA"), "from the tube's side"
    assert hits > 30


def test_a_ray_beside_the_volume_misses_it() -> None:
    narrow = replace(X2CT, volume_mm=(320.0, 320.0, 100.0))
    plane = XrayPlane(narrow)
    assert plane.ray(plane.point((64, 127), (128, 128))) is None
    assert plane.ray(plane.point((64, 64), (128, 128))) is not None


def test_nothing_casts_a_shadow_at_or_behind_the_tube() -> None:
    plane = XrayPlane(X2CT)
    assert plane.shadow((0, 541, 0)) is None
    assert plane.shadow((10, 700, 0)) is None
    assert plane.shadow((math.nan, 0, 0)) is None


def test_a_plane_is_read_from_what_a_node_keeps_of_its_geometry(geometry: Geometry) -> None:
    assert plane_of(geometry.to_dict()).geometry == geometry
    with pytest.raises(ValueError, match="geometry"):
        plane_of({"view": "PA"})
