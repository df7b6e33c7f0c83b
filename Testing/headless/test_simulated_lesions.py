"""Lesions where they belong in simulated and in warped chests, and a class that the source does not give away."""

from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from simulated_chests import SEEDS, SIDE_MM, SIZE, centroid, chest, variant
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import network_to_lps
from XrayToCTTraining.simulation.atlas import Atlas, load_atlas, warp_atlas
from XrayToCTTraining.simulation.cohort import assign, cohort, make_patient
from XrayToCTTraining.simulation.habitus import random_frame, random_habitus
from XrayToCTTraining.simulation.lesions import KINDS, plant, split_lungs
from XrayToCTTraining.simulation.patient import LABELS, Label, Lesion, Patient
from XrayToCTTraining.simulation.vessels import HILA


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
