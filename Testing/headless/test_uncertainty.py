"""Spread of a generator's volumes under small changes, and its calibration where the truth is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from XrayToCTLib.finished_generator import FinishedGenerator
from XrayToCTLib.projection import Geometry
from XrayToCTLib.uncertainty import Calibration, calibration_of, volume_spread
from XrayToCTTraining.calibration import Sample, fit_calibration, reliability

SIDE = 32


class Extruder(nn.Module):
    """The radiograph repeated along depth, times a gain: it moves with the radiograph, and has dropout if asked."""

    def __init__(self, dropout: float = 0.0, gain: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, radiograph: Tensor) -> Tensor:
        return self.dropout((self.gain * radiograph)[:, :, None].expand(-1, -1, SIDE, -1, -1).contiguous())


@pytest.fixture
def radiograph() -> Tensor:
    rows = torch.linspace(0, 1, SIDE)
    return (0.5 + 0.3 * torch.sin(3 * rows)[:, None] * torch.cos(4 * rows))[None, None]


def test_a_network_that_ignores_the_radiograph_is_certain(radiograph):
    class Constant(Extruder):
        def forward(self, radiograph: Tensor) -> Tensor:
            return torch.full((1, 1, SIDE, SIDE, SIDE), 0.4) * self.gain

    assert volume_spread(Constant(), radiograph, 4).max() < 1e-2


def test_the_spread_of_dropout_is_that_of_its_formula():
    # values g / (1 - p) with probability 1 - p, else 0: standard deviation g sqrt(p / (1 - p))
    flat = torch.full((1, 1, SIDE, SIDE), 1.0)
    spread = volume_spread(Extruder(dropout=0.2, gain=0.4), flat, 24)
    inside = spread[:, 8:-8, 8:-8]
    # bringing a volume back interpolates between neighbours that were dropped apart, which lowers the spread
    assert 0.35 * 1000 * np.sqrt(0.25) < np.sqrt((inside**2).mean()) < 1.02 * 1000 * np.sqrt(0.25)


def test_a_volume_that_moves_with_its_radiograph_is_brought_back(radiograph):
    step = torch.zeros(1, 1, SIDE, SIDE)
    step[..., SIDE // 2 :] = 1
    spread = volume_spread(Extruder(), step, 16)
    # grey values vary by gamma and noise; only the edge may vary more, by what interpolation leaves
    assert spread[:, 8:-8, 12:-8].max() < 0.25 * 0.5 * 2500
    assert spread[:, 8:-8, 2:10].max() < 60


def test_the_network_is_as_it_was_and_the_map_repeats(radiograph):
    network = Extruder(dropout=0.3).eval()
    before = torch.random.get_rng_state()
    one, two = (volume_spread(network, radiograph, 3, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, volume_spread(network, radiograph, 3, seed=6))
    assert not network.training
    assert torch.equal(before, torch.random.get_rng_state())
    with pytest.raises(ValueError, match="two samples"):
        volume_spread(network, radiograph, 1)


def test_a_part_that_did_not_train_does_not_train_afterwards(radiograph):
    around = nn.Sequential(Extruder(dropout=0.3).eval())  # itself new, and so in training mode
    volume_spread(around, radiograph, 2)
    assert [module.training for module in (around, around[0], around[0].dropout)] == [True, False, False]
    finished = FinishedGenerator(
        Extruder().eval(), Geometry(detector_pixels=(SIDE, SIDE)), clear_air=False, consistency=0
    )
    assert not finished.training


def test_progress_may_cancel(radiograph):
    def stop(fraction: float) -> None:
        if fraction > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        volume_spread(Extruder(), radiograph, 4, progress=stop)


def test_a_calibration_interpolates_and_stays_constant_outside():
    calibration = Calibration((10, 20, 40), (50, 100, 100))
    np.testing.assert_allclose(calibration(np.array([0, 10, 15, 30, 99])), [50, 50, 75, 100, 100])


@pytest.mark.parametrize(
    "knots", [((1,), (1,)), ((1, 2), (2, 1)), ((2, 1), (1, 2)), ((1, 2), (1,)), ((1, np.nan), (1, 2))]
)
def test_an_unusable_calibration_is_refused(knots):
    with pytest.raises(ValueError, match="knots"):
        Calibration(*knots)
    assert calibration_of({"uncertainty": {"spread_hu": knots[0], "error_hu": knots[1]}}) is None


@pytest.mark.parametrize("metadata", [{}, {"uncertainty": 3}, {"uncertainty": {"spread_hu": "ab", "error_hu": [1, 2]}}])
def test_metadata_without_a_calibration_give_none(metadata):
    assert calibration_of(metadata) is None


def _voxels(rng: np.random.Generator, factor: float) -> Sample:
    spread = rng.gamma(2, 30, 20000)
    return Sample(spread, rng.normal(0, 1, spread.size) * (20 + factor * spread))


def test_a_calibration_finds_the_error_that_was_put_in():
    rng = np.random.default_rng(1)
    calibration = fit_calibration([_voxels(rng, 3) for _ in range(4)])
    # between the 5th and the 95th percentile of that gamma distribution: 21 and 142
    for spread in (25, 60, 120):
        assert calibration(np.array([spread]))[0] == pytest.approx(20 + 3 * spread, rel=0.08)
    found = reliability([_voxels(rng, 3) for _ in range(4)], calibration)
    assert found.gap < 0.05
    assert found.within_one == pytest.approx(0.68, abs=0.03)
    assert found.within_two == pytest.approx(0.95, abs=0.02)
    assert 0.3 < found.spearman < 0.7


def test_a_wrong_calibration_is_seen():
    rng = np.random.default_rng(2)
    halved = Calibration((0, 300), (10, 460))  # of 20 + 3 s
    found = reliability([_voxels(rng, 3)], halved)
    assert found.gap > 0.3
    assert found.within_one < 0.5
