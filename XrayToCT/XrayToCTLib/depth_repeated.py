"""Exact shortcut for the generator's connection B, whose features are repeated along depth.

Connection B repeats a 2D feature map along depth. What follows is therefore constant along depth except where the zero
padding of a 3x3x3 convolution reaches in: after one convolution 3 slices differ (first, interior, last), after two
convolutions 5. Only those are computed here, with 2D convolutions whose kernels are sums of the 3D kernel's depth taps.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from XrayToCTLib.fused_convolution import EPS

MINIMUM_DEPTH = (
    4  # below it the slices touched by the two ends overlap, and five distinct slices no longer describe the volume
)


@dataclass(frozen=True)
class DepthRepeated:
    """A volume (N, C, D, H, W) of which every slice between the first and the last is the same.

    Attributes:
        first, interior, last: slices of shape (N, C, H, W).
        depth: D, the number of slices in all.
    """

    first: Tensor
    interior: Tensor
    last: Tensor
    depth: int

    def expand(self) -> Tensor:
        """The whole volume, (N, C, D, H, W)."""
        interior = self.interior.unsqueeze(2).expand(-1, -1, self.depth - 2, -1, -1)
        return torch.cat([self.first.unsqueeze(2), interior, self.last.unsqueeze(2)], dim=2)


def convolve_repeated(x: Tensor, depth: int, convolution: nn.Conv3d) -> DepthRepeated:
    """3x3x3 convolution (zero padding 1) of ``x`` (N, C, H, W) repeated ``depth`` times along a new depth axis.

    ``convolution`` has a weight (O, C, 3, 3, 3) and a bias.
    """
    assert convolution.bias is not None  # for the type checker
    before, centre, after = convolution.weight.unbind(2)  # each (O, C, 3, 3)
    both = centre + before + after
    kernels = torch.cat([centre + after, both, before + centre])
    first, interior, last = F.conv2d(x, kernels, convolution.bias.repeat(3), padding=1).chunk(3, dim=1)
    return DepthRepeated(first, interior, last, depth)


def normalise_repeated(x: DepthRepeated) -> DepthRepeated:
    """Instance norm without affine parameters over (D, H, W), then ReLU."""
    slices = torch.stack([x.first, x.interior, x.last])  # (3, N, C, H, W)
    share = slices.new_tensor([1.0, x.depth - 2.0, 1.0]).view(3, 1, 1, 1, 1) / x.depth
    mean = (slices * share).sum(0, keepdim=True).mean((3, 4), keepdim=True)
    centred = slices - mean
    variance = (centred.square() * share).sum(0, keepdim=True).mean((3, 4), keepdim=True)
    first, interior, last = F.relu(centred * torch.rsqrt(variance + EPS)).unbind(0)
    return DepthRepeated(first, interior, last, x.depth)


def distinct_slices(x: DepthRepeated, weight: Tensor) -> Tensor:
    """The 5 distinct slices of the 3x3x3 convolution (zero padding 1, no bias) of ``x``.

    Args:
        weight: (O, C, 3, 3, 3).

    Returns:
        (N, O, 5, H, W): depth 0, depth 1, every depth in [2, D - 3], depth D - 2, depth D - 1.
    """
    before, centre, after = weight.unbind(2)
    both = centre + before + after
    first = F.conv2d(x.first, torch.cat([centre, before]), padding=1).unflatten(1, (2, -1))
    interior = F.conv2d(x.interior, torch.cat([after, centre + after, both, before + centre, before]), padding=1)
    interior = interior.unflatten(1, (5, -1))
    last = F.conv2d(x.last, torch.cat([after, centre]), padding=1).unflatten(1, (2, -1))
    ends = (first + interior[:, :2], interior[:, 2:3], interior[:, 3:] + last)
    return torch.cat(ends, dim=1).transpose(1, 2)


class _AddDistinctSlices(torch.autograd.Function):
    """``volume`` (N, C, D, H, W) plus ``slices`` (N, C, 5, H, W), in place; plain slices copy the gradient each."""

    @staticmethod
    def forward(ctx: Any, volume: Tensor, slices: Tensor) -> Tensor:
        ctx.mark_dirty(volume)
        volume[:, :, :2] += slices[:, :, :2]
        volume[:, :, 2:-2] += slices[:, :, 2:3]
        volume[:, :, -2:] += slices[:, :, 3:]
        return volume

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        interior = grad[:, :, 2:-2].sum(2, keepdim=True)
        return grad, torch.cat([grad[:, :, :2], interior, grad[:, :, -2:]], dim=2)


def add_distinct_slices(volume: Tensor, slices: Tensor) -> Tensor:
    """Adds the 5 distinct slices of :func:`distinct_slices` to ``volume`` (N, C, D, H, W), which is overwritten."""
    if torch.onnx.is_in_onnx_export():
        depth = volume.shape[2]
        first, interior, last = slices.split([2, 1, 2], dim=2)
        return volume + torch.cat([first, interior.expand(-1, -1, depth - 4, -1, -1), last], dim=2)
    return _AddDistinctSlices.apply(volume, slices)
