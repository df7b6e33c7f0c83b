"""A patient's volume seen in another frame: what a radiograph shows of a chest beside the chest.

Volumes are (1, D, H, W) in network values, [0, 1], air 0. The frame changes before the radiograph is made, so that
both stay a pair. A CT's field ends beside the chest, and its patient holds the arms up; a film is wider, and shows
shoulders that slope down under air.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from XrayToCTLib.hounsfield import HU_RANGE
from XrayToCTLib.outside_air import outside_air, widened

_NARROW = 0.2  # how often a scan's field does not reach the skin
_SHORT = 0.4  # and how often the scan ends above the lower side of the volume
_SHOULDERS = 0.8  # how often a film shows shoulders with the arms down
_LUNGS_BEHIND = 80 / 320  # of the volume's side: how far behind its middle the lungs of a patient of full size end
_ARMS = 0.6  # and how often these hang in the picture
_FATTENED = 0.5  # how often a patient is fatter than in the cohort
_AIR, _TISSUE, _FAT, _MUSCLE, _BONE = ((hu + 1024) / HU_RANGE for hu in (-974, -400, -100, 50, 500))
_LUNG_MM = 30.0  # along a ray: so much lung under a pixel is lung


def posed_at_random(volume: Tensor, rng: np.random.Generator, framing: float) -> Tensor:
    """A volume in the frame of a film (probability ``framing``) or in that of a scan.

    A film's is interpolation (:func:`posed`), which blurs, and leaves open how large the patient is. A scan's is the
    cohort's own, which now and then ends before the patient does: :func:`narrowed` (one in five), :func:`shortened`
    (two in five).
    """
    if rng.random() < framing:
        return posed(fattened(volume, rng) if rng.random() < _FATTENED else volume, rng)
    if rng.random() < _NARROW:
        volume = narrowed(volume, rng)
    if rng.random() < _SHORT:
        volume = shortened(volume, rng)
    return volume


def posed(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """A volume seen in a different frame.

    Radiographs are framed as the technician chose: the chest fills 60 to 108 % of what it fills here, up to 5 % off
    the centre sideways and 8 % up or down, turned by up to 3 degrees, and is up to 8 % wider or narrower for its
    height. In depth it is up to 8 % thinner or thicker, and its lungs end where they do in the mean of the cohort:
    how far forward a patient would lie in a scanner nothing in a film tells, and a network that has to guess it
    smears the spine. Beyond the volume's sides the tissue at its edge goes on, as the neck, the arms and the belly
    do, most often :func:`with_shoulders`; in front of and behind it is air.
    """
    size, depth = volume.shape[-1], volume.shape[1]
    scale, angle = rng.uniform(0.6, 1.08), np.deg2rad(rng.uniform(-3, 3))
    wider = np.exp(rng.uniform(-0.08, 0.08))
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    right, down = rng.uniform(-0.1, 0.1), rng.uniform(-0.16, 0.16)  # of half a side
    rows = [[cosine / wider, -sine, right], [sine / wider, cosine, down]]
    theta = torch.tensor([rows], dtype=volume.dtype)
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    edges = _smooth_edges(volume)
    turned = F.grid_sample(edges, grid, align_corners=False, padding_mode="border")[0]  # the depths as channels
    # A matrix of linear interpolation, zero outside.
    thickness = scale * np.exp(rng.uniform(-0.08, 0.08))
    wanted = (torch.arange(depth) - _usual_back(depth, scale)) / thickness + _back_of_lungs(volume)
    weights = (1 - (wanted[:, None] - torch.arange(depth)).abs()).clamp_min(0).to(volume)
    framed = (weights @ turned.flatten(1)).view_as(turned)[None]
    return with_shoulders(framed, rng, scale) if rng.random() < _SHOULDERS else framed


def _usual_back(depth: int, scale: float) -> float:
    """Where the lungs of a patient of that size end behind in the mean, along ``depth`` voxels."""
    return (depth - 1) / 2 + scale * _LUNGS_BEHIND * depth


def _back_of_lungs(volume: Tensor) -> float:
    """Where the lungs end behind, along D in voxels; where most do, if there are none."""
    half = F.avg_pool3d(volume[None], 2)[0, 0].numpy()
    lungs = (half < _TISSUE) & ~outside_air(half, _TISSUE)
    reached = np.cumsum(lungs.sum((1, 2)))
    if not reached[-1]:
        return _usual_back(volume.shape[1], 1.0)
    return 2 * float(np.argmax(reached >= 0.98 * reached[-1])) + 0.5


def _smooth_edges(volume: Tensor) -> Tensor:
    """The volume, blurred along its upper, lower, right and left faces: no stripes shall go on beyond them."""
    result = volume.clone()
    for face in (result[:, :, 0], result[:, :, -1], result[..., 0], result[..., -1]):
        for _ in range(2):
            face.copy_(F.avg_pool2d(face, 9, 1, 4, count_include_pad=False))
    return result


def fattened(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """The volume with more fat under the skin, which a cohort that was warped from one slim patient lacks.

    Up to 15 mm of it all around, up to 30 mm more at the flanks and up to 30 mm more in front of the belly.
    """
    half = F.avg_pool3d(volume[None], 2)
    voxel_mm = 320 / half.shape[-1]
    body = ~outside_air(half[0, 0].numpy(), _TISSUE)
    around, flanks, belly = (round(rng.uniform(0, most) / voxel_mm) for most in (15, 30, 30))
    fatter = widened(body, (around,) * 3) | widened(body, (0, 0, around + flanks))
    lower = half.shape[3] // 2
    fatter[:, lower:] |= widened(body, (around + belly, 0, 0))[:, lower:]
    whole, inside = (
        F.interpolate(torch.from_numpy(mask).float()[None, None], volume.shape[1:], mode="trilinear")[0]
        for mask in (fatter, body)
    )
    is_fat = (whole > 0.5) & (inside < 0.5) & (volume < _FAT)
    return torch.where(is_fat, torch.full_like(volume, _FAT), volume)


def with_shoulders(volume: Tensor, rng: np.random.Generator, scale: float) -> Tensor:
    """The volume with air above shoulders that slope down from the neck, and often with arms; lungs are left whole.

    ``scale``: how large the patient is, as a multiple of a patient whose volume has a side of 320 mm.
    """
    _, _, height, width = volume.shape
    pixels = scale * width / 320  # of a millimetre of the patient's
    lungs = _lung_columns(volume)
    if not lungs.any():
        return volume
    across, down = torch.arange(width, dtype=torch.float32), torch.arange(height, dtype=torch.float32)
    columns, rows = across[lungs.any(0)], down[lungs.any(1)]
    middle, apex = float(columns.min() + columns.max()) / 2, float(rows.min())
    neck, beginning, slope = rng.uniform(45, 75) * pixels, rng.uniform(-35, 15) * pixels, rng.uniform(0.15, 0.6)
    from_neck = ((across - middle).abs() - neck).clamp_min(0)
    line = torch.where(from_neck > 0, apex + beginning + slope * from_neck, -1.0)  # the shoulders' upper edge
    tops = torch.where(lungs.any(0), lungs.float().argmax(0) - 10 * pixels, float(height))
    reach = max(1, round(12 * pixels))
    highest = -F.max_pool1d(-tops[None], 2 * reach + 1, 1, reach)[0]
    # Rounded from front to back, so that the shadow fades towards its edge.
    from_middle = torch.linspace(-1, 1, volume.shape[1])[:, None, None]
    line = torch.where(from_neck > 0, line + rng.uniform(30, 90) * pixels * from_middle**2, line)
    line = torch.minimum(line, highest)
    volume = volume * (down[:, None] - line + 0.5).clamp(0, 1)
    return _with_arms(volume, rng, pixels, middle, apex) if rng.random() < _ARMS else volume


def _with_arms(volume: Tensor, rng: np.random.Generator, pixels: float, middle: float, apex: float) -> Tensor:
    """Two arms that hang beside the chest: tapering cylinders of muscle around a bone, under a layer of fat."""
    depth, height, width = volume.shape[1:]
    behind = (torch.arange(depth, dtype=torch.float32) - rng.uniform(0.45, 0.6) * depth)[:, None, None]
    down = torch.arange(height, dtype=torch.float32)[None, :, None]
    along = (down - apex - rng.uniform(0, 25) * pixels).clamp_min(0)
    for side in (-1, 1):
        radius = (rng.uniform(38, 58) * pixels - 0.06 * along).clamp_min(20 * pixels)
        centre = middle + side * (rng.uniform(150, 190) * pixels + rng.uniform(0, 0.25) * along)
        across = torch.arange(width, dtype=torch.float32)[None, None, :] - centre
        from_bone = torch.hypot(behind, across) + 1e3 * (down < apex + 15 * pixels)
        arm = torch.where(from_bone < radius - 8 * pixels, _MUSCLE, _FAT)
        arm = torch.where(from_bone < 11 * pixels, _BONE, arm)
        volume = torch.where((from_bone < radius)[None] & (volume < _AIR), arm[None], volume)
    return volume


def _lung_columns(volume: Tensor) -> Tensor:
    """Under which pixels of a frontal view there is lung between tissue, (H, W)."""
    depth = volume.shape[1]
    tissue = (volume[0] > _TISSUE).float()
    before, beyond = tissue.cumsum(0), tissue.flip(0).cumsum(0).flip(0)
    lung = ((tissue == 0) & (before > 1) & (beyond > 1)).float().sum(0)
    is_lung = (lung > _LUNG_MM * depth / 320).float()
    return F.avg_pool2d(is_lung[None], 5, 1, 2)[0] > 0.7  # no streaks


def narrowed(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """A volume whose sides are air from 64 to 94 % of the way out, as where a scan's field was narrow."""
    half = volume.shape[-1] / 2
    right, left = (round(half * rng.uniform(0.06, 0.36)) for _ in range(2))
    result = torch.zeros_like(volume)
    result[..., right : volume.shape[-1] - left] = volume[..., right : volume.shape[-1] - left]
    return result


def shortened(volume: Tensor, rng: np.random.Generator) -> Tensor:
    """A volume that is air from 70 to 97 % of the way down: many scans are shorter than the volume, and X2CT's
    preparation keeps their top."""
    result = torch.zeros_like(volume)
    kept = round(volume.shape[2] * rng.uniform(0.7, 0.97))
    result[:, :, :kept] = volume[:, :, :kept]
    return result
