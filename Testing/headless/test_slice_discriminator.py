"""The discriminator of slices: what it sees, that it tells a sharp chest from a smeared one, and that a fit resumes."""

import pytest
import torch
import torch.nn.functional as F

from training_command import training
from XrayToCTLib.orientation_check import asymmetric_chest
from XrayToCTTraining.checkpoints import CHECKPOINT
from XrayToCTTraining.model_card import limits_of
from XrayToCTTraining.slice_discriminator import SPACING, SliceDiscriminator

SIZE = 32


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_plane_sees_its_slices_the_radiograph_behind_them_and_two_windows(axis):
    network = SliceDiscriminator((4, 8))
    network.planes = torch.nn.ModuleList(torch.nn.Identity() for _ in range(3))
    radiograph, volume = torch.rand(1, 1, SIZE, SIZE), torch.rand(1, 1, SIZE, SIZE, SIZE)
    seen = network(radiograph, volume)[axis]
    behind = radiograph[0, 0].expand(SIZE, SIZE, SIZE)  # the same in every depth
    hu = 2500 * volume[0, 0] - 1024
    lung, bone = ((hu + 1024) / 1124).clamp(0, 1), ((hu + 124) / 1000).clamp(0, 1)
    expected = 2 * torch.stack([behind, lung, bone], dim=1).movedim(1, 0) - 1
    slices = expected.movedim(1 + axis, 0)
    starts = [first for first in range(SPACING) if torch.allclose(seen, slices[first::SPACING], atol=1e-5)]
    assert len(starts) == 1
    assert len(seen) == SIZE // SPACING


def test_a_smeared_chest_is_told_from_a_sharp_one_after_a_few_steps():
    torch.manual_seed(0)
    network = SliceDiscriminator((16, 32, 32))
    sharp = asymmetric_chest(SIZE).float()
    radiograph = sharp.mean(2)
    smeared = F.avg_pool3d(sharp, 5, stride=1, padding=2)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.99))
    for _ in range(60):
        loss = (network(radiograph, sharp) - 1).square().mean() + network(radiograph, smeared).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        assert network(radiograph, sharp).mean() > network(radiograph, smeared).mean() + 0.2


def test_a_stopped_fit_with_slices_resumes_to_the_same_bits(tmp_path):
    def fit(run: str, *options: object) -> dict:
        pairs = ["--pairs", tmp_path / "pairs", "--run", tmp_path / run, "--epochs", 2, "--induction_epochs", 0]
        training("fit", "reconstruction", "--preset", "test", *pairs, "--discriminator", "slices", *options)
        return torch.load(tmp_path / run / CHECKPOINT, weights_only=True)

    training("simulate", tmp_path / "pairs", "--patients", 6, "--size", SIZE, "--seed", 3)
    whole = fit("whole")
    assert fit("stopped", "--engine.stop_after", 1)["step"] == 1
    resumed = fit("stopped")
    assert whole["step"] == resumed["step"] > 2
    assert whole["model"].keys() == resumed["model"].keys()
    assert all(torch.equal(whole["model"][key], resumed["model"][key]) for key in whole["model"])


def test_the_card_of_a_generator_with_a_discriminator_says_that_sharp_is_not_certain():
    with_one, without = (limits_of("generator", {"weights": {"adversarial": weight}}) for weight in (1.5, 0.0))
    assert any("no more certain" in sentence for sentence in with_one)
    assert len(with_one) == len(without) + 1
