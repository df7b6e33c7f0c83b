"""The result as MRML: each landmark in its place in RAS, the notice on every node, and slices as a reader sees them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from asymmetric_body import LANDMARKS, assert_landmarks_in_place, asymmetric_body, find_landmarks
from XrayToCTLib.errors import XrayToCTError
from XrayToCTLib.marking import SYNTHETIC_NOTICE, Provenance
from XrayToCTLib.volume import ct_from_network, network_from_ct, radiograph_image

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")
numpy_support = pytest.importorskip("vtk.util.numpy_support")

from mrml_reading import array_of, node_of_role, ras_of, read_mrb  # noqa: E402
from XrayToCTLib import scene as scenes  # noqa: E402
from XrayToCTLib.layouts import show_reading  # noqa: E402
from XrayToCTLib.volume_nodes import ROLE_ATTRIBUTE, add_volume, image_of  # noqa: E402

VOXEL = 5.0
MARKS = Provenance("chest-64", "0.3", "0" * 64, "Predicted; from one X-ray: 50 % guess & more.").marks()
ROWS = [("SSIM", "0.52"), ("sick; not TB", "0.9\t")]


def content(with_difference: bool = True) -> scenes.SceneContent:
    ct = ct_from_network(network_from_ct(asymmetric_body(), 64), 320.0)
    # A mean projection along y, head up: drawn here from the CT's own array, not by the project's projector.
    pixels = sitk.GetArrayFromImage(ct).mean(axis=1)[::-1]
    pixels = (pixels - pixels.min()) / np.ptp(pixels)
    picture = radiograph_image(pixels, (VOXEL, VOXEL), -170.0)
    return scenes.SceneContent(
        radiograph_image=picture,
        ct=ct,
        projection=radiograph_image(pixels, (VOXEL, VOXEL), -190.0),
        difference=radiograph_image(pixels - 0.25, (VOXEL, VOXEL), -210.0) if with_difference else None,
        table=ROWS,
        attributes=MARKS,
        name="case 1",
    )


@pytest.fixture(scope="module")
def built() -> scenes.SceneNodes:
    nodes = scenes.build_scene(content())
    show_reading(nodes)
    return nodes


@pytest.fixture(scope="module")
def bundle(built, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "result.mrb"
    scenes.write_mrb(built.scene, path)
    return path


@pytest.fixture(scope="module")
def reread(bundle, tmp_path_factory):
    return read_mrb(bundle, tmp_path_factory.mktemp("cache"))


@pytest.fixture(params=["built", "reread"])
def scene(request, built, reread):
    return built.scene if request.param == "built" else reread


def test_every_landmark_is_in_its_place_in_ras(scene) -> None:
    ct = node_of_role(scene, "ct")
    assert_landmarks_in_place(find_landmarks(array_of(ct), ras_of(ct)), 0.1 * VOXEL, to_lps=(-1, -1, 1))


def test_the_hounsfield_units_are_those_of_the_image(scene) -> None:
    np.testing.assert_array_equal(array_of(node_of_role(scene, "ct")), sitk.GetArrayFromImage(content().ct))


@pytest.mark.parametrize(("role", "anterior"), [("radiograph", 170), ("projection", 190), ("difference", 210)])
def test_pictures_are_coronal_planes_before_the_patient_with_the_right_size(scene, role: str, anterior: float) -> None:
    to_ras = ras_of(node_of_role(scene, role))
    np.testing.assert_allclose(to_ras((0, 0, 0)), [157.5, anterior, 157.5], err_msg="row 0, column 0: right, superior")
    np.testing.assert_allclose(to_ras((0, 63, 63)), [-157.5, anterior, -157.5])


def test_a_landmark_of_the_radiograph_lies_before_the_same_landmark_of_the_ct(scene) -> None:
    node = node_of_role(scene, "radiograph")
    to_ras, (left, _, up) = ras_of(node), LANDMARKS["left"][0]
    pixels = array_of(node)[0]
    beside = [abs(-to_ras((0, 0, column))[0] - left) < 8 for column in range(64)]
    profile = pixels[:, beside].mean(axis=1)  # nothing else in these columns is as dense as the cube
    rows = np.flatnonzero(profile > 0.5 * (profile.max() + np.median(profile)))
    assert np.mean([to_ras((0, row, 0))[2] for row in rows]) == pytest.approx(up, abs=VOXEL)


@pytest.mark.parametrize("role", ["ct", "projection", "difference", "results"])
def test_every_synthetic_node_carries_the_notice_and_the_marks(scene, role: str) -> None:
    node = node_of_role(scene, role)
    assert SYNTHETIC_NOTICE in node.GetName()
    assert {key: node.GetAttribute(key) for key in MARKS} == MARKS


def test_the_radiograph_is_not_called_synthetic(scene) -> None:
    node = node_of_role(scene, "radiograph")
    assert SYNTHETIC_NOTICE not in node.GetName()
    assert node.GetAttribute("XrayToCT.Synthetic") is None


def test_the_ct_is_shown_in_a_lung_window(scene) -> None:
    display = node_of_role(scene, "ct").GetScalarVolumeDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (1500, -600)
    assert not display.GetAutoWindowLevel()


def test_volume_rendering_shows_lungs_and_bone_but_no_air(scene) -> None:
    ct = node_of_role(scene, "ct")
    displays = [ct.GetNthDisplayNode(number) for number in range(ct.GetNumberOfDisplayNodes())]
    (rendering,) = [display for display in displays if display.IsA("vtkMRMLVolumeRenderingDisplayNode")]
    opacity = rendering.GetVolumePropertyNode().GetScalarOpacity()
    assert opacity.GetValue(-1000) == 0
    assert opacity.GetValue(-700) > 0
    assert opacity.GetValue(0) == 0
    assert opacity.GetValue(1000) > 0


def test_the_table_holds_the_results(scene) -> None:
    table = node_of_role(scene, "results").GetTable()
    cells = [[table.GetValue(row, column).ToString() for column in range(2)] for row in range(2)]
    assert [(name, value.strip()) for name, value in cells] == [(name, value.strip()) for name, value in ROWS]


def test_one_folder_with_the_notice_holds_everything(scene) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.GetItemByName(f"case 1 - {SYNTHETIC_NOTICE}")
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(folder, items)
    # The CT's own item has the folder's name too, so the folder is the one that has children.
    if items.GetNumberOfIds() == 0:
        folder = hierarchy.GetItemParent(folder)
        hierarchy.GetItemChildren(folder, items)
    roles = {
        hierarchy.GetItemDataNode(items.GetId(number)).GetAttribute(ROLE_ATTRIBUTE)
        for number in range(items.GetNumberOfIds())
    }
    assert roles == {"radiograph", "ct", "projection", "difference", "results"}
    assert hierarchy.GetItemAttribute(folder, "XrayToCT.Synthetic") == "YES"


def test_two_results_live_in_one_scene() -> None:
    scene = scenes.new_scene()
    first, second = scenes.build_scene(content(), scene), scenes.build_scene(content(False), scene)
    assert first.scene is second.scene is scene
    assert first.folder != second.folder
    assert second.difference is None
    names = [[node.GetName() for node in result.nodes] for result in (first, second)]
    assert all(name.startswith("case 1 - ") for name in names[0])  # what tells them apart is not cut off
    assert all(name.startswith("case 1_1 - ") for name in names[1])
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 7


def test_a_node_gives_back_the_image_that_it_was_made_of() -> None:
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    image.SetOrigin((-12.0, 30.0, 7.5))
    image.SetSpacing((0.7, 1.2, 3.0))
    image.SetDirection((0.6, 0, 0.8, 0, 1, 0, -0.8, 0, 0.6))
    back = image_of(add_volume(scenes.new_scene(), image, "turned", "ct", {}))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    corner = (3, 2, 1)
    assert back.TransformIndexToPhysicalPoint(corner) == pytest.approx(image.TransformIndexToPhysicalPoint(corner))


def test_inside_slicer_the_result_goes_into_slicers_scene(monkeypatch) -> None:
    own = scenes.new_scene()
    monkeypatch.setattr(slicer, "mrmlScene", own, raising=False)
    assert scenes.build_scene(content(False)).scene is own


def render(scene, view_name: str, path: Path) -> np.ndarray:
    """Grey values (rows, columns) of a slice view, row 0 at the top, as Slicer's own slice logic makes them."""
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLScene(scene)
    view = scene.GetSingletonNode(view_name, "vtkMRMLSliceNode")
    logic.SetSliceNode(view)
    logic.UpdatePipeline()
    port = logic.GetBlend().GetOutputPort()
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputConnection(port)
    writer.Write()
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., 0]


@pytest.mark.parametrize(
    ("view_name", "column_and_row"),
    [
        ("Red", lambda x, y, z: (x, y)),  # axial: patient's left on the right, posterior down
        ("Green", lambda x, y, z: (x, -z)),  # coronal: patient's left on the right, inferior down
        ("Yellow", lambda x, y, z: (y, -z)),  # sagittal: posterior on the right, inferior down
    ],
)
def test_slices_hang_as_radiologists_read_them(scene, view_name: str, column_and_row, tmp_path: Path) -> None:
    display = node_of_role(scene, "ct").GetScalarVolumeDisplayNode()
    view = scene.GetSingletonNode(view_name, "vtkMRMLSliceNode")
    before = display.GetWindow(), display.GetLevel()
    window, level = 2500, 250
    display.SetWindowLevel(window, level)
    try:
        for name, ((x, y, z), hu) in LANDMARKS.items():
            view.JumpSliceByOffsetting(-x, -y, z)
            pixels = render(scene, view_name, tmp_path / f"{name}.png")
            expected_grey = 255 * (0.5 + (hu - level) / window)
            labels, count = ndimage.label(pixels > 255 * (0.5 + (450 - level) / window))
            greys = np.array(ndimage.maximum(pixels, labels, range(1, count + 1)))
            cube = int(np.argmin(np.abs(greys - expected_grey))) + 1
            row, column = np.array(ndimage.center_of_mass(labels == cube)) / pixels.shape
            expected_column, expected_row = column_and_row(x, y, z)
            assert abs(greys[cube - 1] - expected_grey) < 4
            assert 320 * (column - 0.5) == pytest.approx(expected_column, abs=VOXEL)
            assert 320 * (row - 0.5) == pytest.approx(expected_row, abs=VOXEL)
    finally:
        display.SetWindowLevel(*before)


def test_writing_a_bundle_leaves_only_the_bundle(bundle) -> None:
    assert [path.name for path in bundle.parent.iterdir()] == ["result.mrb"]


def test_a_bundle_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    class Full:
        def WriteToMRB(self, path: str) -> bool:  # noqa: N802
            Path(path).write_text("half")
            return False

    (tmp_path / "result.mrb").write_text("old")
    with pytest.raises(XrayToCTError, match=r"result\.mrb"):
        scenes.write_mrb(Full(), tmp_path / "result.mrb")
    assert (tmp_path / "result.mrb").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_neither_slicers_classes_nor_torch_nor_qt_are_imported_before_they_are_needed() -> None:
    ours = (
        "scene",
        "scene_results",
        "layouts",
        "notice",
        "xray_plane",
        "overlays",
        "comparing",
        "follow_up",
        "crosshair",
    )
    imports = ", ".join(f"XrayToCTLib.{name}" for name in ours)
    code = f"import sys, {imports}; sys.exit(bool({{'slicer', 'vtk', 'torch', 'qt', 'ctk'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
