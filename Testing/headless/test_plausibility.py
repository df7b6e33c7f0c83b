"""Anatomical checks: simulated chests pass them, planted faults fail the right one, and nothing makes them crash."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage, signal

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.plausibility import Check, check_volume
from XrayToCTLib.plausibility.skeleton_checks import count_peaks
from XrayToCTTraining.simulation.patient import LABELS, Label
from XrayToCTTraining.simulation.phantom import simulate_chest

SEEDS = (0, 1, 2)
SIZE = 80
SIDE_MM = 320.0
VOXEL_MM = SIDE_MM / SIZE
SIDES = (SIDE_MM,) * 3
NEEDS_LUNGS = (
    "chest wall closed",
    "lungs not cut off",
    "lungs of similar size",
    "diaphragm domed",
    "trachea in the midline",
    "spine behind",
    "spine in the midline",
    "ribs in pairs",
    "handedness",
    "head above",
)


@lru_cache(maxsize=16)
def chest(seed: int, label: Label = "healthy", size: int = SIZE) -> np.ndarray:
    """Network values (D, H, W)."""
    hu = simulate_chest(seed, size, SIDE_MM, label).hu
    return (np.clip(hu + 1024, 0, 2500) / 2500).astype(np.float32)


def network(hu: float) -> float:
    return (hu + 1024) / 2500


def checks(volume: np.ndarray) -> dict[str, Check]:
    return {check.name: check for check in check_volume(volume, SIDES)}


def failed(volume: np.ndarray) -> set[str]:
    return {name for name, check in checks(volume).items() if not check.passed}


def distance_mm(point: tuple[float, float, float], axes: tuple[int, ...] = (0, 1, 2)) -> np.ndarray:
    """Distance (D, H, W) in mm from a point given in mm from the corner, along some axes only."""
    grid = np.indices((SIZE,) * 3)
    return np.sqrt(sum(((grid[axis] + 0.5) * VOXEL_MM - point[axis]) ** 2 for axis in axes))


def lung_point(volume: np.ndarray, left: bool) -> tuple[float, float, float]:
    """The point of one lung, in mm, that is farthest from tissue."""
    air = ndimage.binary_opening((volume < network(-400)) & (volume > network(-960)), iterations=2)
    half = np.zeros_like(air)
    side = slice(SIZE // 2, None) if left else slice(None, SIZE // 2)
    half[:, SIZE // 4 : SIZE * 3 // 4, side] = air[:, SIZE // 4 : SIZE * 3 // 4, side]
    depth = ndimage.distance_transform_edt(half)
    d, h, w = (float((i + 0.5) * VOXEL_MM) for i in np.unravel_index(int(np.argmax(depth)), depth.shape))
    return d, h, w


def with_hole(volume: np.ndarray, diameter_mm: float, left: bool) -> np.ndarray:
    """A round hole bored from the front of the volume into a lung."""
    d, h, w = lung_point(volume, left)
    front = (np.arange(SIZE) + 0.5)[:, None, None] * VOXEL_MM < d
    bored = volume.copy()
    bored[(distance_mm((d, h, w), (1, 2)) < diameter_mm / 2) & front] = network(-1000)
    return bored


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("label", LABELS)
def test_a_simulated_chest_passes_every_check(seed: int, label: Label) -> None:
    # What a large effusion parts from a lung may count as another, and it lies on the diaphragm.
    may_fail = {"two lungs", "diaphragm domed"} if label == "sick" else set()
    assert failed(chest(seed, label)) <= may_fail


@pytest.mark.parametrize("size", [64, 96])
def test_the_size_of_the_voxels_hardly_changes_what_is_measured(size: int) -> None:
    coarse, fine = checks(chest(0)), checks(chest(0, size=size))
    assert all(check.passed for check in fine.values())
    for name, tolerance in {"density of the lungs": 25, "handedness": 0.2, "lungs of similar size": 0.08}.items():
        assert coarse[name].value == pytest.approx(fine[name].value, abs=tolerance)


def test_a_blurred_chest_still_has_two_lungs_and_a_closed_wall() -> None:
    blurred = ndimage.gaussian_filter(chest(1), 6 / VOXEL_MM)
    assert not {"two lungs", "chest wall closed", "handedness", "head above"} & failed(blurred)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_hole_of_15_mm_in_the_chest_wall_is_found_and_placed(seed: int, left: bool) -> None:
    check = checks(with_hole(chest(seed), 15, left))["chest wall closed"]
    assert not check.passed
    assert check.value is not None
    assert 75 < check.value < 600
    assert f"patient's {'left' if left else 'right'} front" in check.message
    d, h, w = lung_point(chest(seed), left)
    assert check.place_mm is not None
    # LPS from the volume's centre: across, and downwards; the wall lies before the point that was bored to.
    assert check.place_mm[0] == pytest.approx(w - SIDE_MM / 2, abs=8)
    assert check.place_mm[2] == pytest.approx(SIDE_MM / 2 - h, abs=8)
    assert check.place_mm[1] < d - SIDE_MM / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wider_hole_has_a_larger_area(seed: int) -> None:
    narrow, wide = (checks(with_hole(chest(seed), diameter, True))["chest wall closed"] for diameter in (15, 30))
    assert narrow.value is not None
    assert wide.value is not None
    assert narrow.value < wide.value


@pytest.mark.parametrize("seed", SEEDS)
def test_a_third_lung_is_counted_and_placed(seed: int) -> None:
    volume = chest(seed).copy()
    volume[distance_mm((160, 270, 120)) < 36] = network(-820)
    check = checks(volume)["two lungs"]
    assert not check.passed
    assert check.value == 3
    assert check.limits == (2, 2)
    assert check.place_mm == pytest.approx((120 - 160, 160 - 160, 160 - 270), abs=8)


@pytest.mark.parametrize("left", [False, True])
def test_a_lung_filled_with_tissue_is_missed(left: bool) -> None:
    volume = chest(1).copy()
    half = volume[:, :, SIZE // 2 :] if left else volume[:, :, : SIZE // 2]
    half[(half < network(-300)) & (half > network(-960))] = network(40)
    assert "two lungs" in failed(volume)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_chest_is_told_from_its_image(seed: int) -> None:
    there, mirrored = (checks(volume)["handedness"].value for volume in (chest(seed), chest(seed)[:, :, ::-1]))
    assert there is not None
    assert mirrored == pytest.approx(-there, abs=0.2)
    assert "handedness" in failed(chest(seed)[:, :, ::-1])


@pytest.mark.parametrize("side", ["right", "left"])
def test_fluid_in_one_half_of_the_chest_does_not_turn_it_around(side: str) -> None:
    volume = chest(0).copy()
    half = volume[:, :, : SIZE // 2] if side == "right" else volume[:, :, SIZE // 2 :]
    fluid = half[:, SIZE // 2 :]
    fluid[(fluid < network(-400)) & (fluid > network(-960))] = network(15)
    assert "handedness" not in failed(volume)
    assert "handedness" in failed(volume[:, :, ::-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chest_upside_down_has_its_head_below(seed: int) -> None:
    assert "head above" in failed(chest(seed)[:, ::-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_chest_turned_front_to_back_has_its_spine_in_front(seed: int) -> None:
    assert "spine behind" in failed(chest(seed)[::-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_inverted_values_leave_no_air_around_the_body(seed: int) -> None:
    assert {"air outside", "two lungs", "density of the lungs"} <= failed(1 - chest(seed))


@pytest.mark.parametrize("shift_hu", [-200, 200])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_shift_by_200_hu_is_found(seed: int, shift_hu: int) -> None:
    assert "density of soft tissue" in failed(np.clip(chest(seed) + shift_hu / 2500, 0, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_body_pushed_out_at_the_front_is_cut_off(seed: int) -> None:
    volume = chest(seed)
    body = np.flatnonzero((volume > network(-350)).any(axis=(1, 2)))
    moved = np.full_like(volume, network(-1000))
    cut = int(body[0]) + round(40 / VOXEL_MM)
    moved[: SIZE - cut] = volume[cut:]
    check = checks(moved)["body not cut off"]
    assert not check.passed
    assert "front" in check.message
    assert check.place_mm is not None
    assert check.place_mm[1] == pytest.approx(-SIDE_MM / 2, abs=5)


def test_empty_planes_that_make_a_cube_of_a_scan_do_not_hide_that_its_sides_are_cut_off() -> None:
    volume = chest(1).copy()
    quarter = SIZE // 4
    volume[:, :, :quarter], volume[:, :, -quarter:] = 0, 0
    volume[:, :, quarter:-quarter] = np.maximum(volume[:, :, quarter:-quarter], network(-1000))
    check = checks(volume)["body not cut off"]
    assert not check.passed
    assert "right and left sides" in check.message


def test_a_check_passes_within_its_limits_and_says_so_the_same_way_everywhere() -> None:
    for volume in (chest(0), chest(0)[::-1], np.zeros((20, 20, 20), np.float32)):
        for check in checks(volume).values():
            low, high = check.limits
            assert (low, high) != (None, None)
            outside = check.value is None or (low is not None and check.value < low)
            outside |= check.value is not None and high is not None and check.value > high
            assert not (check.passed and outside)


def test_places_move_with_the_volume() -> None:
    check = Check("c", True, 1.0, "", (0, 2), (1.0, 2.0, 3.0))
    assert check.around((10.0, 20.0, -30.0)).place_mm == (11.0, 22.0, -27.0)
    assert Check("c", True, 1.0, "").around((1.0, 1.0, 1.0)).place_mm is None


@pytest.mark.parametrize("value", [0.0, 0.01, 0.3, 0.41, 1.0])
def test_a_constant_volume_has_nothing_to_measure_and_says_so(value: float) -> None:
    found = checks(np.full((20, 20, 20), value, dtype=np.float32))
    assert not found["two lungs"].passed
    for name in NEEDS_LUNGS:
        assert not found[name].passed
        assert found[name].value is None
        assert "no" in found[name].message.lower()


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*(st.integers(2, 40),) * 3),
    st.tuples(*(st.floats(40, 400),) * 3),
    st.floats(0, 6),
    st.floats(0, 1),
)
def test_noise_of_any_shape_gives_the_same_checks_and_no_exception(
    seed: int, shape: tuple[int, int, int], sides: tuple[float, float, float], blur: float, level: float
) -> None:
    noise = np.random.default_rng(seed).random(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, blur) + np.float32(level - 0.5)
    found = check_volume(noise, sides)
    assert [check.name for check in found] == list(checks(chest(0)))
    assert not all(check.passed for check in found)
    for check in found:
        assert isinstance(check.passed, bool)
        assert check.value is None or (type(check.value) is float and np.isfinite(check.value))
        assert check.message.endswith(".")
        assert "nan" not in check.message


def test_values_that_are_no_numbers_count_as_air() -> None:
    volume = chest(0).copy()
    volume[0, 0, 0] = np.nan
    volume[0, 0, 1] = np.inf
    assert failed(volume) == set()


def test_the_volume_is_left_as_it_was() -> None:
    volume = chest(0).copy()
    check_volume(volume, SIDES)
    assert np.array_equal(volume, chest(0))


@pytest.mark.parametrize(
    ("shape", "sides"),
    [((4, 4), SIDES), ((1, 8, 8), SIDES), ((8, 8, 8), (0.0, 1.0, 1.0)), ((8, 8, 8), (320.0, float("nan"), 320.0))],
)
def test_what_is_no_volume_of_a_body_is_refused(shape: tuple[int, ...], sides: tuple[float, float, float]) -> None:
    with pytest.raises(UnsuitableInput):
        check_volume(np.zeros(shape, dtype=np.float32), sides)


@given(
    npst.arrays(float, st.integers(1, 60), elements=st.integers(-300, 300), unique=True),
    st.floats(-200, 200),
    st.integers(1, 200),
)
def test_peaks_are_counted_as_scipy_counts_them(values: np.ndarray, height: float, prominence: int) -> None:
    profile = np.array([-1000, *values, -1000])
    expected = signal.find_peaks(profile, height=height, prominence=prominence)[0].size
    assert count_peaks(profile, height, prominence) == expected
