"""Simulated chests: anatomy in its place, lesions in the lungs, and a class that the source does not give away."""

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import network_to_lps
from XrayToCTTraining.simulation.anatomy import cage_wall
from XrayToCTTraining.simulation.atlas import Atlas, load_atlas, warp_atlas
from XrayToCTTraining.simulation.cohort import assign, cohort, make_patient
from XrayToCTTraining.simulation.habitus import random_frame, random_habitus
from XrayToCTTraining.simulation.lesions import KINDS, plant, split_lungs
from XrayToCTTraining.simulation.patient import LABELS, Label, Lesion, Patient
from XrayToCTTraining.simulation.phantom import simulate_chest
from XrayToCTTraining.simulation.skeleton import rib_line, rib_rods
from XrayToCTTraining.simulation.space import Frame, deposit, fill, upsample
from XrayToCTTraining.simulation.vessels import HILA

SEEDS = (0, 1, 2, 3)
SIZE = 64
SIDE_MM = 320.0


@lru_cache(maxsize=32)
def chest(seed: int, label: Label = "healthy", size: int = SIZE) -> Patient:
    return simulate_chest(seed, size, SIDE_MM, label)


def variant(seed: int, size: int = SIZE, **changes: Any) -> Patient:
    """A healthy chest with another habitus, all else (size, posture, texture) equal."""
    habitus = random_habitus(np.random.default_rng([seed, 1]))
    return simulate_chest(seed, size, SIDE_MM, habitus=replace(habitus, **changes))


def centroid(mask: np.ndarray) -> tuple[float, ...]:
    return tuple(float(c) for c in ndimage.center_of_mass(mask))


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    """A simulated chest on a bed of plastic, written as an ordinary oblique-free NIfTI in LPS and read back."""
    hu = chest(5).hu.copy()
    hu[-1:, :, 6:-6] = 300.0
    image = sitk.GetImageFromArray(np.ascontiguousarray(network_to_lps(hu)))
    image.SetSpacing([SIDE_MM / SIZE] * 3)
    image.SetOrigin([-200.0, 35.0, 900.0])
    path = tmp_path_factory.mktemp("atlas") / "chest.nii.gz"
    sitk.WriteImage(sitk.Cast(image, sitk.sitkInt16), str(path))
    return load_atlas(path, SIZE, SIDE_MM)


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


def test_all_ribs_are_found_in_the_volume_by_counting_along_the_back_of_the_lungs() -> None:
    patient = variant(1, size=128, bone_scale=1.2, scoliosis_mm=0, are_arms_up=False)
    lungs, mm = patient.masks["lungs"], SIDE_MM / 128
    for site in split_lungs(lungs, mm):
        # A shell of 4 to 10 mm around the lung, cut half-way between its back and its side: ribs 3 to 10 at least.
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


# --- lesions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("label", ["sick", "tb"])
def test_lesions_lie_in_the_lungs_and_are_of_their_class(seed: int, label: Label) -> None:
    patient = chest(seed, label)
    assert patient.lesion.any()
    assert not (patient.lesion & ~patient.masks["lungs"]).any()
    assert patient.lesions
    assert {lesion.kind for lesion in patient.lesions} <= set(KINDS[label])
    for lesion in patient.lesions:
        assert 1 < lesion.size_mm < 250
        assert all(0 <= c < SIZE for c in lesion.centre)


def test_healthy_patients_have_no_lesion() -> None:
    assert not chest(0).lesion.any()
    assert chest(0).lesions == ()


@pytest.mark.parametrize("label", ["sick", "tb"])
def test_planting_changes_only_the_lungs_and_their_rim(label: Label) -> None:
    patient = chest(2)
    hu, numbers, _ = plant(patient.hu, patient.masks["lungs"], label, np.random.default_rng(9), SIDE_MM / SIZE)
    changed = hu != patient.hu
    assert changed.any()
    assert not (changed & ~ndimage.binary_dilation(patient.masks["lungs"])).any()
    outside = changed & ~patient.masks["lungs"]
    assert np.all(hu[outside] >= patient.hu[outside])
    assert np.abs(hu - patient.hu)[numbers > 0].mean() > 20


def test_planting_does_not_change_its_input() -> None:
    patient = chest(2)
    before = patient.hu.copy()
    plant(patient.hu, patient.masks["lungs"], "tb", np.random.default_rng(1), SIDE_MM / SIZE)
    assert np.array_equal(before, patient.hu)


def test_every_kind_of_lesion_occurs_and_cavities_are_hollow_and_high() -> None:
    healthy, mm = chest(0), SIDE_MM / SIZE
    seen: Counter[str] = Counter()
    heights: list[float] = []
    for label, seed in product(LABELS[1:], range(30)):
        lesions = plant(healthy.hu, healthy.masks["lungs"], label, np.random.default_rng(seed), mm)[2]
        seen.update(x.kind for x in lesions)
        heights += [x.centre[1] for x in lesions if x.kind == "cavity"]
    assert set(seen) == {*KINDS["sick"], *KINDS["tb"]}
    assert np.mean(heights) < centroid(healthy.masks["lungs"])[1]


def planted(kind: str, seed: int, source: Patient) -> tuple[np.ndarray, np.ndarray, tuple[Lesion, ...]]:
    label = next(label for label in LABELS if kind in KINDS[label])
    mm = SIDE_MM / source.hu.shape[0]
    return plant(source.hu, source.masks["lungs"], label, np.random.default_rng(seed), mm, [kind])


@pytest.mark.parametrize("source", ["procedural", "atlas"])
@pytest.mark.parametrize("kind", sorted({kind for kinds in KINDS.values() for kind in kinds}))
def test_every_kind_of_lesion_lies_where_it_should_and_is_recorded(kind: str, source: str, atlas: Atlas) -> None:
    patient = chest(1) if source == "procedural" else warp_atlas(atlas, 1, SIZE, SIDE_MM)
    lungs = patient.masks["lungs"]
    top, bottom = np.flatnonzero(lungs.any((0, 2)))[[0, -1]]
    for seed in range(4):
        hu, numbers, lesions = planted(kind, seed, patient)
        assert {lesion.kind for lesion in lesions} == {kind}
        assert numbers.max() == len(lesions)
        assert not (numbers[~lungs] > 0).any()
        for number, lesion in enumerate(lesions, 1):
            voxels = numbers == number
            assert voxels.any()
            assert np.abs(hu - patient.hu)[voxels].mean() > 30
            assert np.abs(np.subtract(lesion.centre, centroid(voxels))).max() < 1e-3
            height = (centroid(voxels)[1] - top) / (bottom - top)
            low, high = {
                "apical_cap": (0, 0.25),
                "cavity": (0, 0.6),
                "infiltrate": (0, 0.5),
                "hilar_nodes": (0.25, 0.6),
                "effusion": (0.5, 1),
            }.get(kind, (0, 1))
            assert low <= height <= high


@pytest.mark.parametrize("seed", SEEDS)
def test_hilar_nodes_lie_at_the_roots_of_the_lungs_even_beside_a_large_heart(seed: int) -> None:
    for scale in (1.0, 1.45):
        patient = variant(seed, heart_scale=scale)
        rng = np.random.default_rng([seed, 1])
        frame = random_frame(rng, SIZE, SIDE_MM, replace(random_habitus(rng), heart_scale=scale))
        roots = frame.voxels(np.array(HILA, dtype=np.float32))
        for lesion in planted("hilar_nodes", seed, patient)[2]:
            apart = np.linalg.norm(roots - np.array(lesion.centre), axis=1) * SIDE_MM / SIZE
            assert apart.min() < 42
            assert 10 < lesion.size_mm < 32


def test_fluid_in_a_cavity_is_level_and_lies_below_the_air() -> None:
    patient, levels = chest(1, size=96), 0
    for seed in range(12):
        hu, numbers, _ = planted("cavity", seed, patient)
        d, _, w = (round(c) for c in centroid(numbers > 0))
        columns = hu[d - 1 : d + 2, :, w - 1 : w + 2].transpose(0, 2, 1).reshape(9, -1)
        inside = (numbers[d, :, w] > 0).nonzero()[0]
        is_air = columns[:, inside[0] : inside[-1] + 1] < -700
        if not is_air.any(1).all():
            continue
        lowest = np.array([np.flatnonzero(column)[-1] for column in is_air])
        below = len(is_air[0]) - 1 - lowest
        if below.min() * SIDE_MM / 96 < 14:  # no more than the wall is below: a dry cavity
            continue
        levels += 1
        assert np.ptp(lowest) <= 1
        fluid = columns[:, inside[0] + lowest.max() + 2 : inside[-1] - 1]
        assert np.median(np.abs(fluid - 10)) < 60
    assert levels >= 3


def test_lungs_that_are_missing_or_tiny_get_no_lesions() -> None:
    hu = np.full((16, 16, 16), -1000, dtype=np.float32)
    _, numbers, lesions = plant(hu, np.zeros(hu.shape, dtype=bool), "tb", np.random.default_rng(0), 5.0)
    assert not numbers.any()
    assert lesions == ()


# --- the atlas -----------------------------------------------------------------------------------------------------


def test_an_atlas_loses_its_bed_and_keeps_its_lungs(atlas: Atlas) -> None:
    source = chest(5)
    assert not atlas.body[-1].any() or atlas.hu[-1][atlas.hu[-1] > 200].size < 20
    assert atlas.lungs.sum() == pytest.approx(source.masks["lungs"].sum(), rel=0.12)
    assert np.all(atlas.hu[~atlas.body] == -1000)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_warped_atlas_keeps_left_left_and_front_front(atlas: Atlas, seed: int) -> None:
    patient = warp_atlas(atlas, seed, SIZE, SIDE_MM)
    heart, lungs = centroid(patient.masks["heart"]), centroid(patient.masks["lungs"])
    sites = split_lungs(patient.masks["lungs"], SIDE_MM / SIZE)
    assert len(sites) == 2
    assert heart[2] > np.mean([centroid(s.mask)[2] for s in sites])
    assert heart[0] < lungs[0] < centroid(patient.masks["bone"])[0]


def test_warps_are_deterministic_and_differ_by_seed(atlas: Atlas) -> None:
    first, again, other = (warp_atlas(atlas, s, SIZE, SIDE_MM, "sick") for s in (7, 7, 8))
    assert np.array_equal(first.hu, again.hu)
    assert not np.array_equal(first.hu, other.hu)
    assert first.lesion.any()
    assert not (first.lesion & ~first.masks["lungs"]).any()


def test_an_unreadable_scan_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.nii.gz"
    path.write_bytes(b"not a scan")
    with pytest.raises(UnsuitableInput, match="broken"):
        load_atlas(path)


def test_a_scan_that_is_no_ct_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grey.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.random.default_rng(0).random((20, 20, 20)).astype(np.float32)), str(path))
    with pytest.raises(UnsuitableInput, match="Hounsfield"):
        load_atlas(path)


# --- the cohort ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 10_000), st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_every_class_comes_from_every_source_equally_often(cohort_seed: int, block: int) -> None:
    pairs = Counter((a.source, a.label) for a in (assign(i, cohort_seed) for i in range(6 * block, 6 * block + 6)))
    assert set(pairs) == set(product(("procedural", "atlas"), LABELS))
    assert set(pairs.values()) == {1}


def test_every_class_comes_from_every_atlas_equally_often() -> None:
    atlases = 4
    who = [assign(i, 3) for i in range(6 * atlases * 2)]
    pairs = Counter((a.atlas_turn % atlases, a.label) for a in who if a.source == "atlas")
    assert len(pairs) == atlases * 3
    assert set(pairs.values()) == {2}


def test_an_assignment_depends_on_index_and_cohort_alone() -> None:
    assert assign(17, 5) == assign(17, 5)
    assert len({assign(i, 5).seed for i in range(200)}) == 200
    assert [assign(i, 5).label for i in range(60)] != [assign(i, 6).label for i in range(60)]


def test_a_cohort_yields_the_patients_of_its_assignments(atlas: Atlas) -> None:
    drawn = list(cohort(2, range(6), 32, SIDE_MM, [atlas]))
    assert Counter(p.label for _, p in drawn) == {"healthy": 2, "sick": 2, "tb": 2}
    who, patient = drawn[4]
    expected = make_patient(who.seed, 32, SIDE_MM, who.source, who.label, atlas)
    assert np.array_equal(patient.hu, expected.hu)


def test_a_patient_from_an_atlas_needs_the_atlas() -> None:
    with pytest.raises(ValueError, match="atlas"):
        make_patient(0, 32, SIDE_MM, "atlas")
