"""Two pictures in one, and the change between two results: values by hand, and the nodes that show them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from made_results import made_with_saliency, write_results
from XrayToCTLib.comparing import WAYS, blend, checkerboard, signed_difference, swipe
from XrayToCTLib.errors import UnsuitableInput

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

from mrml_reading import array_of, ras_of  # noqa: E402
from XrayToCTLib.comparing import compare_nodes, show_comparison  # noqa: E402
from XrayToCTLib.follow_up import add_change  # noqa: E402
from XrayToCTLib.scene import all_nodes, new_scene  # noqa: E402
from XrayToCTLib.scene_results import add_results, remove_results  # noqa: E402

FIRST, SECOND = np.zeros((4, 6), np.float32), np.ones((4, 6), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_results(tmp_path_factory.mktemp("results") / "chest")


@pytest.fixture(scope="module")
def later_folder(tmp_path_factory) -> Path:
    """The same patient, 50 HU denser in the upper half, 10 % smaller, with an expected error of 10 HU."""
    made = made_with_saliency()
    volume = made.volume.copy()
    volume[:, :32] = np.clip(volume[:, :32] + 50 / 2500, 0, 1)
    geometry = dataclasses.replace(made.geometry, volume_mm=(320.0, 320.0, 320.0))
    uncertainty = dataclasses.replace(made.uncertainty, deviation_hu=np.full((64,) * 3, 10, np.float32))
    later = dataclasses.replace(made, volume=volume, geometry=geometry, uncertainty=uncertainty)
    return write_results(tmp_path_factory.mktemp("results") / "later", later)


def test_a_blend_goes_from_the_first_picture_to_the_second() -> None:
    assert [float(blend(FIRST, SECOND, share).mean()) for share in (0, 0.25, 1)] == [0, 0.25, 1]


def test_a_checkerboard_alternates_squares_and_begins_with_the_first_picture() -> None:
    assert checkerboard(FIRST, SECOND, 0.5).tolist() == [[0, 0, 1, 1, 0, 0]] * 2 + [[1, 1, 0, 0, 1, 1]] * 2
    assert checkerboard(FIRST, SECOND, 0).tolist()[0] == [0, 1, 0, 1, 0, 1], "at least a pixel"


def test_a_swipe_uncovers_the_second_picture_from_its_right() -> None:
    assert swipe(FIRST, SECOND, 0.5).tolist() == [[0, 0, 0, 1, 1, 1]] * 4
    assert swipe(FIRST, SECOND, 1).max() == 0
    assert swipe(FIRST, SECOND, 0).min() == 1


def test_a_signed_difference_is_positive_where_the_second_picture_is_denser() -> None:
    assert signed_difference(FIRST, SECOND).max() == 1
    assert signed_difference(SECOND, FIRST, 0.5).min() == -0.5


@pytest.mark.parametrize("way", WAYS)
def test_pictures_of_two_sizes_and_shares_beyond_the_whole_are_refused(way: str) -> None:
    with pytest.raises(ValueError, match="shape"):
        WAYS[way](FIRST, np.zeros((4, 5)), 0.5)
    with pytest.raises(ValueError, match="share"):
        WAYS[way](FIRST, SECOND, 1.5)


def test_the_figures_of_two_nodes_are_those_of_the_pipeline(folder) -> None:
    nodes, made = add_results(folder, new_scene()), made_with_saliency().comparison
    found = compare_nodes(nodes.radiograph, nodes.projection)
    assert (found.ssim, found.ncc, found.rmse) == pytest.approx((made.ssim, made.ncc, made.rmse), abs=1e-5)


def test_every_way_is_shown_in_one_node_in_the_place_of_the_xray_with_the_notice(folder) -> None:
    nodes = add_results(folder, new_scene())
    before = len(all_nodes(nodes.scene))
    shown = {way: show_comparison(nodes.radiograph, nodes.projection, way, 0.5) for way in WAYS}
    node = shown["blend"]
    assert all(other is node for other in shown.values())
    assert len(all_nodes(nodes.scene)) == before + 3, "volume, display and storage"
    assert "NOT FOR DIAGNOSTIC USE" in node.GetName()
    assert node.GetAttribute("XrayToCT.Synthetic") == "YES"
    for corner in ((0, 0, 0), (0, 63, 63)):
        np.testing.assert_allclose(ras_of(node)(corner), ras_of(nodes.radiograph)(corner))
    np.testing.assert_allclose(array_of(node), 0.5 * array_of(nodes.difference), atol=1e-5)
    assert node.GetScalarVolumeDisplayNode().GetColorNode().GetName() == "XrayToCTDifference"
    show_comparison(nodes.radiograph, nodes.projection, "swipe", 0)
    np.testing.assert_allclose(array_of(node), array_of(nodes.projection), atol=1e-5)
    assert node.GetScalarVolumeDisplayNode().GetColorNode().GetName() == "Grey"
    remove_results(nodes)
    assert node.GetScene() is None


def test_a_ct_is_no_picture_to_compare_with(folder) -> None:
    nodes = add_results(folder, new_scene())
    with pytest.raises(UnsuitableInput, match="not two pictures of one size"):
        show_comparison(nodes.radiograph, nodes.ct, "blend", 0.5)
    nodes.projection.SetAndObserveImageData(None)
    with pytest.raises(UnsuitableInput, match="not two pictures of one size"):
        compare_nodes(nodes.radiograph, nodes.projection)


def test_the_change_is_later_minus_earlier_and_tells_what_it_is_not(folder, later_folder) -> None:
    scene = new_scene()
    earlier, later = add_results(folder, scene), add_results(later_folder, scene)
    change = add_change(earlier, later)
    values = array_of(change.node)  # (K, J, I), K to superior
    before, after = array_of(earlier.ct), array_of(later.ct)
    np.testing.assert_allclose(values, after.astype(float) - before)
    assert values[:32].max() == 0
    assert np.median(values[32:]) == 50
    body = (before > -400) | (after > -400)
    assert change.mean_hu == pytest.approx(values[body].mean(), abs=1e-3)
    assert change.beyond_error == 0, "50 HU are within twice the error of 120 and 10 HU"
    assert "not matched" in change.warnings[0]
    assert "NOT FOR DIAGNOSTIC USE" in change.node.GetName()
    assert change.node.GetAttribute("XrayToCT.Synthetic") == "YES"
    assert change.node.GetAttribute("XrayToCT.Earlier") == earlier.result
    assert change.node.GetAttribute("XrayToCT.Later") == later.result


def test_a_change_beyond_the_expected_error_is_counted(later_folder) -> None:
    scene = new_scene()
    earlier, later = add_results(later_folder, scene), add_results(later_folder, scene)
    array_of(later.ct)[:10] += 100  # twice the error of 10 and 10 HU together is 28 HU
    body = (array_of(earlier.ct) > -400) | (array_of(later.ct) > -400)
    assert add_change(earlier, later).beyond_error == pytest.approx(body[:10].sum() / body.sum())


def test_volumes_of_two_sizes_are_compared_in_millimetres(folder) -> None:
    scene = new_scene()
    earlier, later = add_results(folder, scene), add_results(folder, scene)
    later.ct.SetSpacing(2.5, 2.5, 2.5)
    later.ct.SetOrigin(*(np.array(later.ct.GetOrigin()) / 2))
    values = array_of(add_change(earlier, later).node)
    grid = sitk.GetImageFromArray(array_of(earlier.ct).astype(np.float32))
    grid.SetOrigin([-157.5] * 3)
    grid.SetSpacing([5.0] * 3)
    small = sitk.Image(grid)
    small.SetOrigin([-78.75] * 3)
    small.SetSpacing([2.5] * 3)
    expected = sitk.Resample(small, grid, sitk.Transform(), sitk.sitkLinear, -1000.0)
    np.testing.assert_allclose(values, sitk.GetArrayFromImage(expected) - sitk.GetArrayFromImage(grid), atol=0.01)


def test_two_models_are_pointed_out(folder) -> None:
    scene = new_scene()
    earlier, later = add_results(folder, scene), add_results(folder, scene)
    assert len(add_change(earlier, later).warnings) == 1
    later.ct.SetAttribute("XrayToCT.ModelSHA256", "another")
    assert "two models" in add_change(earlier, later).warnings[1]


def test_a_result_without_its_ct_or_beside_itself_has_no_change(folder) -> None:
    scene = new_scene()
    earlier, later = add_results(folder, scene), add_results(folder, scene)
    with pytest.raises(UnsuitableInput, match="from itself"):
        add_change(earlier, earlier)
    scene.RemoveNode(later.ct)
    before = len(all_nodes(scene))
    with pytest.raises(UnsuitableInput, match="no longer in the scene"):
        add_change(earlier, later)
    assert len(all_nodes(scene)) == before
