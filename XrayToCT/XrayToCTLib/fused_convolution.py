"""Instance norm, ReLU and 3D convolution in one differentiable step that keeps a third of the memory."""

from typing import Any

import torch
from torch import Tensor

EPS = 1e-5


class _NormReluConvolution(torch.autograd.Function):
    """Instance norm, ReLU and convolution of a volume, keeping only the volume itself for the backward pass.

    Plain autograd keeps three tensors as large as the volume for these steps; the norm and the ReLU are cheap
    beside the convolution, so they are computed again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, transposed: bool
    ) -> Tensor:
        output_padding = [stride - 1] * 3
        ctx.options = ([stride] * 3, [padding] * 3, [1] * 3, transposed, output_padding if transposed else [0] * 3, 1)
        ctx.dtype = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            ctx.dtype = torch.get_autocast_dtype(x.device.type)
        activated, mean, inverse_deviation = _norm_relu(x)
        ctx.save_for_backward(x, weight, mean, inverse_deviation)
        with torch.autocast(x.device.type, enabled=False):
            return torch.convolution(activated.to(ctx.dtype), weight.to(ctx.dtype), bias.to(ctx.dtype), *ctx.options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight, mean, inverse_deviation = ctx.saved_tensors
        activated = _relu_of_norm(x, mean, inverse_deviation)
        grad_activated, grad_weight, grad_bias = torch.ops.aten.convolution_backward(
            grad, activated.to(ctx.dtype), weight.to(ctx.dtype), [grad.shape[1]], *ctx.options,
            [ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.needs_input_grad[2]],
        )  # fmt: skip
        grad_x = None
        if grad_activated is not None:
            grad_norm = torch.ops.aten.threshold_backward(grad_activated.to(x.dtype), activated, 0)
            grad_x = _norm_backward(grad_norm, x, mean, inverse_deviation)
        if grad_weight is not None:
            grad_weight = grad_weight.to(weight.dtype)
        if grad_bias is not None:
            grad_bias = grad_bias.to(weight.dtype)
        return grad_x, grad_weight, grad_bias, None, None, None


def _as_batch_norm(x: Tensor) -> Tensor:
    """(N, C, ...) as (1, N * C, ...): the instance norm is the batch norm of this view."""
    return x.reshape(1, -1, *x.shape[2:])


def _norm_relu(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    normed, mean, inverse_deviation = torch.native_batch_norm(_as_batch_norm(x), None, None, None, None, True, 0.0, EPS)
    return normed.view_as(x).relu_(), mean, inverse_deviation


def _relu_of_norm(x: Tensor, mean: Tensor, inverse_deviation: Tensor) -> Tensor:
    shape = (x.shape[0], x.shape[1], *[1] * (x.dim() - 2))
    return x.sub(mean.view(shape)).mul_(inverse_deviation.view(shape)).relu_().to(x.dtype)


def _norm_backward(grad: Tensor, x: Tensor, mean: Tensor, inverse_deviation: Tensor) -> Tensor:
    grad_x, _, _ = torch.ops.aten.native_batch_norm_backward(
        _as_batch_norm(grad),
        _as_batch_norm(x),
        None,
        None,
        None,
        mean,
        inverse_deviation,
        True,
        EPS,
        [True, False, False],
    )
    return grad_x.view_as(x)


def norm_relu_convolution(
    x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, padding: int = 1, transposed: bool = False
) -> Tensor:
    """Convolution of ReLU(instance norm(x)).

    Args:
        x: (N, C, D, H, W); the norm has no affine parameters and uses the statistics of the instance.
        weight: (O, C, k, k, k), or (C, O, k, k, k) if transposed; bias: (O,).
        transposed: a transposed convolution whose output padding is ``stride - 1``.
    """
    return _NormReluConvolution.apply(x, weight, bias, stride, padding, transposed)
