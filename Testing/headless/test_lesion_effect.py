"""What is said to survive of a planted lesion, on generated volumes of which it is known."""

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy import ndimage

from simulated_chests import SIDE_MM, SIZE, chest
from XrayToCTLib.errors import UnsuitableInput
from XrayToCTLib.orientation import network_to_lps
from XrayToCTLib.projection import Geometry, network_from_hu, radiograph_from_ct
from XrayToCTTraining.data.cohort import Case, Cohort, write_ct
from XrayToCTTraining.lesion_effect import LesionEffect, View, effect_table, evaluate_chest, mean_figures, measure
from XrayToCTTraining.lesion_pictures import effects_picture, typical
from XrayToCTTraining.planted_lesions import ALL_KINDS, Chest, chest_of_ct, chests_of_cohort, findings, planted
from XrayToCTTraining.simulation.lesions import split_lungs

VOXEL_MM = SIDE_MM / SIZE
GEOMETRY = Geometry(detector_pixels=(SIZE, SIZE), volume_mm=(SIDE_MM,) * 3)


@cache
def healthy() -> Chest:
    patient = chest(0)
    return Chest("simulated", patient.hu, patient.masks["lungs"], VOXEL_MM, False)


def network(hu: np.ndarray) -> np.ndarray:
    return network_from_hu(torch.from_numpy(hu.astype(np.float32))).numpy()


def shadow(volume: np.ndarray) -> np.ndarray:
    return radiograph_from_ct(torch.from_numpy(volume)[None, None], GEOMETRY)[0, 0].numpy()


def view(truth: np.ndarray, generated: np.ndarray) -> View:
    return View(truth, shadow(truth) / 10, generated, shadow(truth), shadow(generated))


def measured(kind: str, change=lambda effect: effect, number: int = 0) -> tuple[LesionEffect, np.ndarray]:
    """A lesion whose effect comes out changed in a generator that is right in all else; and the lesion's voxels."""
    finding = planted(healthy(), kind, number)
    without, with_it = network(healthy().hu), network(finding.hu)
    generated = (without + change(with_it - without)).astype(np.float32)
    effect = measure(healthy(), finding, view(without, without), view(with_it, generated), GEOMETRY)
    assert effect is not None
    return effect, finding.own


@pytest.mark.parametrize("kind", ["nodule", "mass", "consolidation", "infiltrate"])
def test_a_perfect_generator_keeps_everything_in_its_place(kind: str) -> None:
    effect, _ = measured(kind)
    assert (effect.kind, effect.chest) == (kind, "simulated")
    assert effect.at_place.kept == pytest.approx(1)
    assert effect.effect.kept == pytest.approx(1)
    assert effect.shadow_kept == pytest.approx(1)
    assert effect.visible
    assert effect.depth_mm == pytest.approx(0, abs=1e-6)
    assert effect.in_place > 0.9
    assert effect.xray_contrast > 0


def test_a_generator_that_draws_no_lesion_keeps_nothing() -> None:
    effect, _ = measured("mass", np.zeros_like)
    assert effect.effect.contrast_hu == pytest.approx(0, abs=1e-6)
    assert effect.effect.true_contrast_hu > 300
    assert (effect.shadow_kept, effect.visible) == (pytest.approx(0, abs=1e-6), False)
    assert np.isnan(effect.depth_mm)
    assert np.isnan(effect.in_place)


def moved_along_the_rays(effect: np.ndarray, voxels: int) -> np.ndarray:
    """Farther from the front by so many voxels and larger or smaller about the middle, so that its shadow stays."""
    depth = np.average(np.arange(SIZE), weights=np.abs(effect).sum((1, 2)))
    from_source = GEOMETRY.source_to_axis_mm - (depth - (SIZE - 1) / 2) * VOXEL_MM  # PA: it stands behind the patient
    shrink = (from_source - voxels * VOXEL_MM) / from_source
    middle = (SIZE - 1) / 2
    offset = [-voxels, middle - middle / shrink, middle - middle / shrink]
    return ndimage.affine_transform(effect, [1, 1 / shrink, 1 / shrink], offset, order=1)


@pytest.mark.parametrize("voxels", [-12, 12])
def test_a_lesion_at_another_depth_is_lost_at_its_place_but_still_casts_its_shadow(voxels: int) -> None:
    effect, own = measured("mass", lambda effect: moved_along_the_rays(effect, voxels))
    assert np.ptp(np.nonzero(own)[0]) < 12  # so that it left its place
    assert effect.effect.kept < 0.1
    assert effect.shadow_kept == pytest.approx(1, abs=0.1)
    assert effect.in_place < 0.1
    assert effect.depth_mm == pytest.approx(voxels * VOXEL_MM, abs=VOXEL_MM)


def test_a_lesion_that_comes_out_at_two_depths_is_half_in_place() -> None:
    effect, _ = measured("mass", lambda effect: (effect + moved_along_the_rays(effect, 12)) / 2)
    assert effect.effect.kept == pytest.approx(0.5, abs=0.02)
    # nearer to the source the same shadow needs a smaller lesion: 1 / (1 + 0.9 squared)
    assert effect.in_place == pytest.approx(0.55, abs=0.03)
    assert effect.shadow_kept == pytest.approx(1, abs=0.1)
    assert 0 < effect.depth_mm < 12 * VOXEL_MM


def test_half_of_an_effect_is_half_of_contrast_and_of_shadow() -> None:
    effect, _ = measured("mass", lambda effect: effect / 2)
    assert effect.effect.kept == pytest.approx(0.5)
    assert effect.shadow_kept == pytest.approx(0.5, abs=0.03)
    assert effect.depth_mm == pytest.approx(0, abs=1)


def test_findings_of_every_kind_come_alone_in_either_lung_and_again_the_same() -> None:
    right, left = split_lungs(healthy().lungs, VOXEL_MM)
    found = list(findings(healthy(), 2))
    assert {finding.lesion.kind for finding in found} == set(ALL_KINDS)
    for finding in found:
        assert not (finding.own & ~(right, left)[finding.number % 2].mask).any()
        again = planted(healthy(), finding.lesion.kind, finding.number)
        assert np.array_equal(again.hu, finding.hu)
        assert (again.hu != healthy().hu)[finding.own].mean() > 0.9
    other = planted(healthy(), "mass", 0, seed=1)
    assert other.lesion.centre != planted(healthy(), "mass", 0).lesion.centre


def blurred(radiograph: torch.Tensor) -> torch.Tensor:
    """A generator that smears the radiograph along the depth."""
    return radiograph[:, :, None].expand(-1, -1, SIZE, -1, -1) * 0.5


def test_the_table_and_the_picture_have_what_was_planted() -> None:
    effects = evaluate_chest(blurred, healthy(), GEOMETRY, 1)
    rows = effect_table(effects)
    assert sum(row["lesions"] for row in rows) == len(effects) > 6
    assert {row["kind"] for row in rows} == {effect.kind for effect in effects}
    figures = mean_figures(effects)
    assert figures["effect_kept"] == pytest.approx(np.mean([effect.effect.kept for effect in effects]))
    assert 0 <= figures["found"] <= figures["visible"] <= 1  # an extruded radiograph holds shadows, and no depth
    chosen = typical(effects)
    assert [effect.kind for effect in chosen] == sorted({effect.kind for effect in effects})
    picture = effects_picture(blurred, [healthy()], chosen[:2], GEOMETRY, 0)
    assert picture.shape == (26 + 2 * (192 + 22), 9 * 192, 3)
    tiles = picture[26 + 22 : 26 + 22 + 192]
    middle_grey = (np.abs(tiles[:, 192 * 5 : 192 * 6].astype(int) - 128) <= 1).all(-1).mean()
    assert 0.5 < middle_grey < 1  # nothing changes but for the lesion


def test_a_real_ct_comes_with_its_lungs_in_the_middle_and_without_its_bed(tmp_path) -> None:
    hu = chest(5).hu.copy()
    hu[-1:, :, 6:-6] = 300.0  # a bed
    image = sitk.GetImageFromArray(np.ascontiguousarray(network_to_lps(hu)))
    image.SetSpacing([VOXEL_MM] * 3)
    sitk.WriteImage(sitk.Cast(image, sitk.sitkInt16), str(tmp_path / "ct.nii.gz"))
    found = chest_of_ct(tmp_path / "ct.nii.gz", SIZE, SIDE_MM)
    assert found.hu.shape == found.lungs.shape == (SIZE,) * 3
    assert (found.real, found.voxel_mm) == (True, VOXEL_MM)
    lungs = np.nonzero(found.lungs)
    for axis in lungs:
        assert (axis.min() + axis.max()) / 2 == pytest.approx((SIZE - 1) / 2, abs=1)
    assert found.hu[found.lungs].mean() < -600
    body = np.nonzero(found.hu > -350)[0]
    assert (found.hu[body.max() + 2 :] == -1000).all()
    assert (hu == 300)[-1].any()


def test_only_healthy_patients_of_the_right_size_are_planted_into(tmp_path) -> None:
    patient = chest(0)
    masks = {**patient.masks, "lesion": patient.lesion}
    cases = [Case(name, "procedural", name, "test", label) for name, label in (("a", "tb"), ("b", "healthy"))]
    for case in cases:
        write_ct(tmp_path, case.name, patient.hu, masks)
    cohort = Cohort(tmp_path, tuple(cases))
    assert [one.name for one in chests_of_cohort(cohort, "test", 0, SIZE)] == ["b"]
    with pytest.raises(UnsuitableInput, match=f"simulate patients of {2 * SIZE}"):
        chests_of_cohort(cohort, "test", 0, 2 * SIZE)
    with pytest.raises(UnsuitableInput, match="no healthy training patient"):
        chests_of_cohort(cohort, "training", 0, SIZE)
