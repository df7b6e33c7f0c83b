"""Results in a scene: from the worker's folder to nodes, through a scene file, found again, deleted, taken out."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from made_prediction import SHA256
from made_results import made_with_saliency, write_results
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.marking import SALIENCY_NOTICE, SYNTHETIC_NOTICE, TB_NOTICE, UNCERTAINTY_NOTICE
from XrayToCTLib.xray_plane import XrayPlane

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from mrml_reading import array_of, ras_of, read_mrb  # noqa: E402
from XrayToCTLib.layouts import COMPARING_LAYOUT, register_layouts  # noqa: E402
from XrayToCTLib.results_folder import read_results  # noqa: E402
from XrayToCTLib.scene import all_nodes, new_scene, write_mrb  # noqa: E402
from XrayToCTLib.scene_results import add_results, plane_of_result, remove_results, results_of  # noqa: E402

IMAGES = ("radiograph", "ct", "projection", "difference", "uncertainty", "saliency")
FIELDS = (*IMAGES, "xray_model", "table", "provenance")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "chest")


@pytest.fixture
def scene():
    return new_scene()


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory) -> Path:
    """A scene file with two results, shown in the comparing layout."""
    scene = new_scene()
    layout = scene.AddNewNodeByClass("vtkMRMLLayoutNode")
    register_layouts(layout)
    layout.SetViewArrangement(COMPARING_LAYOUT)
    for _ in range(2):
        add_results(folder, scene)
    path = tmp_path_factory.mktemp("bundle") / "case.mrb"
    write_mrb(scene, path)
    return path


def test_everything_that_the_worker_wrote_is_in_the_scene(folder, scene) -> None:
    nodes = add_results(folder, scene)
    written = {name: sitk.GetArrayFromImage(sitk.ReadImage(folder / f"{name}.nrrd")) for name in IMAGES}
    for name, values in written.items():
        np.testing.assert_array_equal(array_of(getattr(nodes, name)), values, err_msg=name)
    assert nodes.table is not None
    assert nodes.folder


def test_maps_lie_where_the_ct_lies(folder, scene) -> None:
    nodes = add_results(folder, scene)
    for node in (nodes.uncertainty, nodes.saliency):
        for corner in ((0, 0, 0), (63, 63, 63)):
            np.testing.assert_allclose(ras_of(node)(corner), ras_of(nodes.ct)(corner), atol=1e-4)


def test_the_three_pictures_and_the_surface_are_on_the_xrays_plane(folder, scene) -> None:
    nodes = add_results(folder, scene)
    plane = plane_of_result(nodes)
    assert plane == XrayPlane(made_with_saliency().geometry)
    height, width = plane.size_mm
    for node in (nodes.radiograph, nodes.projection, nodes.difference):
        right, posterior, top = ras_of(node)((0, -0.5, -0.5))
        np.testing.assert_allclose((right, posterior, top), (width / 2, -plane.posterior_mm, height / 2))
    bounds = [0.0] * 6
    nodes.xray_model.GetRASBounds(bounds)
    around = (-width / 2, width / 2, -plane.posterior_mm, -plane.posterior_mm, -height / 2, height / 2)
    np.testing.assert_allclose(bounds, around, atol=1e-3)


def test_every_synthetic_node_says_so_and_tells_its_model(folder, scene) -> None:
    nodes = add_results(folder, scene)
    for field in set(FIELDS) - {"radiograph", "xray_model"}:
        node = getattr(nodes, field)
        assert "NOT FOR DIAGNOSTIC USE" in node.GetName(), field
        assert node.GetAttribute("XrayToCT.Synthetic") == "YES", field
        assert node.GetAttribute("XrayToCT.ModelSHA256") == SHA256, field
    assert nodes.ct.GetAttribute("XrayToCT.Notice") == SYNTHETIC_NOTICE
    assert nodes.uncertainty.GetAttribute("XrayToCT.Notice") == UNCERTAINTY_NOTICE
    assert nodes.saliency.GetAttribute("XrayToCT.Notice") == SALIENCY_NOTICE
    for node in (nodes.radiograph, nodes.xray_model):
        assert node.GetAttribute("XrayToCT.Synthetic") is None


def test_the_table_never_shows_classes_without_where_tb_was_learned(folder, scene) -> None:
    table = add_results(folder, scene).table.GetTable()
    count = table.GetNumberOfRows()
    rows = {table.GetValue(row, 0).ToString(): table.GetValue(row, 1).ToString() for row in range(count)}
    assert rows["probability of tb"] == "0.125"
    assert rows["about TB"] == TB_NOTICE
    assert rows["class without surroundings"].startswith("With all tissue and all air outside the lungs made even")
    assert rows["two lungs"] == "FAILED: There is one lung."


def test_a_mark_that_is_no_text_is_left_out(folder, scene, tmp_path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    content = (damaged / "ct.nrrd").read_bytes()
    assert b"XrayToCT.ModelVersion:=" in content
    broken = content.replace(b"XrayToCT.ModelVersion:=", b"XrayToCT.ModelVers\xff\xfen:=").replace(
        b"XrayToCT.Model:=c", b"XrayToCT.Model:=\xff"
    )
    (damaged / "ct.nrrd").write_bytes(broken)
    ct = add_results(damaged, scene).ct
    assert ct.GetAttribute("XrayToCT.Synthetic") == "YES"
    assert ct.GetAttribute("XrayToCT.Model") is None


def test_the_provenance_tells_the_parameters_but_no_place_on_this_computer(folder, scene) -> None:
    text = add_results(folder, scene).provenance.GetText()
    told = json.loads(text)
    assert told["model"]["sha256"] == SHA256
    assert told["reading"]
    assert told["software_version"]
    assert told["geometry"] == made_with_saliency().geometry.to_dict()
    assert told["input"] == "chest.png"
    assert str(folder) not in text


def test_without_maps_there_are_no_map_nodes(folder, scene, tmp_path) -> None:
    bare = shutil.copytree(folder, tmp_path / "bare")
    for name in ("uncertainty", "saliency", "difference"):
        (bare / f"{name}.nrrd").unlink()
    nodes = add_results(bare, scene)
    assert (nodes.uncertainty, nodes.saliency, nodes.difference) == (None, None, None)
    assert nodes.ct is not None


def damage(path: Path, how: str) -> None:
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:400])
    elif how == "another's voxels":
        path.write_bytes(
            b"NRRD0004\ntype: float\ndimension: 3\nsizes: 64 64 64\nencoding: raw\ndata file: /dev/zero\n\n"
        )
    else:
        path.write_text(how)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("ct.nrrd", "missing"),
        ("ct.nrrd", "truncated"),
        ("ct.nrrd", "another's voxels"),
        ("radiograph.nrrd", "missing"),
        ("projection.nrrd", "truncated"),
        ("uncertainty.nrrd", "another's voxels"),
        ("saliency.nrrd", "text"),
        ("result.json", "missing"),
        ("result.json", "{"),
        ("result.json", "[1, 2]"),
        ("result.json", '{"geometry": {"view": "PA"}}'),
        ("result.json", "[" * 100_000),
    ],
)
def test_a_damaged_file_is_named_and_leaves_the_scene_as_it_was(folder, scene, tmp_path, name: str, how: str) -> None:
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    damage(damaged / name, how)
    before = [node.GetID() for node in all_nodes(scene)]
    with pytest.raises(UnsuitableInput, match=name):
        add_results(damaged, scene)
    assert [node.GetID() for node in all_nodes(scene)] == before


def test_a_ct_that_no_machine_made_is_refused(folder, scene, tmp_path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    image = sitk.ReadImage(other / "ct.nrrd")
    image.EraseMetaData("XrayToCT.Synthetic")
    sitk.WriteImage(image, other / "ct.nrrd")
    with pytest.raises(UnsuitableInput, match="not marked as a synthetic CT"):
        add_results(other, scene)


def test_a_failure_in_the_middle_leaves_no_half_made_result(folder, scene, monkeypatch) -> None:
    from XrayToCTLib import scene as scenes

    before = [node.GetID() for node in all_nodes(scene)]
    monkeypatch.setattr(scenes, "_add_table", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        add_results(folder, scene)
    assert [node.GetID() for node in all_nodes(scene)] == before
    assert not scene.IsBatchProcessing()


def test_two_results_are_told_apart(folder, scene) -> None:
    first, second = add_results(folder, scene), add_results(folder, scene)
    assert results_of(scene) == [first, second]


@pytest.mark.parametrize("field", FIELDS)
def test_a_deleted_node_is_missing_and_nothing_else(folder, scene, field: str) -> None:
    nodes = add_results(folder, scene)
    scene.RemoveNode(getattr(nodes, field))
    (found,) = results_of(scene)
    assert getattr(found, field) is None
    assert all(getattr(found, other) is getattr(nodes, other) for other in FIELDS if other != field)
    assert plane_of_result(found) == plane_of_result(nodes)
    remove_results(nodes)
    assert results_of(scene) == []


def test_a_result_is_taken_out_with_all_that_shows_and_stores_it(folder, scene) -> None:
    kept = add_results(folder, scene)
    before = {node.GetID() for node in all_nodes(scene)}
    remove_results(add_results(folder, scene))
    assert {node.GetID() for node in all_nodes(scene)} == before
    assert results_of(scene) == [kept]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetNumberOfItems() == 1 + len(kept.nodes)


def test_closing_the_scene_leaves_no_result_and_raises_nothing(folder, scene) -> None:
    nodes = add_results(folder, scene)
    scene.Clear(0)
    assert results_of(scene) == []
    remove_results(nodes)
    assert add_results(folder, scene).ct is not None


def test_a_copy_of_a_node_does_not_become_a_second_result(folder, scene) -> None:
    nodes = add_results(folder, scene)
    copy = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "copy")
    copy.Copy(nodes.ct)
    (found,) = results_of(scene)
    assert found.ct is nodes.ct


# Slicer alone reads the file: nothing of ours is on its path.
FRESH = """
import json, sys
import slicer
from pathlib import Path
scene = slicer.vtkMRMLScene()
slicer.vtkSlicerVolumeRenderingLogic().SetMRMLScene(scene)
manager, cache = slicer.vtkDataIOManager(), slicer.vtkCacheManager()
cache.SetMRMLScene(scene)
cache.SetRemoteCacheDirectory(sys.argv[2])
scene.SetCacheManager(cache)
manager.SetCacheManager(cache)
scene.SetDataIOManager(manager)
scene.SetRootDirectory(sys.argv[2])
read = scene.ReadFromMRB(sys.argv[1], True)
nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
ours = [node for node in nodes if node.GetAttribute("XrayToCT.Role")]
layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
told = {
    "read": read,
    "ours_is_loaded": any(name.startswith("XrayToCT") for name in sys.modules),
    "roles": sorted(node.GetAttribute("XrayToCT.Role") for node in ours),
    "attributes": {node.GetAttribute("XrayToCT.Role"): {name: node.GetAttribute(name) for name in
                   node.GetAttributeNames()} for node in ours},
    "names": [node.GetName() for node in ours],
    "layout": layout.GetViewArrangement(),
    "layout_is_known": bool(layout.IsLayoutDescription(layout.GetViewArrangement())),
    "ct_sum": int(scene.GetFirstNodeByName(next(n.GetName() for n in ours if n.GetAttribute("XrayToCT.Role") == "ct"))
                  .GetImageData().GetPointData().GetScalars().GetRange()[1]),
}
if len(sys.argv) > 3:
    sys.path.insert(0, sys.argv[3])
    from XrayToCTLib.layouts import register_layouts
    from XrayToCTLib.scene_results import plane_of_result, results_of
    register_layouts(layout)
    found = results_of(scene)
    told["found"] = [sum(node is not None for node in result.nodes) for result in found]
    told["view"] = plane_of_result(found[0]).geometry.view
    told["torch"] = "torch" in sys.modules
    told["layout_later"] = [layout.GetViewArrangement(), bool(layout.IsLayoutDescription(layout.GetViewArrangement()))]
    told["provenance"] = json.loads(found[0].provenance.GetText())["model"]["name"]
print(json.dumps(told))
"""


def test_a_scene_file_brings_everything_back_before_any_of_our_code_has_run(bundle, folder, tmp_path) -> None:
    library = Path(sys.modules["XrayToCTLib"].__file__).parents[1]
    command = [sys.executable, "-c", FRESH, bundle, tmp_path, library]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["read"]
    assert not told["ours_is_loaded"]
    assert told["roles"] == sorted(2 * ["ct", "radiograph", "projection", "difference", "uncertainty", "saliency",
                                        "xray-plane", "results", "provenance"])  # fmt: skip
    assert told["attributes"]["ct"]["XrayToCT.ModelSHA256"] == SHA256
    assert json.loads(told["attributes"]["radiograph"]["XrayToCT.Geometry"]) == made_with_saliency().geometry.to_dict()
    assert sum(SYNTHETIC_NOTICE in name for name in told["names"]) >= 2
    assert told["ct_sum"] == sitk.GetArrayFromImage(sitk.ReadImage(folder / "ct.nrrd")).max()
    assert (told["layout"], told["layout_is_known"]) == (COMPARING_LAYOUT, False)
    assert told["found"] == [9, 9]
    assert told["view"] == "PA"
    assert told["provenance"] == "chest-64"
    assert told["layout_later"] == [COMPARING_LAYOUT, True]
    assert not told["torch"], "a viewer must not wait for torch"


def test_a_reloaded_result_is_as_it_was(bundle, folder, tmp_path) -> None:
    first, _ = results_of(read_mrb(bundle, tmp_path))
    np.testing.assert_array_equal(array_of(first.ct), sitk.GetArrayFromImage(sitk.ReadImage(folder / "ct.nrrd")))
    assert first.ct.GetScalarVolumeDisplayNode().GetWindow() == 1500
    assert first.difference.GetScalarVolumeDisplayNode().GetColorNode().GetName() == "XrayToCTDifference"
    assert first.xray_model.GetPolyData().GetNumberOfCells() == 64 * 64
    assert first.folder


def test_what_the_command_line_saves_is_found_as_a_result(tmp_path) -> None:
    from XrayToCTLib.outputs import write_outputs

    write_outputs(made_with_saliency(), tmp_path / "out", ["mrb"])
    (tmp_path / "cache").mkdir()
    (found,) = results_of(read_mrb(tmp_path / "out" / "scene.mrb", tmp_path / "cache"))
    assert all(getattr(found, field) is not None for field in FIELDS)


def test_a_name_of_either_system_is_shown_without_its_folders(folder, tmp_path) -> None:
    other = shutil.copytree(folder, tmp_path / "other")
    for place in ("/home/x/P 17.png", "C:\\patients\\P 17.png"):
        result = json.loads((other / "result.json").read_text())
        (other / "result.json").write_text(json.dumps({**result, "input": place}))
        assert read_results(other).name == "P 17"
