"""Instance norm, ReLU and 3D convolution in one differentiable step that keeps a third of the memory."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


def norm_relu_convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int = 1,
    padding: tuple[int, int, int] = (1, 1, 1),
    transposed: bool = False,
) -> Tensor:
    """Convolution of ReLU(instance norm(x)).

    Args:
        x: (N, C, D, H, W); the norm has no affine parameters and uses the statistics of the instance. It is overwritten
            where gradients are switched off, which saves a copy of the largest tensors of all.
        weight: (O, C, kD, kH, kW), or (C, O, kD, kH, kW) if transposed; bias: (O,).
        transposed: a transposed convolution whose output padding is ``stride - 1``.
    """
    output_padding = [stride - 1 if transposed else 0] * 3
    options = ([stride] * 3, list(padding), [1] * 3, transposed, output_padding, 1)
    if torch.onnx.is_in_onnx_export():
        activated = F.relu(F.instance_norm(x, eps=EPS))
        if transposed:
            return F.conv_transpose3d(activated, weight, bias, stride, padding, stride - 1)
        return F.conv3d(activated, weight, bias, stride, padding)
    if torch.is_grad_enabled():
        return _NormReluConvolution.apply(x, weight, bias, options)
    variance, mean = torch.var_mean(x, tuple(range(2, x.dim())), correction=0, keepdim=True)
    activated = x.sub_(mean).mul_(torch.rsqrt(variance + EPS)).relu_()
    return torch.convolution(activated, weight, bias, *options)


def norm_relu_convolution_to_one(x: Tensor, convolution: nn.Conv3d) -> Tensor:
    """The same with a convolution of one output channel, weight (1, C, k, k, k) with k odd, zero padding k // 2.

    Libraries compute output channels in blocks of 16, so that a single one wastes most of the work. Here the k depth
    taps are the output channels of 2D convolutions, summed with a shift.
    """
    half = convolution.kernel_size[0] // 2
    taps = convolution.weight[0].transpose(0, 1).unsqueeze(2)  # (k, C, 1, k, k)
    planes = norm_relu_convolution(x, taps, None, padding=(0, half, half)).unbind(1)
    assert convolution.bias is not None  # for the type checker
    total = convolution.bias.view(1, 1, 1, 1)
    for tap, plane in enumerate(planes):
        total = total + F.pad(plane, (0, 0, 0, 0, half - tap, tap - half))
    return total.unsqueeze(1)


class _NormReluConvolution(torch.autograd.Function):
    """Keeps only ``x`` for the backward pass.

    Plain autograd keeps three tensors as large as ``x`` for these steps; norm and ReLU are cheap beside the
    convolution, so they are computed again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, options: tuple) -> Tensor:
        dtype = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        ctx.options, ctx.dtype = options, dtype
        rows = _as_batch_norm(x)
        normed, mean, inverse_deviation = torch.native_batch_norm(rows, None, None, None, None, True, 0.0, EPS)
        ctx.save_for_backward(x, weight, mean, inverse_deviation)
        activated = normed.view_as(x).relu_().to(dtype)
        with torch.autocast(x.device.type, enabled=False):
            return torch.convolution(activated, weight.to(dtype), None if bias is None else bias.to(dtype), *options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight, mean, inverse_deviation = ctx.saved_tensors
        shape = (x.shape[0], x.shape[1], 1, 1, 1)
        activated = x.sub(mean.view(shape)).mul_(inverse_deviation.view(shape)).relu_().to(ctx.dtype)
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        arguments = grad, activated, weight.to(ctx.dtype), [grad.shape[1]], *ctx.options
        # Memory peaks here: so the parameters' and the input's gradients one after the other, and the latter in place.
        _, grad_weight, grad_bias = torch.ops.aten.convolution_backward(*arguments, [False, needs_weight, needs_bias])
        grad_x = None
        if needs_x:
            grad_activated, _, _ = torch.ops.aten.convolution_backward(*arguments, [True, False, False])
            torch.ops.aten.threshold_backward.grad_input(grad_activated, activated, 0, grad_input=grad_activated)
            del activated, arguments
            rows = _as_batch_norm(grad_activated.to(x.dtype)), _as_batch_norm(x)
            statistics = None, None, None, mean, inverse_deviation  # no affine weight, no running statistics
            grad_x = torch.ops.aten.native_batch_norm_backward(*rows, *statistics, True, EPS, [True, False, False])[0]
            grad_x = grad_x.view_as(x)
        return grad_x, _like(grad_weight, weight), _like(grad_bias, weight), None


def _as_batch_norm(x: Tensor) -> Tensor:
    """(N, C, ...) as (1, N * C, ...): the instance norm is the batch norm of this view."""
    return x.reshape(1, -1, *x.shape[2:])


def _like(grad: Tensor | None, parameter: Tensor) -> Tensor | None:
    return None if grad is None else grad.to(parameter.dtype)
