"""Every loss against NumPy in float64, and what it must and must not depend on."""

import numpy as np
import pytest
import torch

from XrayToCTLib.comparison import band_passed_ncc, details_mm
from XrayToCTLib.orientation_check import asymmetric_chest
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.shape_induction import anchor_loss, details_loss, shape_induction_loss
from XrayToCTTraining.discriminator import Discriminator, DiscriminatorConfig
from XrayToCTTraining.losses import (
    LossWeights,
    discriminator_loss,
    generator_adversarial_loss,
    projection_loss,
    regression_losses,
    slice_similarity,
)
from XrayToCTTraining.reconstruction import linear_decay

RNG = np.random.default_rng(0)
P, T = RNG.random((2, 1, 4, 5, 6)), RNG.random((2, 1, 4, 5, 6))
REAL, FAKE = RNG.standard_normal((2, 1, 3, 3, 3)), RNG.standard_normal((2, 1, 3, 3, 3))


def test_regression_losses_are_their_definitions():
    losses = regression_losses(torch.from_numpy(P), torch.from_numpy(T), LossWeights())
    projections = [np.abs(P.mean(axis) - T.mean(axis)).mean() for axis in (2, 3, 4)]
    assert losses["reconstruction"].item() == pytest.approx(((P - T) ** 2).mean(), rel=1e-12)
    assert losses["projection"].item() == pytest.approx(np.mean(projections), rel=1e-12)
    assert losses["absolute"].item() == pytest.approx(np.abs(P - T).mean(), rel=1e-12)


@pytest.mark.parametrize("axis", [2, 3, 4])
def test_slice_similarity_is_its_definition_on_every_second_slice(axis):
    p, t = RNG.random((2, 1, 9, 10, 11)), RNG.random((2, 1, 9, 10, 11))
    scores = []
    for case in range(2):
        for i in range(1, p.shape[axis], 2):
            x, y = (np.take(v[case, 0], i, axis - 2) for v in (p, t))
            windows = [np.lib.stride_tricks.sliding_window_view(v, (7, 7)).reshape(-1, 49) for v in (x, y)]
            for a, b in zip(*windows, strict=True):
                covariance = (a * b).mean() - a.mean() * b.mean()
                score = (2 * a.mean() * b.mean() + 1e-4) * (2 * covariance + 9e-4)
                scores.append(score / ((a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (a.var() + b.var() + 9e-4)))
    found = slice_similarity(torch.from_numpy(p), torch.from_numpy(t), axis, start=1)
    assert found.item() == pytest.approx(np.mean(scores), rel=1e-9)


def test_similarity_is_a_loss_where_it_has_a_weight():
    volume = torch.rand(1, 1, 8, 8, 8)
    assert "similarity" not in regression_losses(volume, volume, LossWeights())
    assert regression_losses(volume, volume, LossWeights(similarity=1.0))["similarity"].item() == pytest.approx(
        0, abs=1e-5
    )
    other = torch.rand(1, 1, 8, 8, 8)
    assert regression_losses(other, volume, LossWeights(similarity=1.0))["similarity"] > 0.3


def test_details_loss_is_what_the_figure_of_details_lacks_of_one():
    geometry = Geometry(detector_pixels=(32, 40))
    volume, radiograph = (
        torch.rand(2, 1, 16, 16, 16, dtype=torch.float64),
        torch.rand(2, 1, 32, 40, dtype=torch.float64),
    )
    projections = radiograph_from_ct(volume, geometry).numpy()
    pixel_mm = geometry.pixel_at_isocentre_mm
    ncc = [
        band_passed_ncc(x[0], y[0], pixel_mm, *details_mm(pixel_mm))
        for x, y in zip(radiograph.numpy(), projections, strict=True)
    ]
    assert details_loss(volume, radiograph, geometry).item() == pytest.approx(1 - np.mean(ncc), abs=1e-9)
    assert details_loss(volume, radiograph * 3 + 7, geometry).item() == pytest.approx(1 - np.mean(ncc), abs=1e-9)


def test_the_anchor_is_far_dearer_where_air_becomes_tissue_or_tissue_bone_than_for_as_large_a_change_within_one():
    def cost(before_hu: float, change_hu: float) -> float:
        before = torch.full((1, 1, 4, 4, 4), (before_hu + 1024) / 2500, dtype=torch.float64)
        return float(anchor_loss(before + change_hu / 2500, before))

    # by the formula: squared difference of values, and a tenth of that of two logistic curves
    curve = [1 / (1 + np.exp(-(hu - border) / 75)) for border in (-375, 150) for hu in (-500, -300)]
    expected = (200 / 2500) ** 2 + 0.1 * ((curve[1] - curve[0]) ** 2 + (curve[3] - curve[2]) ** 2)
    assert cost(-500, 200) == pytest.approx(expected)
    assert cost(0, 0) == 0
    assert cost(-500, 200) > 4 * cost(-950, 200)
    assert cost(60, 200) > 4 * cost(500, 200)


def test_projection_loss_does_not_see_what_cancels_along_all_three_axes():
    """+1 and -1 on the corners of a box in checkerboard order leave every mean projection as it was."""
    volume = torch.full((1, 1, 4, 4, 4), 2.0)
    changed = volume.clone()
    for d, h, w in np.ndindex(2, 2, 2):
        changed[0, 0, d, h, w] += (-1) ** (d + h + w)
    assert projection_loss(changed, volume).item() == pytest.approx(0, abs=1e-7)
    assert regression_losses(changed, volume, LossWeights())["reconstruction"].item() == pytest.approx(8 / 64)


@pytest.mark.parametrize(("form", "generator_factor", "discriminator_factor"), [("paper", 0.5, 0.5), ("x2ct", 1, 0.1)])
def test_adversarial_losses_are_least_squares_in_either_form(form, generator_factor, discriminator_factor):
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    expected = discriminator_factor * (((REAL - 1) ** 2).mean() + (FAKE**2).mean())
    assert discriminator_loss(real, fake, form).item() == pytest.approx(expected, rel=1e-12)
    expected = generator_factor * ((FAKE - 1) ** 2).mean()
    assert generator_adversarial_loss(fake, form).item() == pytest.approx(expected, rel=1e-12)


def test_shape_induction_with_the_mean_projection_is_its_definition():
    x = RNG.random((2, 1, 5, 6))
    projected = P.mean(2)

    def unit(a: np.ndarray) -> np.ndarray:
        low, high = a.min((2, 3), keepdims=True), a.max((2, 3), keepdims=True)
        return (a - low) / (high - low)

    expected = {"min-max": ((unit(projected) - unit(x)) ** 2).mean(), "none": ((projected - x) ** 2).mean()}
    residuals = []
    for p, target in zip(projected.reshape(2, -1), x.reshape(2, -1), strict=True):
        fit = np.polyfit(p, target, 1)
        residuals.append((np.polyval(fit, p) - target) ** 2)
    expected["affine"] = np.mean(residuals)
    for name, value in expected.items():
        loss = shape_induction_loss(torch.from_numpy(P), torch.from_numpy(x), Geometry(), "mean", name)
        assert loss.item() == pytest.approx(value, rel=1e-9), name


def test_matched_shape_induction_compares_with_the_cone_beam_radiograph():
    """Zero for the radiograph of the very volume, and not for that of its mirror image."""
    geometry = Geometry(detector_pixels=(32, 32))
    volume = asymmetric_chest(32).double()
    radiograph = radiograph_from_ct(volume, geometry)
    assert shape_induction_loss(volume, radiograph, geometry).item() == pytest.approx(0, abs=1e-12)
    assert shape_induction_loss(volume.flip(4), radiograph, geometry).item() > 1e-3


def test_shape_induction_needs_no_ct_and_sends_nothing_through_the_discriminator(monkeypatch):
    """A step of stage 2 on radiographs: the generator moves, the discriminator neither runs nor gets gradients."""
    recipe = _recipe()
    batch = {"radiograph": torch.rand(1, 1, 32, 32)}
    monkeypatch.setattr(recipe.discriminator, "forward", lambda *_: pytest.fail("D was asked"))
    volume = recipe.generator(batch["radiograph"])
    (loss,) = recipe._generator_losses(volume, batch).values()
    loss.backward()
    assert all(parameter.grad is None for parameter in recipe.discriminator.parameters())
    assert sum(p.grad.abs().sum() for p in recipe.generator.parameters() if p.grad is not None) > 0


def test_the_discriminator_sees_the_radiograph_first_and_in_the_volumes_orientation():
    """A first kernel that reads only channel 0 sees only the radiograph, as it lies in the coronal plane (H, W)."""
    discriminator = Discriminator(DiscriminatorConfig((1, 1)))
    first = discriminator.layers[0]
    radiograph = torch.rand(1, 1, 16, 12, generator=torch.manual_seed(0))
    volume = torch.rand(1, 1, 16, 16, 12)
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[0, 0, 2, 2, 2] = 1  # kernel 4, stride 2, padding 2: the voxel (2i, 2j, 2k)
        seen: list[torch.Tensor] = []
        first.register_forward_hook(lambda module, inputs, output: seen.append(output))
        discriminator(radiograph, volume)
        first.weight.zero_()
        first.weight[0, 1, 2, 2, 2] = 1
        discriminator(radiograph, volume)
    of_radiograph, of_volume = (values[0, 0][:8, :8, :6] for values in seen)
    for depth in range(8):
        assert torch.equal(of_radiograph[depth], radiograph[0, 0, ::2, ::2])
    assert torch.equal(of_volume, volume[0, 0, ::2, ::2, ::2])


def test_the_learning_rate_follows_the_published_schedule():
    """Constant for 50 epochs of 50 + 50, and 3.5e-5 of 2e-4 once epoch 90 is over."""
    assert [linear_decay(epoch, 50, 50) for epoch in (0, 48)] == [1, 1]
    assert 2e-4 * linear_decay(90, 50, 50) == pytest.approx(3.5e-5, rel=0.01)
    assert linear_decay(99, 50, 50) == pytest.approx(0, abs=1e-12)


def _recipe():
    """The test configuration on a cohort without files: nothing is read before a step."""
    from pathlib import Path

    from XrayToCTTraining.data.cohort import Case, Cohort
    from XrayToCTTraining.losses import LossWeights
    from XrayToCTTraining.reconstruction import Reconstruction, ReconstructionFit

    cohort = Cohort(Path("nowhere"), (Case("a", "procedural", "a", "training"),))
    settings = ReconstructionFit(
        generator="test", discriminator_filters=(4, 8), epochs=1, induction_epochs=1, weights=LossWeights()
    )
    return Reconstruction(cohort, cohort, settings)
