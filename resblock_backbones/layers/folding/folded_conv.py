"""The folded convolution as an autograd function, with the sum and ReLU that may follow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .fold import Geometry, Terms, centre_of, column, fold, scale_of
from .one_pass import conv_sum_relu, layout_of


class FoldedConv(torch.autograd.Function):
    """``relu(norm(conv(x)) + shortcut)``, which saves only ``x``; backward folds the weight again.

    The gradient of gamma does not need the convolution's output: the sum over its pixels is already
    part of the gradient of the folded weight. Gradients that are not needed are not computed, and
    if the weight is frozen ``x`` is not saved either. With a ReLU the output is saved too, which
    the next layer mostly saves anyway. Can be differentiated twice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        shortcut: Tensor | None,
        relu: bool,
        dtype: torch.dtype,
        eps: float,
        geometry: Geometry,
        *terms: Any,
    ) -> Tensor:
        weight, bias = fold(Terms(*terms), eps)
        out = conv_sum_relu(
            x.to(dtype), weight.to(dtype), bias.to(dtype), geometry, shortcut=shortcut, relu=relu
        )
        ctx.dtype, ctx.eps, ctx.geometry = dtype, eps, geometry
        ctx.x_shape, ctx.x_dtype, ctx.x_layout = x.shape, x.dtype, layout_of(x)
        learns = Terms(*ctx.needs_input_grad[6:])
        ctx.save_for_backward(
            x if learns.weight or learns.gamma else None, out if relu else None, *terms
        )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, out, *saved = ctx.saved_tensors
        terms = Terms(*saved)
        x_learns, shortcut_learns = ctx.needs_input_grad[:2]
        learns = Terms(*ctx.needs_input_grad[6:])
        weight_learns, shift_learns = learns.weight or learns.gamma, any(learns[1:4])
        if out is not None:
            grad = torch.ops.aten.threshold_backward(grad, out, 0)
        inverse, scale = scale_of(terms, ctx.eps)
        # If x is not needed, any tensor of its shape will do; so with the weight.
        if x is None:
            x = torch.empty(
                ctx.x_shape, dtype=grad.dtype, device=grad.device, memory_format=ctx.x_layout
            )
        weight = terms.weight * column(scale) if x_learns else terms.weight
        # The bias is summed separately if low precision would round the sum over all pixels, and
        # without the weight's gradient, which some backends compute along with the bias's.
        shift_beside = shift_learns and weight_learns and grad.dtype == scale.dtype
        grad_x = grad_weight = grad_shift = None
        if x_learns or weight_learns:
            grad_x, grad_weight, grad_shift = torch.ops.aten.convolution_backward(
                grad,
                x.to(ctx.dtype),
                weight.to(ctx.dtype),
                scale.shape,
                *ctx.geometry[:3],
                False,
                (0, 0),
                ctx.geometry.groups,
                (x_learns, weight_learns, shift_beside),
            )
        if grad_x is not None:
            grad_x = grad_x.to(ctx.x_dtype)
        if shift_learns and not shift_beside:
            grad_shift = grad.sum((0, 2, 3), dtype=scale.dtype)
        grads = _term_grads(grad_weight, grad_shift, terms, learns, inverse, scale)
        return (grad_x, grad if shortcut_learns else None, None, None, None, None, *grads)


def _term_grads(
    grad_weight: Any, grad_shift: Any, terms: Terms, learns: Terms, inverse: Tensor, scale: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of the terms, from those of the folded weight and bias."""
    weight = bias = gamma = beta = None
    if learns.gamma:
        assert terms.gamma is not None
        from_weight = (grad_weight * terms.weight).sum((1, 2, 3), dtype=scale.dtype)
        gamma = inverse * (from_weight + grad_shift * centre_of(terms))
        gamma = gamma.to(terms.gamma.dtype)
    if learns.weight:
        weight = _times(grad_weight, column(scale), like=terms.weight)
    if learns.bias:
        assert terms.bias is not None
        bias = (grad_shift * scale).to(terms.bias.dtype)
    if learns.beta:
        assert terms.beta is not None
        beta = grad_shift.to(terms.beta.dtype)
    return weight, bias, gamma, beta, None, None


def _times(grad_weight: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """``grad_weight * scale`` in the dtype and layout of ``like``, in place if possible.

    Optimizers and data-parallel training would copy a gradient of another layout.
    """
    if torch.is_grad_enabled():
        return (grad_weight * scale).to(like.dtype)
    if grad_weight.dtype == like.dtype and grad_weight.stride() == like.stride():
        return grad_weight.mul_(scale)
    return torch.mul(grad_weight, scale, out=torch.empty_like(like))
