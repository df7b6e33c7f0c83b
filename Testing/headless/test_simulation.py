"""Simulated chests: anatomy in its place and as varied as in a clinic, and shapes that become voxels faithfully."""

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from simulated_chests import SEEDS, SIDE_MM, SIZE, centroid, chest, variant
from XrayToCTTraining.simulation.anatomy import cage_wall
from XrayToCTTraining.simulation.habitus import random_frame, random_habitus
from XrayToCTTraining.simulation.lesions import split_lungs
from XrayToCTTraining.simulation.patient import Patient
from XrayToCTTraining.simulation.phantom import simulate_chest
from XrayToCTTraining.simulation.skeleton import rib_line, rib_rods
from XrayToCTTraining.simulation.space import Frame, deposit, fill, upsample

# --- the phantom ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 48])
def test_a_patient_has_the_shape_and_the_size_that_were_asked_for(size: int) -> None:
    patient = simulate_chest(3, size, 300.0)
    assert patient.hu.shape == (size,) * 3
    assert patient.hu.dtype == np.float32
    assert patient.size_mm == (300.0, 300.0, 300.0)
    assert set(patient.masks) >= {"body", "lungs", "bone", "heart"}
    assert all(m.shape == patient.hu.shape and m.dtype == bool for m in [*patient.masks.values(), patient.lesion])


def test_the_same_seed_gives_the_same_patient_and_another_seed_another() -> None:
    again = simulate_chest(1, SIZE, SIDE_MM, "tb")
    assert np.array_equal(chest(1, "tb").hu, again.hu)
    assert chest(1, "tb").lesions == again.lesions
    assert not np.array_equal(chest(2, "tb").hu, again.hu)


def test_the_anatomy_does_not_depend_on_the_label() -> None:
    for name, mask in chest(0).masks.items():
        assert np.array_equal(mask, chest(0, "tb").masks[name])
        assert np.array_equal(mask, chest(0, "sick").masks[name])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_heart_lies_left_of_the_middle_and_ahead_of_the_spine(seed: int) -> None:
    patient = chest(seed)
    heart, body = centroid(patient.masks["heart"]), centroid(patient.masks["body"])
    assert heart[2] > body[2] + 1
    assert heart[0] < body[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_right_lung_is_at_low_w_and_its_diaphragm_the_higher(seed: int) -> None:
    patient = variant(seed, left_drop=14, scoliosis_mm=0, heart_scale=1)
    right, left = (s.mask for s in split_lungs(patient.masks["lungs"], SIDE_MM / SIZE))
    assert centroid(right)[2] < centroid(left)[2]
    # Depth of the lung bases beneath the middle of each lung: the liver pushes the right one up.
    bases = []
    for lung in (right, left):
        d, _, w = (round(c) for c in centroid(lung))
        bases.append(np.flatnonzero(lung[d - 4 : d - 1, :, w - 1 : w + 2].any((0, 2)))[-1])
    assert bases[0] <= bases[1]


def test_the_right_lung_is_usually_the_larger() -> None:
    volumes = [[s.mask.sum() for s in split_lungs(chest(i).masks["lungs"], SIDE_MM / SIZE)] for i in range(8)]
    ratio = np.array([right / left for right, left in volumes])
    assert 1.05 < ratio.mean() < 1.35


@pytest.mark.parametrize("seed", SEEDS)
def test_liver_lies_under_the_right_lung_and_stomach_gas_only_on_the_left(seed: int) -> None:
    patient = chest(seed)
    right = split_lungs(patient.masks["lungs"], SIDE_MM / SIZE)[0]
    d, _, w = (round(c) for c in centroid(right.mask))
    base = np.flatnonzero(right.mask[d, :, w])[-1]
    liver = patient.hu[d - 2 : d + 3, base + 3 : base + 8, w - 2 : w + 3]
    assert 40 < liver.mean() < 75
    below = ndimage.binary_erosion(patient.masks["body"], iterations=3) & ~ndimage.binary_dilation(
        patient.masks["lungs"]
    )
    gas = below & (patient.hu < -600)
    gas[:, : SIZE // 2] = False
    assert gas.sum() > 5
    assert centroid(gas)[2] > centroid(patient.masks["body"])[2]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_spine_is_posterior_in_the_midline_and_the_trachea_superior(seed: int) -> None:
    patient = chest(seed)
    middle = centroid(patient.masks["body"])
    lower = patient.masks["bone"][:, SIZE // 2 : int(0.9 * SIZE)]
    spine = lower & (np.abs(np.arange(SIZE) - middle[2]) < 5)
    spine[: int(middle[0])] = False
    assert spine.sum() > 0.2 * lower.sum()
    air = (patient.hu < -850) & ~ndimage.binary_dilation(patient.masks["lungs"], iterations=2)
    trachea = air & ndimage.binary_erosion(patient.masks["body"], iterations=4)
    trachea[:, SIZE // 2 :] = False
    assert trachea.sum() > 3
    assert abs(centroid(trachea)[2] - middle[2]) < 5


@pytest.mark.parametrize("seed", SEEDS)
def test_there_are_two_lungs_with_a_closed_wall_around_them(seed: int) -> None:
    masks = chest(seed).masks
    labels, count = ndimage.label(masks["lungs"])
    assert count == 2
    sizes = np.bincount(labels.ravel())[1:] * (SIDE_MM / SIZE) ** 3 / 1e6
    assert 0.8 < sizes.min() <= sizes.max() < 3.5
    assert not (ndimage.binary_dilation(masks["lungs"], iterations=2) & ~masks["body"]).any()
    assert not masks["lungs"][:, [0, -1]].any()


@pytest.mark.parametrize("seed", SEEDS)
def test_tissues_have_their_hounsfield_units(seed: int) -> None:
    patient = chest(seed, size=96)
    masks = patient.masks
    lung = patient.hu[ndimage.binary_erosion(masks["lungs"], iterations=2)]
    heart = patient.hu[ndimage.binary_erosion(masks["heart"], iterations=2)]
    air = patient.hu[~ndimage.binary_dilation(masks["body"], iterations=2)]
    assert -930 < np.median(lung) < -740
    assert 30 < np.median(heart) < 65
    assert abs(np.median(air) + 1000) < 10
    bone = patient.hu[masks["bone"]]
    assert 150 < np.median(bone) < 900
    assert np.percentile(bone, 99) > 450
    fat = masks["body"] & (np.abs(patient.hu + 100) < 30)
    assert fat.sum() > 0.02 * masks["body"].sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_ribs_lie_in_the_chest_wall_and_not_in_the_lung(seed: int) -> None:
    masks = chest(seed, size=96).masks
    assert not (masks["bone"] & masks["lungs"]).any()
    assert not (masks["bone"] & ~ndimage.binary_dilation(masks["body"])).any()
    # Away from spine and sternum every bone of the lower chest is a rib, and is within 18 mm of the lung it guards.
    lateral = masks["bone"] & (np.abs(np.arange(96) - centroid(masks["body"])[2]) > 24)
    lateral[:, :48], lateral[:, 66:] = False, False
    assert lateral.sum() > 100
    near = ndimage.distance_transform_edt(~masks["lungs"]) * SIDE_MM / 96 < 18
    assert near[lateral].mean() > 0.95


def test_the_cage_wall_meets_itself_at_the_level_set_that_the_lungs_use() -> None:
    y, x = cage_wall(np.array([20.0]), np.array([0.0]), 0.0)
    assert x[0] == pytest.approx(132, abs=0.6)
    assert y[0] == pytest.approx(0, abs=0.6)
    y, x = cage_wall(np.array([20.0]), np.array([np.pi / 2]), 5.0)
    assert (float(y[0]), float(x[0])) == (pytest.approx(95, abs=0.6), pytest.approx(56, abs=0.6))


def test_there_are_twelve_curved_ribs_a_side_each_below_the_one_before() -> None:
    lines = [rib_line(number) for number in range(12)]
    assert len(list(rib_rods())) == 24
    for number, (upper, lower) in enumerate(pairwise(lines)):
        # The last ribs end early, in the flank: they are compared only where both exist.
        shared = slice(None) if number < 8 else slice(0, 20)
        assert np.all(lower[shared, 1] > upper[shared, 1])
    for line in lines[:10]:
        # From the spine back and out, round the flank, forward and down: longer than its chord by a good part.
        length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum()
        assert length > 1.15 * np.linalg.norm(line[-1] - line[0])
        assert line[-1, 1] > line[0, 1] + 20
        assert line[:, 2].max() > line[0, 2] + 25


def test_each_of_the_24_ribs_is_bone_in_the_volume_along_its_whole_length() -> None:
    patient = chest(4, size=128)
    rng = np.random.default_rng([4, 1])
    frame = random_frame(rng, 128, SIDE_MM, random_habitus(rng))
    for line, *_ in rib_rods():
        index = np.rint(frame.voxels(line.astype(np.float32))).astype(int)
        index = index[np.all((index >= 0) & (index < 128), axis=1)]
        assert len(index) > 30
        assert patient.masks["bone"][tuple(index.T)].mean() > 0.93


def test_ribs_can_be_counted_behind_the_lungs() -> None:
    patient = variant(1, size=128, bone_scale=1.2, scoliosis_mm=0, are_arms_up=False)
    lungs, mm = patient.masks["lungs"], SIDE_MM / 128
    for site in split_lungs(lungs, mm):
        # Bone within 14 mm of the lung, cut behind its middle: the first and the last ribs do not pass there.
        away = ndimage.distance_transform_edt(~site.mask) * mm
        d, _, w = (round(c) for c in centroid(site.mask))
        behind = patient.masks["bone"][d:, :, w] & (away[d:, :, w] < 14)
        ribs = ndimage.label(behind.any(0))[1]
        assert 8 <= ribs <= 12


def test_a_large_heart_raises_the_cardiothoracic_ratio_above_one_half() -> None:
    def ratio(patient: Patient) -> float:
        width = [np.ptp(np.flatnonzero(patient.masks[name].any((0, 1)))) for name in ("heart", "lungs")]
        return float(width[0] / width[1])

    for seed in SEEDS:
        assert ratio(variant(seed, heart_scale=1.0)) < 0.5 < ratio(variant(seed, heart_scale=1.4))
    large = [random_habitus(np.random.default_rng([seed, 1])).heart_scale > 1.25 for seed in range(400)]
    assert 0.08 < np.mean(large) < 0.22


@pytest.mark.parametrize("side", [-1, 1])
def test_scoliosis_bends_the_spine_to_its_side_and_kyphosis_backwards(side: int) -> None:
    def spine(patient: Patient) -> np.ndarray:
        """Mean (D, W) in mm of the bone of the middle, row by row from the neck to the lowest ribs."""
        middle = round(centroid(patient.masks["body"])[2])
        bone = patient.masks["bone"][SIZE // 2 :, 4:-8, middle - 10 : middle + 11]
        rows = (bone[:, row] for row in range(bone.shape[1]))
        discs = (np.nan, np.nan)
        return np.array([centroid(row) if row.any() else discs for row in rows]) * SIDE_MM / SIZE

    straight = spine(variant(1, scoliosis_mm=0, kyphosis_mm=0))
    bent = spine(variant(1, scoliosis_mm=side * 25, scoliosis_z=0, kyphosis_mm=0)) - straight
    hunched = spine(variant(1, scoliosis_mm=0, kyphosis_mm=20)) - straight
    crest = slice(22, 30)
    neck = slice(0, 8)
    assert side * np.nanmedian(bent[crest, 1]) > 8
    assert side * np.nanmedian(bent[neck, 1]) < side * np.nanmedian(bent[crest, 1]) - 8
    assert np.nanmedian(hunched[crest, 0]) > 6 + np.nanmedian(hunched[neck, 0])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_arms_that_are_up_stand_beside_the_neck_and_arms_that_are_down_widen_the_shoulders(seed: int) -> None:
    up, down = (variant(seed, are_arms_up=value).masks["body"] for value in (True, False))
    breadth = [[body[:, row].any(0).sum() for row in (0, 24)] for body in (up, down)]
    assert breadth[0][0] > 1.2 * breadth[1][0]
    assert breadth[0][1] < breadth[1][1]


def test_a_raised_diaphragm_takes_its_lung_s_volume_and_not_the_other_s() -> None:
    right, left = range(2)
    usual, raised = (
        [s.mask.sum() for s in split_lungs(variant(3, left_drop=drop).masks["lungs"], SIDE_MM / SIZE)]
        for drop in (10, -30)
    )
    assert raised[left] < 0.85 * usual[left]
    assert raised[right] == pytest.approx(usual[right], rel=0.03)


def test_old_bones_are_thinner_and_old_aortas_wider_in_the_mean() -> None:
    people = [random_habitus(np.random.default_rng([seed, 1])) for seed in range(300)]
    old, young = ([p for p in people if (p.age > 70) is is_old and not 50 < p.age <= 70] for is_old in (True, False))
    for name, sign in (("bone_scale", -1), ("aorta_mm", 1), ("unfolding", 1), ("kyphosis_mm", 1), ("cartilage_hu", 1)):
        means = [np.mean([getattr(p, name) for p in group]) for group in (old, young)]
        assert sign * (means[0] - means[1]) > 0
    assert min(p.fat_mm for p in people) < 4
    assert max(p.fat_mm for p in people) > 28


# --- rendering -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(*[st.floats(1, 6)] * 3), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_deposited_points_keep_their_volume_and_their_centre(points: list[tuple[float, float, float]]) -> None:
    index = np.array(points, dtype=np.float32)
    volume = deposit(index, np.ones(len(index), dtype=np.float32), (8, 9, 10))
    assert volume.sum() == pytest.approx(len(points), rel=1e-4)
    assert centroid(volume) == pytest.approx(index.mean(0).tolist(), abs=1e-3)


def test_points_outside_the_grid_are_lost_without_harm() -> None:
    outside = np.array([[-5, 2, 2], [2, 50, 2], [2, 2, -1.5]], dtype=np.float32)
    assert deposit(outside, np.ones(3, dtype=np.float32), (4, 4, 4)).sum() == 0


def test_a_filled_ball_has_the_volume_of_a_ball() -> None:
    axis = (np.arange(40) + 0.5) * 2 - 40
    distance = np.sqrt(sum(c**2 for c in np.meshgrid(axis, axis, axis))) - 25
    assert fill(distance.astype(np.float32), 2.0).sum() * 8 == pytest.approx(4 / 3 * np.pi * 25**3, rel=0.01)


def test_upsampling_keeps_constants_and_the_order_of_axes() -> None:
    assert np.allclose(upsample(np.full((3, 4, 5), 2.0), (7, 8, 9)), 2)
    ramp = np.broadcast_to(np.arange(5.0)[None, :, None], (3, 5, 4))
    result = upsample(ramp, (6, 17, 8))
    assert result.shape == (6, 17, 8)
    assert np.all(np.diff(result[0, :, 0]) > 0)
    assert np.ptp(result[:, 8]) < 1e-5


def test_points_land_where_the_grid_says_they_are() -> None:
    rng = np.random.default_rng(4)
    turn = np.array([[0.99, 0.05, 0.0], [-0.05, 1.02, 0.03], [0.01, -0.02, 0.95]])
    frame = Frame(40, 320.0, turn, np.array([3.0, -5.0, 8.0]), rng.normal(0, 5, (3, 5, 5, 5)).astype(np.float32))
    grid = frame.grid()
    index = np.array(list(product((8, 20, 31), repeat=3)))
    points = np.stack([g[tuple(index.T)] for g in grid], axis=1)
    assert np.abs(frame.voxels(points) - index).max() * frame.voxel_mm < 1.0


@pytest.mark.parametrize("seed", range(3))
def test_points_of_a_bent_patient_land_where_the_grid_says_they_are(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = random_frame(rng, 40, SIDE_MM, replace(random_habitus(rng), scoliosis_mm=30, kyphosis_mm=20))
    grid = frame.grid()
    index = np.array(list(product((8, 20, 31), repeat=3)))
    points = np.stack([g[tuple(index.T)] for g in grid], axis=1)
    assert np.abs(frame.voxels(points) - index).max() * frame.voxel_mm < 2.0
