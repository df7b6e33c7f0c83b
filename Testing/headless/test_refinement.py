"""Refinement on one radiograph is kept only where it does good and no harm."""

from dataclasses import replace

import pytest
import torch

import XrayToCTLib.refinement as refinement
from XrayToCTLib.compact_generator import CompactConfig, CompactGenerator
from XrayToCTLib.orientation_check import asymmetric_chest
from XrayToCTLib.projection import Geometry, radiograph_from_ct
from XrayToCTLib.refinement import refine

SIDE = 32
GEOMETRY = Geometry(detector_pixels=(SIDE, SIDE))
CHEST = asymmetric_chest(SIDE).float()
RADIOGRAPH = radiograph_from_ct(CHEST, GEOMETRY) / radiograph_from_ct(CHEST, GEOMETRY).max()


@pytest.fixture(scope="module")
def generator() -> CompactGenerator:
    """Fitted for a moment to one chest, so that there is something to refine."""
    torch.manual_seed(0)
    network = CompactGenerator(CompactConfig("compact", SIDE, (8, 16, 24), (1, 1, 1), (8, 16), (1, 1)))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(30):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(network(RADIOGRAPH), CHEST).backward()
        optimiser.step()
    return network.eval()


def test_a_refined_volume_projects_more_like_the_radiograph_and_the_network_is_untouched(generator):
    weights = {name: value.clone() for name, value in generator.state_dict().items()}
    with torch.no_grad():
        original = generator(RADIOGRAPH)
    result = refine(generator, RADIOGRAPH, GEOMETRY, 12)
    assert result.accepted
    assert result.after.ncc > result.before.ncc
    assert result.after.checks_passed >= result.before.checks_passed
    assert not torch.equal(result.volume, original)
    assert all(torch.equal(value, weights[name]) for name, value in generator.state_dict().items())


def checks_passed(monkeypatch: pytest.MonkeyPatch, counts: list[int]) -> None:
    """From now on a volume passes so many checks, one number after another: before refinement, then at each look."""
    standing, left = refinement._standing, iter(counts)
    monkeypatch.setattr(refinement, "_standing", lambda *given: replace(standing(*given), checks_passed=next(left)))


def test_where_a_check_is_lost_the_volume_from_before_is_kept(generator, monkeypatch):
    checks_passed(monkeypatch, [7, 6, 5, 6, 6])
    with torch.no_grad():
        original = generator(RADIOGRAPH)
    result = refine(generator, RADIOGRAPH, GEOMETRY, 8)
    assert not result.accepted
    assert torch.equal(result.volume, original)
    assert result.after == result.before


def test_the_best_harmless_step_of_the_way_is_kept_not_the_last(generator, monkeypatch):
    checks_passed(monkeypatch, [6, 6, 7, 5, 5])
    assert refine(generator, RADIOGRAPH, GEOMETRY, 8).after.steps == 4


def test_progress_counts_up_and_may_cancel(generator):
    seen = []

    def note(fraction: float) -> None:
        seen.append(fraction)
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine(generator, RADIOGRAPH, GEOMETRY, 4, note)
    assert seen == [0, 0.25, 0.5]
