"""A convolution and a norm that holds still, as one convolution; arXiv 2305.11624.

With mean m, variance v and epsilon e, a norm in eval mode computes ``s (y - m) + beta`` where
``s = gamma / sqrt(v + e)``. Behind a convolution ``y = W * x + b`` that is a convolution with
weight ``s W`` and bias ``s (b - m) + beta``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Geometry(NamedTuple):
    """How a convolution slides; as ``nn.Conv2d`` has it."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Terms(NamedTuple):
    """What a convolution and its norm compute with; each but ``weight`` is ``(C_out,)``."""

    weight: Tensor
    bias: Tensor | None
    gamma: Tensor | None
    beta: Tensor | None
    mean: Tensor
    var: Tensor


def fold(terms: Terms, eps: float) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that is a convolution and its norm.

    Args:
        terms: of the two layers.
        eps: the norm's epsilon.

    Returns:
        ``(C_out, C_in / groups, k, k)`` and ``(C_out,)``, in float32 or wider, so that low
        precision rounds once. Differentiable in all of ``terms``.

    Example:
        >>> one = torch.ones(1)
        >>> terms = Terms(torch.ones(1, 1, 1, 1), None, 3 * one, 5 * one, 2 * one, 4 * one)
        >>> [tensor.item() for tensor in fold(terms, eps=0.0)]
        [1.5, 2.0]
    """
    _, scale = _scale(terms, eps)
    shift = scale * _centre(terms)
    return terms.weight * _column(scale), shift if terms.beta is None else shift + terms.beta


def folded_conv(x: Tensor, terms: Terms, eps: float, geometry: Geometry) -> Tensor:
    """The one convolution of ``x``, in operations that autograd and compilers see through."""
    weight, bias = fold(terms, eps)
    return F.conv2d(x, weight.to(terms.weight.dtype), bias.to(terms.weight.dtype), *geometry)


class FoldedConv(torch.autograd.Function):
    """The same, keeping ``x`` alone for the backward pass: the weight is folded again there.

    The convolution's output, which the gradient of gamma seems to want, is not needed: what it
    would be multiplied with and summed over is in the gradient of the folded weight already.
    What needs no gradient costs nothing, and where the weight is frozen ``x`` is not kept either.
    Can be differentiated twice.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dtype: torch.dtype, eps: float, geometry: Geometry, *terms: Any
    ) -> Tensor:
        ctx.dtype, ctx.eps, ctx.geometry = dtype, eps, geometry
        ctx.x_shape, ctx.x_dtype, ctx.x_layout = x.shape, x.dtype, layout_of(x)
        learns = Terms(*ctx.needs_input_grad[4:])
        ctx.save_for_backward(x if learns.weight or learns.gamma else None, *terms)
        weight, bias = fold(Terms(*terms), eps)
        return F.conv2d(x.to(dtype), weight.to(dtype), bias.to(dtype), *geometry)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, *saved = ctx.saved_tensors
        terms = Terms(*saved)
        x_learns, learns = ctx.needs_input_grad[0], Terms(*ctx.needs_input_grad[4:])
        weight_learns, shift_learns = learns.weight or learns.gamma, any(learns[1:4])
        inverse, scale = _scale(terms, ctx.eps)
        # Where x or the weight plays no part, anything of its shape will do.
        if x is None:
            x = torch.empty(
                ctx.x_shape, dtype=grad.dtype, device=grad.device, memory_format=ctx.x_layout
            )
        weight = terms.weight * _column(scale) if x_learns else terms.weight
        # Low precision would round the sum over all pixels; and without a weight's gradient some
        # backends compute one nevertheless, for the sake of the bias.
        shift_beside = shift_learns and weight_learns and grad.dtype == scale.dtype
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
        del weight
        if shift_learns and not shift_beside:
            grad_shift = grad.sum((0, 2, 3), dtype=scale.dtype)
        grads = _term_grads(grad_weight, grad_shift, terms, learns, inverse, scale)
        return (grad_x.to(ctx.x_dtype) if x_learns else None, None, None, None, *grads)


def layout_of(x: Tensor) -> torch.memory_format:
    """Channels last if ``x`` is that and nothing else, or else contiguous.

    Example:
        >>> layout_of(torch.zeros(1, 3, 4, 4).to(memory_format=torch.channels_last))
        torch.channels_last
    """
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format


def _term_grads(
    grad_weight: Any, grad_shift: Any, terms: Terms, learns: Terms, inverse: Tensor, scale: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of the terms, from those of the folded weight and bias."""
    weight = bias = gamma = beta = None
    if learns.gamma:
        assert terms.gamma is not None
        from_weight = (grad_weight * terms.weight).sum((1, 2, 3), dtype=scale.dtype)
        gamma = inverse * (from_weight + grad_shift * _centre(terms))
        gamma = gamma.to(terms.gamma.dtype)
    if learns.weight:
        weight = _times(grad_weight, _column(scale), like=terms.weight)
    if learns.bias:
        assert terms.bias is not None
        bias = (grad_shift * scale).to(terms.bias.dtype)
    if learns.beta:
        assert terms.beta is not None
        beta = grad_shift.to(terms.beta.dtype)
    return weight, bias, gamma, beta, None, None


def _times(grad_weight: Tensor, scale: Tensor, like: Tensor) -> Tensor:
    """``grad_weight * scale`` in the type and layout of ``like``, in one pass and place if it can.

    An optimizer, and data parallel training, would copy a gradient that lies otherwise in memory.
    """
    if torch.is_grad_enabled():
        return (grad_weight * scale).to(like.dtype)
    if grad_weight.dtype == like.dtype and grad_weight.stride() == like.stride():
        return grad_weight.mul_(scale)
    return torch.mul(grad_weight, scale, out=torch.empty_like(like))


def _scale(terms: Terms, eps: float) -> tuple[Tensor, Tensor]:
    """``1 / sqrt(v + e)`` and ``s``, each ``(C_out,)``, in float32 or wider."""
    inverse = torch.rsqrt(terms.var.to(torch.promote_types(torch.float32, terms.var.dtype)) + eps)
    return inverse, inverse if terms.gamma is None else inverse * terms.gamma


def _centre(terms: Terms) -> Tensor:
    return -terms.mean if terms.bias is None else terms.bias - terms.mean


def _column(vector: Tensor) -> Tensor:
    return vector.view(-1, 1, 1, 1)
