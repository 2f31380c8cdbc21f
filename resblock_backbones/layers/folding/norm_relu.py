"""ReLU of a batch norm in train mode, which saves the norm's input and not its output."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .fold import Geometry, Terms
from .folded_conv import conv_grads
from .one_pass import layout_of
from .recomputed import as_recorded, masked_in_place, take_output


class BatchStatistics(NamedTuple):
    """What a batch norm does beside normalising: running statistics and how fast they move."""

    mean: Tensor | None
    var: Tensor | None
    momentum: float
    eps: float


class NormReLU(torch.autograd.Function):
    """``relu(norm(conv(x)))`` with the statistics of the batch, or ``relu(norm(x))``.

    Saves only ``x`` and the statistics. The backward pass of the convolution that reads the output
    computes it again: elementwise, after the convolution if there is one. Running statistics move
    in the forward pass alone. Can be differentiated twice.

    Args:
        conv: dtype and geometry of the convolution, or None without one.
        running: of the norm; see ``batch_norm.batch_statistics``.
        weight, bias: of the convolution.
        gamma, beta: of the norm.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        conv: tuple[torch.dtype, Geometry] | None,
        running: BatchStatistics,
        weight: Tensor | None,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
    ) -> Tensor:
        ctx.conv, ctx.eps = conv, running.eps
        if conv is not None:
            ctx.dtype, ctx.geometry = conv
            ctx.x_shape, ctx.x_dtype, ctx.x_layout = x.shape, x.dtype, layout_of(x)
        # What F.batch_norm calls, and the statistics that it computes.
        out, mean, inverse, reserve, ctx.kernel = torch._batch_norm_impl_index(
            _convolved(ctx, x, weight, bias),
            gamma,
            beta,
            running.mean,
            running.var,
            True,
            running.momentum,
            running.eps,
            torch.backends.cudnn.enabled,
        )
        ctx.recompute = _recomputed
        ctx.save_for_backward(x, weight, bias, gamma, beta, mean, inverse, reserve)
        return out.relu_()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        out, y, x, weight, bias, gamma, _, mean, inverse, reserve = take_output(ctx)
        x_learns, _, _, weight_learns, bias_learns, *affine_learn = ctx.needs_input_grad
        conv_learns = x_learns or weight_learns or bias_learns
        grad = masked_in_place(grad, out)
        del out
        grad, grad_gamma, grad_beta = torch.ops.aten._batch_norm_impl_index_backward(
            ctx.kernel,
            y,
            grad,
            gamma,
            None,  # running statistics, which the batch's take the place of
            None,
            mean,
            inverse,
            True,
            ctx.eps,
            (conv_learns, *affine_learn),
            reserve,
        )
        del y
        grad_x: Tensor | None = grad
        grad_weight = grad_bias = None
        if ctx.conv is not None and conv_learns:
            needs_grad = (weight_learns, bias_learns, False, False, False, False)
            terms = Terms(weight, bias)
            grad_x, grad_weight, grad_bias, *_ = conv_grads(
                ctx, grad, x, terms, needs_grad, x_learns
            )
        affine = (
            one if learns else None
            for one, learns in zip((grad_gamma, grad_beta), affine_learn, strict=True)
        )
        return grad_x if x_learns else None, None, None, grad_weight, grad_bias, *affine


def _convolved(ctx: Any, x: Tensor, weight: Any, bias: Tensor | None) -> Tensor:
    if ctx.conv is None:
        return x
    bias = None if bias is None else bias.to(ctx.dtype)
    return F.conv2d(x.to(ctx.dtype), weight.to(ctx.dtype), bias, *ctx.geometry)


def _recomputed(ctx: Any) -> Tensor:
    """The output, for the backward pass of what reads it; the saved tensors are kept for ours."""
    x, weight, bias, gamma, beta, mean, inverse, reserve = ctx.saved_tensors
    with as_recorded(x):
        y = _convolved(ctx, x, weight, bias)
    if torch.is_grad_enabled():  # for a second derivative the statistics depend on y too
        out = F.batch_norm(y, None, None, gamma, beta, True, 0.0, ctx.eps).relu()
    else:
        # The kernel of eval mode scales and shifts by the statistics that it is given.
        out = F.batch_norm(y, mean, inverse.pow(-2), gamma, beta, False, 0.0, 0.0).relu_()
    ctx.taken = out, y, x, weight, bias, gamma, beta, mean, inverse, reserve
    return out
