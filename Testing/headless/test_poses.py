"""Frames of a volume: films show more than scans, and bodies that the cohort lacks; lungs, heart and side stay."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from XrayToCTTraining.data import poses
from XrayToCTTraining.data.poses import fattened, narrowed, posed, posed_at_random, shortened, with_shoulders

FAT, MUSCLE = (924 / 2500), (1074 / 2500)
SIZE, VOXEL_MM = 64, 5


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def chest() -> torch.Tensor:
    """A box of muscle with two boxes of lung, the right one larger, and air all around but above and below."""
    volume = torch.zeros(1, SIZE, SIZE, SIZE)
    volume[:, 16:48, :, 10:54] = MUSCLE
    volume[:, 22:42, 16:50, 13:28] = 0.08
    volume[:, 22:42, 16:44, 36:50] = 0.08
    return volume


def lungs(volume: torch.Tensor) -> np.ndarray:
    return ((volume > 0.05) & (volume < 0.15))[0].numpy()


def test_a_pose_scales_and_turns_about_the_centre_by_what_it_drew(monkeypatch):
    monkeypatch.setattr(poses, "_SHOULDERS", 0)
    volume = torch.zeros(1, 64, 64, 64)
    volume[:, 8:12, 30:34, 30:34] = 1  # on the axis, in front
    volume[:, 30:34, 30:34, 12:16] = 1  # beside it
    for seed in range(5):
        rng = generator(seed)
        scale, angle, wider = rng.uniform(0.6, 1.08), rng.uniform(-3, 3), np.exp(rng.uniform(-0.08, 0.08))
        rng.uniform(-0.1, 0.1), rng.uniform(-0.16, 0.16)
        thickness = scale * np.exp(rng.uniform(-0.08, 0.08))
        moved = posed(volume, generator(seed))[0].numpy()
        pieces, _ = ndimage.label(moved > 0.02)
        front, side = (np.array(centre) for centre in ndimage.center_of_mass(moved, pieces, (1, 2)))
        across = side - front
        assert np.hypot(*across[1:]) == pytest.approx(18 * scale * wider, abs=0.6)
        assert np.rad2deg(np.arctan2(across[1], -across[2])) == pytest.approx(angle, abs=1.2)
        assert across[0] == pytest.approx(22 * thickness, abs=0.8)


def test_the_lungs_of_a_film_end_where_those_of_its_size_do_however_far_forward_the_patient_lay(chest, monkeypatch):
    monkeypatch.setattr(poses, "_SHOULDERS", 0)
    for seed in range(6):
        scale = generator(seed).uniform(0.6, 1.08)
        for shift in (-10, 0, 8):  # voxels of 5 mm
            framed = posed(torch.roll(chest, shift, 1), generator(seed))
            back = np.nonzero(ndimage.binary_opening(lungs(framed), iterations=2))[0].max()  # without the skin
            assert back == pytest.approx(31.5 + scale * 16, abs=1.6)


def test_what_goes_on_beyond_the_volume_is_smooth():
    volume = torch.zeros(1, 64, 64, 64)
    volume[:, 20:44] = MUSCLE
    volume[:, 20:44, :, 31] = 0.9  # a plate of bone that reaches the lower side
    framed = next(
        v for v in (posed(volume, generator(seed)) for seed in range(50)) if float((v > FAT).float().mean()) > 0.15
    )
    assert framed[:, :, 30:34].max() > 0.6
    assert framed[:, :, -1].max() < 0.55


def test_shoulders_fall_from_the_neck_and_leave_the_lungs_whole(chest, monkeypatch):
    monkeypatch.setattr(poses, "_ARMS", 0)
    wide = chest.clone()
    wide[:, 16:48, :, :10] = wide[:, 16:48, :, 54:] = MUSCLE  # up to the sides
    for seed in range(8):
        carved = with_shoulders(wide, generator(seed), 1.0)
        assert (carved[0].numpy() == wide[0].numpy())[lungs(wide)].all()
        top = (carved[0, 32] > 0).float().argmax(0)  # of the patient, in each column
        assert top[31] == 0  # the neck goes on
        assert (top[:5] >= top[10:15] - 1).all()
        assert top[0] > 5
        assert top[63] > 5
        assert (carved[:, 32, 55:] > 0).all()


def test_arms_hang_on_both_sides_where_there_was_air(chest, monkeypatch):
    monkeypatch.setattr(poses, "_ARMS", 1)
    for seed in range(8):
        volume = with_shoulders(chest, generator(seed), 0.8)
        monkeypatch.setattr(poses, "_ARMS", 0)
        without = with_shoulders(chest, generator(seed), 0.8)
        monkeypatch.setattr(poses, "_ARMS", 1)
        added = (volume - without)[0].numpy()
        assert added.min() >= -1e-6
        sides = added.sum((0, 1))
        assert sides[:16].sum() > 0
        assert sides[48:].sum() > 0
        assert added[:, :12].sum() == 0  # nothing above the lungs
        assert (volume == without)[0].numpy()[lungs(chest)].all()


def test_fat_lies_around_the_body_and_nowhere_else(chest):
    body = chest > 0
    grew = []
    for seed in range(8):
        fatter = fattened(chest, generator(seed))
        added = (fatter != chest)[0].numpy()
        assert (fatter[body] == chest[body]).all()
        assert (lungs(fatter) == lungs(chest)).all()
        if added.any():
            assert fatter[0].numpy()[added] == pytest.approx(FAT)
            assert ndimage.distance_transform_edt(~body[0].numpy())[added].max() * VOXEL_MM < 90
        grew.append(added.mean())
    assert max(grew) > 0.1
    assert min(grew) < 0.08


def test_a_shortened_volume_is_air_below_and_unchanged_above():
    volume = torch.ones(1, 16, 64, 16)
    for seed in range(5):
        short = shortened(volume, generator(seed))
        kept = int(short[0, 0, :, 0].sum())
        assert 0.7 * 64 - 1 <= kept <= 0.97 * 64 + 1
        assert short[:, :, :kept].min() == 1
        assert short[:, :, kept:].max() == 0


def test_a_narrowed_volume_is_air_at_both_sides_and_unchanged_between():
    volume = torch.ones(1, 16, 16, 64)
    for seed in range(5):
        across = narrowed(volume, generator(seed))[0, 0, 0]
        assert across[0] == across[-1] == 0
        assert across.diff().abs().sum() == 2
        assert 0.64 * 64 - 1 <= float(across.sum()) <= 0.94 * 64 + 1


def test_no_pose_leaves_the_range_and_the_same_seed_gives_the_same(chest):
    for seed in range(12):
        one, again = (posed_at_random(chest, generator(seed), 0.7) for _ in range(2))
        assert torch.equal(one, again)
        assert one.shape == chest.shape
        assert one.min() >= 0
        assert one.max() <= 1
    assert torch.equal(chest[:, 16:48, 5, 31], torch.full((1, 32), MUSCLE))  # what was given is left as it was
