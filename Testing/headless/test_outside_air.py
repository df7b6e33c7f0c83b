"""The air around a patient is told from the air inside, and a veil in it is taken away."""

import numpy as np
import torch

from XrayToCTLib.outside_air import HAZE, outside_air, without_haze

VEIL, LUNG, SOFT = 0.03, 0.04, 0.42  # the lung is as dark as a lung can be: emphysema


def patient() -> np.ndarray:
    """A box of tissue in a veil, with a lung, and a windpipe that ends at the top."""
    volume = np.full((32, 32, 32), VEIL, np.float32)
    volume[8:24, :, 6:26] = SOFT
    volume[12:20, 10:20, 8:14] = LUNG
    volume[15:17, :10, 15:17] = 0.0
    return volume


def test_lungs_and_windpipe_are_not_outside():
    volume = patient()
    outside = outside_air(volume, HAZE)
    assert (outside == (volume == VEIL)).all()


def test_lungs_that_are_cut_off_below_are_not_outside():
    volume = patient()
    volume[12:20, 10:, 8:14] = LUNG
    assert not outside_air(volume, HAZE)[12:20, 10:, 8:14].any()


def test_the_veil_goes_and_everything_else_stays():
    volume = torch.from_numpy(np.stack([patient(), np.ascontiguousarray(patient()[:, ::-1])]))[:, None]
    clear = without_haze(volume)
    assert (clear[volume == VEIL] == 0).all()
    assert torch.equal(clear[volume != VEIL], volume[volume != VEIL])


def test_a_hole_in_the_wall_costs_no_lung_of_usual_density():
    volume = patient()
    volume[volume == LUNG] = 0.08  # -824 HU
    volume[:9, 14, 10] = volume[8:13, 14, 10] = VEIL
    lung = volume == 0.08
    assert (without_haze(torch.from_numpy(volume)[None, None]).numpy()[0, 0][lung] > 0).all()


def test_gradients_pass_where_there_is_tissue_only():
    volume = torch.from_numpy(patient())[None, None].requires_grad_()
    without_haze(volume).sum().backward()
    assert volume.grad is not None
    assert torch.equal(volume.grad[0, 0] == 0, torch.from_numpy(patient() == VEIL))


def test_a_volume_of_nothing_but_air_or_tissue_is_no_trouble():
    assert outside_air(np.zeros((8, 8, 8), np.float32), HAZE).all()
    assert not outside_air(np.ones((8, 8, 8), np.float32), HAZE).any()
