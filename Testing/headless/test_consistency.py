"""Consistency: what a projection lacks is spread along its rays, where there is tissue."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asymmetric_body import asymmetric_body
from XrayToCTLib import consistency
from XrayToCTLib.comparison import compare
from XrayToCTLib.consistency import consistent, spine_column
from XrayToCTLib.finished_generator import FinishedGenerator
from XrayToCTLib.projection import Geometry, hu_from_network, radiograph_from_ct
from XrayToCTLib.volume import network_from_ct

GEOMETRY = Geometry(detector_pixels=(64, 64))


@pytest.fixture(scope="module")
def truth() -> Tensor:
    """(1, 1, 64, 64, 64)"""
    return torch.from_numpy(network_from_ct(asymmetric_body(), 64, 320.0))[None, None]


@pytest.fixture(scope="module")
def guess(truth: Tensor) -> Tensor:
    """The body without its landmarks, in a wrong thickness."""
    smooth = torch.nn.functional.avg_pool3d(truth, 5, 1, 2)
    return torch.cat([smooth[:, :, 8:], torch.zeros_like(smooth[:, :, :8])], 2).clamp_max(0.45)


def agreement(volume: Tensor, radiograph: Tensor, geometry: Geometry = GEOMETRY) -> float:
    projection = radiograph_from_ct(volume, geometry)
    return compare(radiograph[0, 0].numpy(), projection[0, 0].numpy()).ncc


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_every_step_brings_the_projection_closer_to_the_radiograph(truth: Tensor, guess: Tensor, view: str) -> None:
    geometry = replace(GEOMETRY, view=view)
    film = 0.1 + 0.15 * radiograph_from_ct(truth, geometry)
    standings = [agreement(consistent(guess, film, geometry, steps), film, geometry) for steps in range(4)]
    assert standings == sorted(standings)
    assert standings[0] < 0.97 < 0.99 < standings[2]


def test_a_volume_that_agrees_with_the_radiograph_stays_as_it_is(truth: Tensor) -> None:
    film = 0.3 + 0.1 * radiograph_from_ct(truth, GEOMETRY)
    torch.testing.assert_close(consistent(truth, film, GEOMETRY, 3), truth, rtol=0, atol=2e-5)


def test_the_grey_scale_of_the_radiograph_does_not_matter(truth: Tensor, guess: Tensor) -> None:
    film = radiograph_from_ct(truth, GEOMETRY)
    one, other = (consistent(guess, image, GEOMETRY, 2) for image in (film, 0.2 + 0.05 * film))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


def test_air_stays_air_and_what_is_added_to_a_ray_lies_all_along_it(truth: Tensor, guess: Tensor) -> None:
    film = radiograph_from_ct(truth, GEOMETRY)
    change = (consistent(guess, film, GEOMETRY, 1) - guess)[0, 0]
    assert change[guess[0, 0] == 0].abs().max() == 0
    # Where the cube "left" is missing from a ray, its tissue in front and behind grows alike.
    row, column = np.unravel_index(int(change[:, :, 48:56].sum(0).argmax()), (64, 8))
    column += 48
    ray, there = change[:, row, column], guess[0, 0, :, row, column]
    tissue = (there > 0.3) & (hu_from_network(there) < 50)
    front, behind = ray[tissue].chunk(2)
    assert front.mean() == pytest.approx(float(behind.mean()), rel=0.5)
    assert front.mean() > 0


def test_the_spine_is_found_and_takes_no_part(truth: Tensor, guess: Tensor) -> None:
    column = spine_column(truth, GEOMETRY)[0, 0, :, 0]
    depth, across = np.indices((64, 64))
    weight = column / column.sum()
    assert float((weight * torch.from_numpy(depth)).sum()) == pytest.approx((55 + 160) / 5, abs=2)
    assert float((weight * torch.from_numpy(across)).sum()) == pytest.approx(160 / 5, abs=2)
    film = radiograph_from_ct(truth, GEOMETRY)
    change = (consistent(guess, film, GEOMETRY, 2) - guess)[0, 0].abs()
    spine = spine_column(guess, GEOMETRY)[0, 0, :, 0] > 0.99
    assert change.movedim(1, 0)[:, spine].max() < 0.02 * change.max()


def test_what_is_added_fades_out_beyond_the_detector_and_leaves_no_frame() -> None:
    volume = torch.zeros(1, 1, 64, 64, 64)
    volume[:, :, 16:48] = 0.4
    film = radiograph_from_ct(volume, GEOMETRY)
    film[:, :, :, :20] += 0.2
    # In this coronal slice the detector ends with the sixth voxel.
    change = (consistent(volume, film, GEOMETRY, 2) - volume)[0, 0, 40, 32, :6]
    assert 0 < change[0] < change[5]
    assert change.diff().abs().max() < 0.25 * change[5]


def test_bone_moves_less_than_soft_tissue_of_the_same_ray() -> None:
    volume = torch.full((1, 1, 64, 64, 64), 0.4)  # -24 HU
    volume[:, :, 48:56] = 0.9
    film = radiograph_from_ct(volume, GEOMETRY)
    film[:, :, 20:40] += 0.3
    change = (consistent(volume, film, GEOMETRY, 1) - volume)[0, 0, :, 30, 32]
    assert 0 < change[52] < 0.6 * change[20]


def test_a_finished_generator_passes_on_gradients_and_its_configuration(truth: Tensor) -> None:
    class Flat(nn.Module):
        config = "sizes"

        def __init__(self) -> None:
            super().__init__()
            self.density = nn.Parameter(torch.tensor(0.3))

        def forward(self, radiograph: Tensor) -> Tensor:
            return (self.density * radiograph[:, :, None]).expand(-1, -1, 64, -1, -1)

    film = radiograph_from_ct(truth, GEOMETRY)
    film = film / film.max()
    generator = FinishedGenerator(Flat(), GEOMETRY, True, 2)
    volume = generator(film)
    assert generator.config == "sizes"
    assert agreement(volume.detach(), film) > 0.99
    volume.square().sum().backward()
    assert generator.network.density.grad.abs() > 0


def test_the_wall_around_the_lungs_stays_tissue_and_far_from_them_a_film_may_end(monkeypatch) -> None:
    volume = torch.zeros(1, 1, 64, 64, 64)
    volume[:, :, 16:48, :, 4:60] = 0.4
    volume[:, :, 16:48, :, 31:33] = 0.28  # what parts the lungs is thin
    volume[:, :, 22:42, 16:40, 14:28] = volume[:, :, 22:42, 16:40, 36:50] = 0.07
    film = radiograph_from_ct(volume, GEOMETRY)
    film[:, :, 14:44] *= 0.2  # a dark band across the chest
    result = consistent(volume, film, GEOMETRY, 4)
    walls, were = (each[:, :, 16:48, 20:36, 11:53] for each in (result, volume))
    assert walls[were == 0.4].min() == pytest.approx(0.3)
    assert walls[were == 0.28].min() >= 0.27 - 1e-6
    assert (result[volume == 0.07] - 0.07).abs().max() > 0.01  # in the lungs anything may come out
    film = radiograph_from_ct(volume, GEOMETRY)
    film[:, :, 52:58] *= 0.3  # a dark band below the chest
    below = (slice(None), slice(None), slice(20, 44), slice(51, 54), slice(44, 54))
    free = consistent(volume, film, GEOMETRY, 4)[below]
    monkeypatch.setattr(consistency, "_NEAR_LUNGS_MM", 100.0)
    held = consistent(volume, film, GEOMETRY, 4)[below]
    assert free.mean() < 0.25 < 0.3 - 1e-6 <= held.min()
