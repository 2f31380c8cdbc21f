"""The folded convolution as an autograd function, with the sum and ReLU that may follow."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .fold import Geometry, Terms, centre_of, column, fold, scale_of
from .one_pass import conv_sum_relu, layout_of
from .recomputed import as_recorded, is_several, masked_in_place, source_of, take_output


class FoldedConv(torch.autograd.Function):
    """``relu(norm(conv(x)) + shortcut)``, which saves only ``x``; backward folds the weight again.

    The gradient of gamma does not need the convolution's output: the sum over its pixels is already
    part of the gradient of the folded weight. Gradients that are not needed are not computed, and
    if the weight is frozen ``x`` is not saved either. With a ReLU the output is saved too, which
    the next layer mostly saves anyway; with ``recompute`` it is not, and the backward pass of the
    layer that reads it computes it again. An ``x`` that is itself computed again is not saved. Can
    be differentiated twice.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        shortcut: Tensor | None,
        relu: bool,
        recompute: bool,
        dtype: torch.dtype,
        eps: float,
        geometry: Geometry,
        *terms: Any,
    ) -> Tensor:
        ctx.relu, ctx.dtype, ctx.eps, ctx.geometry = relu, dtype, eps, geometry
        ctx.x_shape, ctx.x_dtype, ctx.x_layout = x.shape, x.dtype, layout_of(x)
        out = _convolved(ctx, x, Terms(*terms), shortcut)
        ctx.source = None
        learns = Terms(*ctx.needs_input_grad[7:])
        needs_x = recompute or learns.weight or learns.gamma
        if needs_x and not recompute:
            ctx.source = source_of(x)
        if recompute:
            ctx.recompute = _recomputed
        ctx.save_for_backward(
            x if needs_x and ctx.source is None else None,
            out if relu and not recompute else None,
            *terms,
        )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        if hasattr(ctx, "recompute"):
            out, x, *saved = take_output(ctx)
            grad = masked_in_place(grad, out)
        else:
            x, out, *saved = ctx.saved_tensors
            if ctx.relu:
                grad = torch.ops.aten.threshold_backward(grad, out, 0)
        del out
        if ctx.source is not None:
            x = ctx.source.recompute(ctx.source)
        x_learns, shortcut_learns = ctx.needs_input_grad[:2]
        grad_x, *grads = conv_grads(ctx, grad, x, Terms(*saved), ctx.needs_input_grad[7:], x_learns)
        return (grad_x, grad if shortcut_learns else None, *[None] * 5, *grads)


def _convolved(ctx: Any, x: Tensor, terms: Terms, shortcut: Tensor | None) -> Tensor:
    bias: Tensor | None
    weight, bias = terms.weight, terms.bias
    if terms.var is not None:
        weight, bias = fold(terms, ctx.eps)
    return conv_sum_relu(
        x.to(ctx.dtype),
        weight.to(ctx.dtype),
        None if bias is None else bias.to(ctx.dtype),
        ctx.geometry,
        shortcut=shortcut,
        relu=ctx.relu,
    )


def _recomputed(ctx: Any) -> Tensor:
    """The output, for the backward pass of what reads it; the saved tensors are kept for ours."""
    x, _, *saved = ctx.saved_tensors
    with as_recorded(x):
        out = _convolved(ctx, x, Terms(*saved), None)
    ctx.taken = out, x, *saved
    return out


def conv_grads(
    ctx: Any, grad: Tensor, x: Tensor | None, terms: Terms, needs_grad: Any, x_learns: bool
) -> tuple[Tensor | None, ...]:
    """Gradients of the input and of each of ``terms``, from that of ``norm(conv(x))``.

    Args:
        ctx: has ``dtype``, ``eps``, ``geometry``, and the input's ``x_shape``, ``x_dtype`` and
            ``x_layout``.
        grad: ``(N, C_out, H', W')``.
        x: ``(N, C_in, H, W)``; may be None if only its own gradient is needed.
        terms: of the convolution and its norm.
        needs_grad: which of ``terms`` need a gradient.
        x_learns: whether ``x`` does.
    """
    learns = Terms(*needs_grad)
    weight_learns, shift_learns = learns.weight or learns.gamma, any(learns[1:4])
    inverse = scale = None
    if terms.var is not None:
        inverse, scale = scale_of(terms, ctx.eps)
    # If x is not needed, any tensor of its shape will do; so with the weight.
    if x is None:
        x = torch.empty(
            ctx.x_shape, dtype=grad.dtype, device=grad.device, memory_format=ctx.x_layout
        )
    weight = terms.weight * column(scale) if x_learns and scale is not None else terms.weight
    # The bias is summed separately if low precision would round the sum over all pixels, and
    # without the weight's gradient, which some backends compute along with the bias's.
    sum_dtype = torch.promote_types(torch.float32, terms.weight.dtype)
    sum_dtype = sum_dtype if scale is None else scale.dtype
    shift_beside = shift_learns and weight_learns and grad.dtype == sum_dtype
    grad_x = grad_weight = grad_shift = None
    if x_learns or weight_learns:
        grad_x, grad_weight, grad_shift = torch.ops.aten.convolution_backward(
            grad,
            x.to(ctx.dtype),
            weight.to(ctx.dtype),
            weight.shape[:1],
            *ctx.geometry[:3],
            False,
            (0, 0),
            ctx.geometry.groups,
            (x_learns, weight_learns, shift_beside),
        )
    if grad_x is not None:
        grad_x = grad_x.to(ctx.x_dtype)
    if shift_learns and not shift_beside:
        grad_shift = grad.sum((0, 2, 3), dtype=sum_dtype)
    return grad_x, *_term_grads(grad_weight, grad_shift, terms, learns, inverse, scale)


def _term_grads(
    grad_weight: Any,
    grad_shift: Any,
    terms: Terms,
    learns: Terms,
    inverse: Tensor | None,
    scale: Tensor | None,
) -> tuple[Tensor | None, ...]:
    """Gradients of the terms, from those of the folded weight and bias."""
    weight = bias = gamma = beta = None
    if learns.gamma:
        assert terms.gamma is not None and inverse is not None
        from_weight = (grad_weight * terms.weight).sum((1, 2, 3), dtype=inverse.dtype)
        gamma = inverse * (from_weight + grad_shift * centre_of(terms))
        gamma = gamma.to(terms.gamma.dtype)
    if learns.weight:
        weight = _times(grad_weight, scale, like=terms.weight)
    if learns.bias:
        assert terms.bias is not None
        bias = (grad_shift if scale is None else grad_shift * scale).to(terms.bias.dtype)
    if learns.beta:
        assert terms.beta is not None
        beta = grad_shift.to(terms.beta.dtype)
    return weight, bias, gamma, beta, None, None


def _times(grad_weight: Tensor, scale: Tensor | None, like: Tensor) -> Tensor:
    """``grad_weight * scale`` in the dtype and layout of ``like``, in place if possible.

    Optimizers and data-parallel training would copy a gradient of another layout.
    """
    plainly = torch.is_grad_enabled() or is_several(grad_weight)
    if scale is None:
        if plainly:
            return grad_weight.to(like.dtype)
        if grad_weight.dtype == like.dtype and grad_weight.stride() == like.stride():
            return grad_weight
        return torch.empty_like(like).copy_(grad_weight)
    if plainly:
        return (grad_weight * column(scale)).to(like.dtype)
    if grad_weight.dtype == like.dtype and grad_weight.stride() == like.stride():
        return grad_weight.mul_(column(scale))
    return torch.mul(grad_weight, column(scale), out=torch.empty_like(like))
