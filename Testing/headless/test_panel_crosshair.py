"""The crosshair's link in the panel, with the mouse in Slicer's views: from the CT to the X-ray, and the reverse.

The result has the shipped model's own geometry; which pixel a voxel makes is told by the projector, not by the link.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from made_prediction import made_prediction
from made_results import write_results
from mrml_reading import ras_of
from slicer_host import process_events
from XrayToCTLib.crosshair import RAY_ROLE
from XrayToCTLib.geometry import Geometry
from XrayToCTLib.scene_results import add_results, plane_of_result

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")
pytestmark = pytest.mark.usefixtures("host")

SIDE = 64  # voxels
POINTS = 10


@pytest.fixture(scope="module")
def geometry() -> Geometry:
    """Of the generator that comes with the extension and is used unless another is chosen."""
    from XrayToCTLib.models import find

    geometry = find("compact", "generator").geometry
    assert geometry is not None
    return geometry


@pytest.fixture(scope="module")
def folder(geometry, tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("results") / "chest", made_prediction(geometry=geometry))


@pytest.fixture(scope="module")
def voxels(geometry) -> list[tuple[tuple[int, int, int], tuple[float, float]]]:
    """Random voxels (K, J, I) of the CT, each with the pixel (row, column) that it alone makes in the X-ray."""
    import torch

    from XrayToCTLib.projection import cone_beam_projection

    found, generator = [], np.random.default_rng(17)
    while len(found) < POINTS:
        k, j, i = map(int, generator.integers(4, SIDE - 4, 3))
        volume = torch.zeros((1, 1, SIDE, SIDE, SIDE))
        volume[0, 0, j, SIDE - 1 - k, i] = 1  # the CT's K runs to superior, J to posterior, I to the left
        picture = cone_beam_projection(volume, geometry)[0, 0].numpy()
        edges = np.concatenate([picture[[0, 1, -2, -1]].ravel(), picture[:, [0, 1, -2, -1]].ravel()])
        if picture.any() and not edges.any():  # all of its shadow is in the picture
            row, column = (np.average(axis, weights=picture) for axis in np.indices(picture.shape))
            found.append(((k, j, i), (float(row), float(column))))
    return found


@pytest.fixture
def linked(panel, folder) -> Any:
    """The nodes of a result that the panel shows, with the crosshair's link switched on."""
    nodes = add_results(folder, slicer.mrmlScene)
    panel.ui.resultSelector.setCurrentNode(nodes.ct)
    panel.ui.compareSection.collapsed = panel.ui.readSection.collapsed = False
    panel.click("readLayoutButton")
    panel.ui.crosshairCheckBox.click()
    yield nodes
    panel.ui.crosshairCheckBox.click()
    assert not drawn_ray().GetDisplayNode().GetVisibility(), "the ray goes with the link"


def move_mouse(view: str, point: Sequence[float]) -> np.ndarray:
    """Brings a slice view's plane to a point (RAS, mm) and moves the mouse to the pixel of the screen nearest to it.

    Returns the point in space under the mouse.
    """
    widget = slicer.app.layoutManager().sliceWidget(view)
    widget.mrmlSliceNode().JumpSlice(*point)
    x, y, _ = widget.sliceView().convertRASToXYZ(point)
    interactor = widget.sliceView().interactor()
    for event in ("EnterEvent", "MouseMoveEvent"):
        interactor.SetEventInformation(round(x), round(y), 0, 0)
        interactor.InvokeEvent(event)
    process_events(0)
    return np.array(widget.sliceView().convertXYZToRAS((round(x), round(y), 0)))


def leave(view: str) -> None:
    slicer.app.layoutManager().sliceWidget(view).sliceView().interactor().InvokeEvent("LeaveEvent")
    process_events(0)


def drawn_ray() -> Any:
    models = slicer.util.getNodesByClass("vtkMRMLModelNode")
    (ray,) = (node for node in models if node.GetAttribute("XrayToCT.Role") == RAY_ROLE)
    return ray


def cut_at(anterior_mm: float) -> np.ndarray:
    """Where the ray that is shown crosses a coronal plane (RAS A in mm): the middle of the cut, in RAS."""
    assert drawn_ray().GetDisplayNode().GetVisibility()
    plane = vtk.vtkPlane()
    plane.SetOrigin(0.0, anterior_mm, 0.0)
    plane.SetNormal(0.0, 1.0, 0.0)
    cutter = vtk.vtkCutter()
    cutter.SetCutFunction(plane)
    cutter.SetInputData(drawn_ray().GetPolyData())
    cutter.Update()
    assert cutter.GetOutput().GetNumberOfPoints() > 0, "the ray does not reach this plane"
    bounds = np.array(cutter.GetOutput().GetBounds()).reshape(3, 2)
    return bounds.mean(axis=1)


def pixel_of(radiograph: Any, point: Sequence[float]) -> np.ndarray:
    """The pixel (row, column) of the X-ray's node at a point in space (RAS, mm)."""
    matrix = vtk.vtkMatrix4x4()
    radiograph.GetRASToIJKMatrix(matrix)
    column, row, _, _ = matrix.MultiplyPoint((*point, 1.0))
    return np.array((row, column))


def test_the_mouse_on_the_ct_marks_the_xray_at_the_pixel_that_the_voxel_made(linked, voxels) -> None:
    on_xray = -plane_of_result(linked).posterior_mm
    for view in ("Red", "Green", "Yellow"):
        for voxel, made in voxels:
            point = ras_of(linked.ct)(voxel)
            under_mouse = move_mouse(view, point)
            assert np.abs(under_mouse - point).max() < 1, "a pixel of the screen is smaller than a mm here"
            assert np.abs(pixel_of(linked.radiograph, cut_at(on_xray)) - made).max() < 1, (view, voxel)


def test_the_mouse_on_the_xray_marks_the_ray_through_the_voxel_that_made_the_pixel(panel, linked, voxels) -> None:
    panel.click("compareLayoutButton")
    for voxel, pixel in voxels:
        point = ras_of(linked.ct)(voxel)
        move_mouse("XrayToCTXray", ras_of(linked.radiograph)((0, *pixel)))
        crossing = cut_at(point[1])
        # What is a pixel of the X-ray's plane on the coronal plane of the voxel: by the rays through two neighbours.
        move_mouse("XrayToCTXray", ras_of(linked.radiograph)((0, pixel[0] + 1, pixel[1] + 1)))
        one_pixel = np.abs(cut_at(point[1]) - crossing)[[0, 2]]
        assert (np.abs(crossing - point)[[0, 2]] < one_pixel).all(), voxel


def test_the_marks_of_a_point_and_of_its_way_back_agree(panel, linked, voxels) -> None:
    """From the CT to the X-ray, and from there back: the ray still goes through the point that it began with."""
    on_xray = -plane_of_result(linked).posterior_mm
    for voxel, _ in voxels:
        panel.click("readLayoutButton")
        point = move_mouse("Red", ras_of(linked.ct)(voxel))
        marked = cut_at(on_xray)
        panel.click("compareLayoutButton")
        move_mouse("XrayToCTXray", marked)
        assert np.abs(pixel_of(linked.radiograph, cut_at(on_xray)) - pixel_of(linked.radiograph, marked)).max() < 1
        spacing = linked.radiograph.GetSpacing()[0]
        assert np.abs(cut_at(point[1]) - point).max() < 2 * spacing, "rays spread from the plane behind"


def test_the_ray_goes_when_the_mouse_leaves_the_views_and_comes_back_with_it(linked, voxels) -> None:
    point = ras_of(linked.ct)(voxels[0][0])
    move_mouse("Green", point)
    assert drawn_ray().GetDisplayNode().GetVisibility()
    leave("Green")
    assert not drawn_ray().GetDisplayNode().GetVisibility()
    move_mouse("Green", point)
    assert drawn_ray().GetDisplayNode().GetVisibility()
