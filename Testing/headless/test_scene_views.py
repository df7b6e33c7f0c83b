"""What views show of a result: layouts, overlays, windows, and the notice, which nothing takes away."""

import gc
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from made_results import write_results
from XrayToCTLib.marking import SYNTHETIC_NOTICE

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")

from vtk.util import numpy_support  # noqa: E402

from XrayToCTLib import layouts, notice  # noqa: E402
from XrayToCTLib.follow_up import add_change  # noqa: E402
from XrayToCTLib.hounsfield import UNCERTAINTY_LIMIT_HU  # noqa: E402
from XrayToCTLib.notice import add_notice, keep_notice, notice_of  # noqa: E402
from XrayToCTLib.overlays import apply_window, show_overlay, show_rendering  # noqa: E402
from XrayToCTLib.scene import new_scene  # noqa: E402
from XrayToCTLib.scene_results import add_results  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "chest")


@pytest.fixture
def nodes(folder):
    return add_results(folder, new_scene())


def background_of(scene, view: str):
    return scene.GetNodeByID(scene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode").GetBackgroundVolumeID() or "")


def pixels_of(window) -> np.ndarray:
    """(rows, columns, 3) of a frame, row 0 at the top."""
    taken = vtk.vtkWindowToImageFilter()
    taken.SetInput(window)
    taken.ReadFrontBufferOff()
    taken.Update()
    data = taken.GetOutput()
    columns, rows, _ = data.GetDimensions()
    return numpy_support.vtk_to_numpy(data.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1]


def make_window(width: int = 400, height: int = 300):
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(width, height)
    window.AddRenderer(vtk.vtkRenderer())
    return window


def first_renderer(window):
    return window.GetRenderers().GetFirstRenderer()


# Layouts


def test_every_layout_is_known_after_registering_as_often_as_one_likes() -> None:
    node = slicer.vtkMRMLLayoutNode()
    node.SetViewArrangement(3)
    for _ in range(2):
        layouts.register_layouts(node)
    for number, xml in layouts.layout_descriptions().items():
        assert node.GetLayoutDescription(number) == xml
    assert node.GetViewArrangement() == 3


def test_the_layouts_have_no_number_of_slicers_own() -> None:
    values = (getattr(slicer.vtkMRMLLayoutNode, name) for name in dir(slicer.vtkMRMLLayoutNode))
    own = {int(value) for value in values if isinstance(value, slicer.vtkMRMLLayoutNode.SlicerLayout)}
    assert len(own) > 20
    assert not own & set(layouts.layout_descriptions())
    assert min(layouts.layout_descriptions()) > max(own)


@pytest.mark.parametrize(
    ("number", "views"),
    [
        (layouts.READING_LAYOUT, ["Red", "1", "Green", "Yellow"]),
        (layouts.COMPARING_LAYOUT, ["XrayToCTXray", "XrayToCTProjection", "XrayToCTDifference"]),
        (layouts.FOLLOW_UP_LAYOUT, ["XrayToCTEarlier", "XrayToCTLater", "XrayToCTChange"]),
        (layouts.STUDY_LAYOUT, ["XrayToCTStudyAxial", "XrayToCTStudyCoronal", "XrayToCTStudySagittal"]),
    ],
)
def test_a_layout_has_its_views_and_slicer_takes_it(number: int, views: list[str]) -> None:
    node = slicer.vtkMRMLLayoutNode()
    layouts.register_layouts(node)
    node.SetViewArrangement(number)
    assert node.GetCurrentLayoutDescription() == layouts.layout_descriptions()[number]
    assert node.GetLayoutRootElement() is not None, "Slicer parsed it"
    root = ElementTree.fromstring(layouts.layout_descriptions()[number])
    assert [view.get("singletontag") for view in root.iter("view")] == views
    for view in root.iter("view"):
        assert all(item.get("action") == "default" for item in view), "a saved scene's own settings stay"
        colour = view.find("property[@name='viewcolor']")
        assert colour is None or re.fullmatch("#[0-9A-F]{6}", colour.text)


def test_reading_shows_the_ct_in_its_three_orientations(nodes) -> None:
    layouts.show_reading(nodes)
    for view, orientation in layouts.READING_VIEWS.items():
        assert background_of(nodes.scene, view) is nodes.ct
        assert nodes.scene.GetSingletonNode(view, "vtkMRMLSliceNode").GetOrientation() == orientation


def test_comparing_shows_xray_projection_and_difference_linked_in_one_plane(nodes) -> None:
    layouts.show_comparing(nodes)
    pictures = (nodes.radiograph, nodes.projection, nodes.difference)
    places = set()
    for view, picture in zip(layouts.COMPARING_VIEWS, pictures, strict=True):
        assert background_of(nodes.scene, view) is picture
        assert nodes.scene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode").GetLinkedControl()
        places.add(round(nodes.scene.GetSingletonNode(view, "vtkMRMLSliceNode").GetSliceOffset(), 3))
    assert places == {-170.0}, "RAS: the plane behind the patient"


def test_comparing_without_a_difference_leaves_its_view_empty(nodes) -> None:
    layouts.show_comparing(nodes)
    nodes.scene.RemoveNode(nodes.difference)
    layouts.show_comparing(nodes.__class__(nodes.scene, nodes.result, radiograph=nodes.radiograph))
    assert background_of(nodes.scene, "XrayToCTDifference") is None
    assert background_of(nodes.scene, "XrayToCTXray") is nodes.radiograph


def test_follow_up_shows_both_cts_and_their_change(folder, nodes) -> None:
    later = add_results(folder, nodes.scene)
    change = add_change(nodes, later)
    layouts.show_follow_up(nodes, later, change.node)
    shown = [background_of(nodes.scene, view) for view in layouts.FOLLOW_UP_VIEWS]
    assert shown == [nodes.ct, later.ct, change.node]


# Overlays and windows


def slice_colours(nodes, view: str) -> np.ndarray:
    """(rows, columns, 4) of a slice view, row 0 at the top, as Slicer's own slice logic makes them."""
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(nodes.scene)
    node = nodes.scene.GetSingletonNode(view, "vtkMRMLSliceNode")
    node.SetDimensions(128, 128, 1)
    logic.SetSliceNode(node)
    logic.FitSliceToAll()
    logic.UpdatePipeline()
    logic.GetBlend().Update()
    data = logic.GetBlend().GetOutput()
    return numpy_support.vtk_to_numpy(data.GetPointData().GetScalars()).reshape(128, 128, -1)[::-1].astype(int)


def test_a_map_colours_where_it_is_high_and_leaves_the_ct_where_it_is_zero(nodes) -> None:
    layouts.show_reading(nodes)
    plain = slice_colours(nodes, "Red")
    assert show_overlay(nodes, "saliency", 0.6)
    mapped = slice_colours(nodes, "Red")
    patients_right, patients_left = np.s_[:, 4:58, :3], np.s_[:, 70:124, :3]  # the map is 1 on the patient's left
    np.testing.assert_allclose(mapped[patients_right], plain[patients_right], atol=1)
    assert (mapped[patients_left][..., 0] - mapped[patients_left][..., 2]).min() > 100, "yellow"
    assert np.ptp(mapped[patients_left][..., 1]) > 30, "the CT is seen through it"
    show_overlay(nodes, None)
    np.testing.assert_array_equal(slice_colours(nodes, "Red"), plain)


def test_a_map_leaves_the_ct_as_it_is_below_a_third_of_its_full_colour(nodes) -> None:
    layouts.show_reading(nodes)
    show_overlay(nodes, None)
    plain = slice_colours(nodes, "Red")
    values = numpy_support.vtk_to_numpy(nodes.uncertainty.GetImageData().GetPointData().GetScalars())
    values[:] = 0.2 * UNCERTAINTY_LIMIT_HU
    nodes.uncertainty.GetImageData().Modified()
    assert show_overlay(nodes, "uncertainty", 0.6)
    np.testing.assert_array_equal(slice_colours(nodes, "Red"), plain)
    values[:] = 0.5 * UNCERTAINTY_LIMIT_HU
    nodes.uncertainty.GetImageData().Modified()
    assert np.abs(slice_colours(nodes, "Red") - plain).max() > 30
    show_overlay(nodes, None)


def test_a_map_that_is_not_there_any_more_is_told_and_not_shown(nodes) -> None:
    layouts.show_reading(nodes)
    assert show_overlay(nodes, "uncertainty")
    nodes.scene.RemoveNode(nodes.uncertainty)
    assert not show_overlay(nodes, "uncertainty")


def test_overlays_and_windows_of_other_names_are_refused(nodes) -> None:
    with pytest.raises(ValueError, match="saliency"):
        show_overlay(nodes, "ct")
    with pytest.raises(ValueError, match="opacity"):
        show_overlay(nodes, "saliency", 2)
    with pytest.raises(ValueError, match="mediastinum"):
        apply_window(nodes, "liver")


@pytest.mark.parametrize(
    ("preset", "width", "level"), [("lung", 1500, -600), ("mediastinum", 400, 40), ("bone", 1800, 400)]
)
def test_a_window_preset_sets_width_and_level(nodes, preset: str, width: float, level: float) -> None:
    apply_window(nodes, preset)
    display = nodes.ct.GetScalarVolumeDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (width, level)


def test_volume_rendering_is_turned_on_and_off(nodes) -> None:
    displays = [nodes.ct.GetNthDisplayNode(number) for number in range(nodes.ct.GetNumberOfDisplayNodes())]
    (rendering,) = [display for display in displays if display.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    for is_visible in (True, False):
        show_rendering(nodes, is_visible)
        assert bool(rendering.GetVisibility()) is is_visible


def test_the_xrays_surface_has_the_pictures_grey_values(nodes) -> None:
    from mrml_reading import array_of

    colours = numpy_support.vtk_to_numpy(nodes.xray_model.GetPolyData().GetCellData().GetScalars())
    picture = array_of(nodes.radiograph)[0]
    expected = 255 * (picture - picture.min()) / np.ptp(picture)
    np.testing.assert_allclose(colours.reshape(64, 64, 3), np.repeat(expected[..., None], 3, axis=2), atol=0.51)


# The notice


def test_the_notice_is_there_exactly_once_however_often_it_is_added() -> None:
    renderer = vtk.vtkRenderer()
    assert notice_of(renderer) is None
    first, *others = [add_notice(renderer) for _ in range(3)]
    assert all(actor is first for actor in others)
    assert renderer.GetViewProps().GetNumberOfItems() == 1
    assert notice_of(renderer).GetInput() == SYNTHETIC_NOTICE


def yellow_of(window) -> np.ndarray:
    """Where a frame has the notice's colour: (rows, columns) of booleans."""
    pixels = pixels_of(window).astype(int)
    return (pixels[..., 0] > 150) & (pixels[..., 1] > 120) & (pixels[..., 2] < 0.7 * pixels[..., 0])


@pytest.mark.parametrize(("width", "height"), [(240, 240), (400, 300), (1200, 500), (500, 1000)])
def test_the_notice_is_whole_and_at_the_top_of_every_screenshot(width: int, height: int) -> None:
    window = make_window(width, height)
    keep_notice(window)
    rows, columns = np.nonzero(yellow_of(window))
    assert rows.max() < 0.1 * height
    assert rows.min() > 0
    assert 0 < columns.min() < width / 2 < columns.max() < width - 1
    assert columns.min() == pytest.approx(width - 1 - columns.max(), abs=0.03 * width), "centred, so nothing is cut off"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda window: notice_of(first_renderer(window)).VisibilityOff(),
        lambda window: notice_of(first_renderer(window)).SetInput(""),
        lambda window: notice_of(first_renderer(window)).GetTextProperty().SetOpacity(0),
        lambda window: notice_of(first_renderer(window)).GetTextProperty().SetColor(0, 0, 0),
        lambda window: notice_of(first_renderer(window)).GetPositionCoordinate().SetValue(5, 5),
        lambda window: notice_of(first_renderer(window)).GetProperty().SetOpacity(0),
        lambda window: first_renderer(window).RemoveAllViewProps(),
        lambda window: (window.RemoveRenderer(first_renderer(window)), window.AddRenderer(vtk.vtkRenderer())),
    ],
    ids=["hidden", "emptied", "transparent", "black", "moved away", "faded", "removed", "another renderer"],
)
def test_whatever_takes_the_notice_away_it_is_in_the_next_frame(spoil) -> None:
    window = make_window()
    keep_notice(window)
    expected = yellow_of(window)
    spoil(window)
    np.testing.assert_array_equal(yellow_of(window), expected)


def test_a_window_is_looked_after_once_though_python_forgets_it() -> None:
    holder = vtk.vtkWindowToImageFilter()  # holds the window as a view of Slicer does: in C++
    holder.SetInput(make_window())
    gc.collect()
    for _ in range(3):
        keep_notice(holder.GetInput())
        gc.collect()
    first_renderer(holder.GetInput()).RemoveAllViewProps()
    assert yellow_of(holder.GetInput()).any()
    assert first_renderer(holder.GetInput()).GetViewProps().GetNumberOfItems() == 1


def test_of_a_window_that_is_gone_nothing_is_kept() -> None:
    before = dict(notice._looked_after)
    window = make_window()
    keep_notice(window)
    assert len(notice._looked_after) == len(before) + 1
    del window
    gc.collect()
    assert notice._looked_after == before


def test_a_window_without_a_renderer_gets_the_notice_with_its_first_one() -> None:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    keep_notice(window)
    window.AddRenderer(vtk.vtkRenderer())
    window.SetSize(400, 300)
    assert yellow_of(window).any()
