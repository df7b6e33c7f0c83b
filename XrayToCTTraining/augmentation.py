"""Augmentations of the classifiers' training data."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def shifted(volume: Tensor, rng: np.random.Generator, limit: int) -> Tensor:
    """A volume (1, D, H, W) moved by up to ``limit`` voxels along each axis; air comes in where it leaves room."""
    padded = F.pad(volume, (limit,) * 6)
    for axis, first in enumerate(rng.integers(0, 2 * limit + 1, 3)):
        padded = padded.narrow(1 + axis, int(first), volume.shape[1 + axis])
    return padded


def erased(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A copy of an image (1, H, W) with noise in one rectangle of 2 to 33 % of its area (Zhong et al. 2020)."""
    height, width = image.shape[1:]
    area, ratio = rng.uniform(0.02, 0.33) * height * width, np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    rows, columns = (
        int(np.clip(round(side), 1, limit))
        for side, limit in ((np.sqrt(area * ratio), height), (np.sqrt(area / ratio), width))
    )
    top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
    image = image.clone()
    image[:, top : top + rows, left : left + columns] = torch.from_numpy(rng.random((rows, columns), np.float32))
    return image


def cut_and_mix(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """CutMix (Yun et al. 2019) of a batch: a rectangle of each radiograph comes from another case.

    Targets and findings are mixed by the share of the area; a case's findings are known where those of both are. Where
    shadows lie is not known any more.
    """
    images = batch["radiograph"]
    height, width = images.shape[2:]
    other = torch.randperm(len(images)).to(images.device)
    side = float(torch.rand(())) ** 0.5  # of the rectangle, so that its area is uniform: Beta(1, 1)
    rows, columns = round(height * side), round(width * side)
    top, left = (int(torch.randint(0, free + 1, ())) for free in (height - rows, width - columns))
    share = rows * columns / (height * width)
    mixed = images.clone()
    mixed[:, :, top : top + rows, left : left + columns] = images[other][:, :, top : top + rows, left : left + columns]
    result = {**batch, "radiograph": mixed, "known": batch["known"] * batch["known"][other]}
    for name in ("target", "findings"):
        result[name] = (1 - share) * batch[name] + share * batch[name][other]
    if "shadows_known" in batch:
        result["shadows_known"] = torch.zeros_like(batch["shadows_known"])
    return result
