"""Axes: every conversion against an explicit index, another library, or a body with no symmetry."""

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from asymmetric_body import asymmetric_body
from XrayToCTLib import orientation

SHAPE = (3, 4, 5)


def numbered(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


@settings(deadline=None, max_examples=20)
@given(shape=st.lists(st.integers(1, 6), min_size=3, max_size=5).map(tuple))
def test_the_way_to_lps_and_back_changes_nothing(shape: tuple[int, ...]) -> None:
    volume = numbered(shape)
    np.testing.assert_array_equal(orientation.lps_to_network(orientation.network_to_lps(volume)), volume)


@pytest.mark.parametrize("index", list(product(range(3), range(4), range(5)))[::7])
def test_a_network_voxel_lands_on_its_lps_index(index: tuple[int, int, int]) -> None:
    d, h, w = index
    volume = numbered()
    assert orientation.network_to_lps(volume)[volume.shape[1] - 1 - h, d, w] == volume[d, h, w]


@pytest.mark.parametrize("convert", [orientation.network_to_lps, orientation.lps_to_network])
def test_torch_and_numpy_agree(convert) -> None:
    volume = numbered((2, 1, *SHAPE))
    np.testing.assert_array_equal(convert(torch.from_numpy(volume)).numpy(), convert(volume))


def test_the_body_reads_from_front_to_back_top_to_bottom_right_to_left() -> None:
    network = orientation.lps_to_network(sitk.GetArrayFromImage(asymmetric_body()))
    quarter = slice(16, 48)
    assert (network[:32] == 300).sum() < (network[32:] == 300).sum(), "spine at the back"
    assert (network[:, :, :32] == 45).sum() < (network[:, :, 32:] == 45).sum(), "heart on the patient's left"
    assert (network[:, :, :32] == 65).sum() > (network[:, :, 32:] == 65).sum(), "liver on the patient's right"
    assert (network[quarter, :4, :8] == -1000).all(), "nothing beside the neck, at the top"


def test_a_radiograph_in_space_runs_to_the_left_and_down_and_is_right_handed() -> None:
    image = sitk.Image([5, 4, 1], sitk.sitkFloat32)
    image.SetDirection(orientation.radiograph_direction())
    assert image.TransformIndexToPhysicalPoint((1, 0, 0)) == (1, 0, 0)
    assert image.TransformIndexToPhysicalPoint((0, 1, 0)) == (0, 0, -1)
    assert image.TransformIndexToPhysicalPoint((0, 0, 1)) == (0, 1, 0)
    assert np.linalg.det(np.reshape(orientation.radiograph_direction(), (3, 3))) == pytest.approx(1)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000))
def test_ijk_to_ras_is_itks_physical_point_with_two_signs_changed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = sitk.Image([4, 5, 6], sitk.sitkInt16)
    image.SetSpacing(rng.uniform(0.5, 3, 3).tolist())
    image.SetOrigin(rng.uniform(-99, 99, 3).tolist())
    image.SetDirection(np.linalg.qr(rng.normal(size=(3, 3)))[0].ravel().tolist())
    index = tuple(int(value) for value in rng.integers(0, 4, 3))
    matrix = orientation.ijk_to_ras(image.GetOrigin(), image.GetSpacing(), image.GetDirection())
    expected = np.array(image.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]
    np.testing.assert_allclose((matrix @ [*index, 1])[:3], expected, atol=1e-9)


def test_spacing_of_network_names_each_axis() -> None:
    assert orientation.spacing_of_network((30, 20, 10), (10, 10, 10)) == (1, 3, 2)


def test_the_eight_flips_are_eight_and_the_first_is_none() -> None:
    found = list(orientation.flips(torch.from_numpy(numbered())))
    assert len({array.numpy().tobytes() for _, array in found}) == len({letters for letters, _ in found}) == 8
    assert found[0][0] == ""
    for letters, array in found:
        np.testing.assert_array_equal(array.numpy(), np.flip(numbered(), ["DHW".index(letter) for letter in letters]))


def test_the_original_discriminators_kernel_sees_its_own_axis_order() -> None:
    rng = np.random.default_rng(0)
    weight, volume = (
        torch.from_numpy(rng.normal(size=(2, 1, 2, 3, 4))),
        torch.from_numpy(rng.normal(size=(1, 1, 6, 7, 8))),
    )
    theirs = torch.nn.functional.conv3d(volume.permute(0, 1, 3, 2, 4), weight)
    ours = torch.nn.functional.conv3d(volume, orientation.permute_original_discriminator_kernel(weight))
    torch.testing.assert_close(ours, theirs.permute(0, 1, 3, 2, 4))


def test_a_kernel_of_another_rank_is_refused() -> None:
    with pytest.raises(ValueError, match="5 dimensions"):
        orientation.permute_original_discriminator_kernel(torch.zeros(2, 3, 4, 4))


def test_the_original_classifier_sees_transposed_axial_slices() -> None:
    volume = torch.arange(128 * 6).reshape(1, 1, 2, 128, 3)
    seen = orientation.volume_to_original_classifier(volume)
    torch.testing.assert_close(seen, volume.permute(0, 1, 3, 4, 2)[:, :, 32:96])
    assert seen[0, 0, 5, 2, 1] == volume[0, 0, 1, 37, 2]
    assert orientation.volume_to_original_classifier(volume, None).shape == (1, 1, 128, 3, 2)


def test_the_original_classifiers_slices_must_exist() -> None:
    with pytest.raises(ValueError, match="the volume has 64"):
        orientation.volume_to_original_classifier(torch.zeros(1, 1, 2, 64, 3))


@pytest.mark.parametrize(("row", "column"), [pair for a in "LR" for b in "HF" for pair in ((a, b), (b, a))])
def test_a_frontal_image_stored_any_way_is_turned_as_displayed(row: str, column: str) -> None:
    # Each pixel knows where it is: its distance to the patient's left, and its distance to inferior.
    left, down = np.arange(4), np.arange(3)
    growth = {"L": left, "R": left[::-1], "F": down, "H": down[::-1]}
    along_row, along_column = np.meshgrid(growth[row], growth[column])
    to_left, to_feet = (along_row, along_column) if row in "LR" else (along_column, along_row)
    turn = orientation.display_flips(row, column)
    expected_left, expected_down = np.meshgrid(left, down)
    np.testing.assert_array_equal(orientation.apply_display_flips(to_left, *turn), expected_left)
    np.testing.assert_array_equal(orientation.apply_display_flips(to_feet, *turn), expected_down)


@pytest.mark.parametrize("letters", [("A", "F"), ("L", "P"), ("L", "R"), ("", "F"), ("H", "F")])
def test_what_is_not_frontal_is_refused(letters: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="not a frontal view"):
        orientation.display_flips(*letters)


def test_slices_hang_as_radiologists_hang_them() -> None:
    network = orientation.lps_to_network(sitk.GetArrayFromImage(asymmetric_body()))
    axial = orientation.display_slice(network, "axial", 36)
    assert np.argwhere(axial == 300)[:, 0].mean() > 32, "spine at the bottom"
    assert np.argwhere(axial == 45)[:, 1].mean() > 32, "heart on the image's right"
    coronal = orientation.display_slice(network, "coronal", 30)
    assert np.argwhere(coronal == 65)[:, 0].mean() > 32, "liver at the bottom"
    assert np.argwhere(coronal == 65)[:, 1].mean() < 32, "and on the image's left"
    sagittal = orientation.display_slice(network, "sagittal", 32)
    assert np.argwhere(sagittal == 300)[:, 1].mean() > 32, "spine on the image's right"
    assert (sagittal[:5, :10] == -1000).all(), "air before the neck, at the top left"


def test_an_unknown_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="axial, coronal or sagittal"):
        orientation.display_slice(numbered(), "oblique", 0)


def test_an_oblique_image_comes_back_from_its_matrix_in_ras() -> None:
    turned = Rotation.from_euler("xyz", (20, -35, 50), degrees=True).as_matrix()
    place = ((-12.0, 30.0, 7.5), (0.7, 1.2, 3.0), tuple(turned.ravel()))
    for found, expected in zip(orientation.itk_geometry(orientation.ijk_to_ras(*place)), place, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-12)
    with pytest.raises(ValueError, match="length"):
        orientation.itk_geometry(np.zeros((4, 4)))


def test_lps_becomes_ras_and_back() -> None:
    assert orientation.lps_and_ras((1, 2, 3)) == (-1, -2, 3)
    assert orientation.lps_and_ras(orientation.lps_and_ras((1, 2, 3))) == (1, 2, 3)
