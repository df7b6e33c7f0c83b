"""Where in a volume the CT classifier's evidence for a class or a finding lies.

Grad-CAM (Selvaraju et al. 2017) with the gradient taken voxel by voxel rather than as its mean over the volume, as in
HiResCAM (Draelos and Carin 2020, arXiv 2011.08891): on the last block, whose values are averaged, both are the same; on
an earlier one, only this map adds up what the network did. The last block of a small network has two voxels a side,
which is no map of a chest, so the deepest block with enough of them is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from XrayToCTLib.classifier import CTClassifier, checked_input, classifier_input

_CELLS = 6  # voxels of a block along each axis that make a map


def saliency_maps(model: CTClassifier, volume: Tensor, outputs: Sequence[int]) -> Tensor:
    """Where the evidence for each output lies.

    Args:
        model: in evaluation mode.
        volume: (1, 1, D, H, W) in [0, 1].
        outputs: indices into the model's classes, followed by its findings.

    Returns:
        (outputs, D, H, W), 0 where nothing speaks for the output and outside the slices that the network sees; not
        scaled: see :func:`scaled`.

    Raises:
        UnsuitableInput: the volume is too small for the network.
    """
    with torch.no_grad():
        own = checked_input(model, volume)
        features, block = _features(model, own)
    with torch.enable_grad():
        features.requires_grad_(True)
        values = features
        for later in model.blocks[block + 1 :]:
            values = later(values)
        hidden = model.pooled(values)
        scores = torch.cat([head(hidden) for head in (model.output, model.findings) if head is not None], dim=1)[0]
        gradients = [torch.autograd.grad(scores[index], features, retain_graph=True)[0] for index in outputs]
    features = features.detach()
    evidence = torch.cat([functional.relu((gradient * features).sum(1)) for gradient in gradients])
    pooling, step = model.config.input_pooling, 2 ** (block + 1)
    # a block's voxel p sees the voxels 2p to 2p + 3 of the block before, and a pooled voxel as many as are pooled
    first = pooling * 1.5 * (step - 1) + (pooling - 1) / 2
    for axis in (1, 2, 3):
        evidence = _placed(evidence, axis, first, pooling * step, own.shape[axis + 1])
    # selecting slices and permuting axes is linear, and its adjoint puts every value back where it came from
    with torch.enable_grad():
        place = torch.zeros((len(outputs), *volume.shape[1:]), device=volume.device, requires_grad=True)
        # as a sum, and not by grad_outputs, for which PyTorch would load a symbolic algebra first: a second
        (placed,) = torch.autograd.grad((classifier_input(model.config, place) * evidence[:, None]).sum(), place)
    return placed[:, 0]


def scaled(values: Tensor) -> Tensor:
    """A map with a maximum of 1; one without any evidence stays 0."""
    return values / values.max().clamp_min(1e-12)


def _features(model: CTClassifier, own: Tensor) -> tuple[Tensor, int]:
    """Values of the deepest block with enough voxels, of the first where none has, and its number."""
    pooling = model.config.input_pooling
    values = functional.avg_pool3d(own, pooling) if pooling > 1 else own
    values = model.blocks[0](values, in_slabs=True)
    for number, block in enumerate(model.blocks[1:], start=1):
        if min((side - 2) // 2 for side in values.shape[2:]) < _CELLS:
            return values, number - 1
        values = block(values, in_slabs=True)
    return values, len(model.blocks) - 1


def _placed(values: Tensor, axis: int, first: float, step: int, size: int) -> Tensor:
    """Values at ``first``, ``first + step``, ... on ``size`` voxels of an axis, linear between them and to 0 beyond."""
    cells, voxels = (torch.arange(count, device=values.device) for count in (values.shape[axis], size))
    distance = (voxels[:, None] - first) / step - cells
    weights = (1 - distance.abs()).clamp_min(0).to(values)
    return torch.tensordot(values, weights, ([axis], [1])).movedim(-1, axis)
