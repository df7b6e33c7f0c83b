"""The crosshair's link in the scene: a point of the CT and the X-ray's point on its ray, both ways, and drawn."""

import dataclasses

import numpy as np
import pytest

from made_results import write_results

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")

from mrml_reading import ras_of  # noqa: E402
from XrayToCTLib.crosshair import follow, follow_from_xray, show_ray  # noqa: E402
from XrayToCTLib.projection import cone_beam_projection  # noqa: E402
from XrayToCTLib.scene import all_nodes, new_scene  # noqa: E402
from XrayToCTLib.scene_results import add_results, plane_of_result  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("results") / "chest")


@pytest.fixture
def nodes(folder):
    return add_results(folder, new_scene())


def test_ten_points_of_the_ct_are_seen_at_the_pixels_that_they_made(nodes) -> None:
    import torch

    geometry, generator = plane_of_result(nodes).geometry, np.random.default_rng(8)
    for _ in range(10):
        k, j, i = generator.integers(14, 50, 3)
        volume = torch.zeros((1, 1, 64, 64, 64))
        volume[0, 0, j, 63 - k, i] = 1  # the CT's K runs to superior, J to posterior, I to the left
        picture = cone_beam_projection(volume, geometry)[0, 0].numpy()
        made = [np.average(axis, weights=picture) for axis in np.indices(picture.shape)]
        linked = follow(nodes, ras_of(nodes.ct)((k, j, i)))
        assert linked.pixel == pytest.approx(made, abs=1)
        np.testing.assert_allclose(ras_of(nodes.radiograph)((0, *linked.pixel)), linked.xray_point, atol=1e-6)


def test_the_reverse_ray_goes_through_the_point_that_it_came_from(nodes) -> None:
    for point in ((10.0, 20.0, 30.0), (-60.0, -40.0, 12.0), (0.0, 0.0, 0.0)):
        first, last = map(np.array, follow_from_xray(nodes, follow(nodes, point).xray_point).ray)
        share = (point[1] - first[1]) / (last[1] - first[1])
        assert first + share * (last - first) == pytest.approx(point, abs=1e-6)


def test_a_transform_over_the_whole_result_is_followed(nodes) -> None:
    point = np.array((10.0, 20.0, 30.0))
    before = follow(nodes, point)
    transform = nodes.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    for row, shift in enumerate((100.0, -50.0, 7.0)):
        matrix.SetElement(row, 3, shift)
    transform.SetMatrixTransformToParent(matrix)
    for node in (nodes.ct, nodes.radiograph):
        node.SetAndObserveTransformNodeID(transform.GetID())
    after = follow(nodes, point + np.array((100, -50, 7)))
    assert after.pixel == pytest.approx(before.pixel)
    np.testing.assert_allclose(np.subtract(after.xray_point, before.xray_point), (100, -50, 7), atol=1e-6)


@pytest.mark.parametrize("gone", ["ct", "radiograph"])
def test_nothing_is_linked_once_ct_or_xray_is_gone(nodes, gone: str) -> None:
    assert follow(dataclasses.replace(nodes, **{gone: None}), (0, 0, 0)) is None
    assert follow_from_xray(dataclasses.replace(nodes, **{gone: None}), (0, 0, 0)) is None


def test_a_spoilt_geometry_links_nothing(nodes) -> None:
    for node in nodes.nodes:
        node.SetAttribute("XrayToCT.Geometry", '{"view": ')
    assert follow(nodes, (0, 0, 0)) is None


def test_the_ray_is_drawn_from_the_xray_through_the_whole_volume_in_one_node(nodes) -> None:
    before = len(all_nodes(nodes.scene))
    for point in ((0.0, 0.0, 0.0), (20.0, 10.0, -30.0)):
        node = show_ray(nodes, follow(nodes, point))
    assert len(all_nodes(nodes.scene)) == before + 2, "the model and its display"
    bounds = [0.0] * 6
    node.GetRASBounds(bounds)
    assert bounds[2] < -plane_of_result(nodes).posterior_mm, "the ball reaches through the X-ray"
    assert bounds[3] == pytest.approx(160, abs=2)
    assert not node.GetSaveWithScene()
    assert node.GetDisplayNode().GetVisibility()
    show_ray(nodes, None)
    assert not node.GetDisplayNode().GetVisibility()
