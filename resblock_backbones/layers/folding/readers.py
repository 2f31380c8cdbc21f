"""Layers that read an output which the backward pass computes again, and do not save it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .fold import Terms
from .foldable import is_eager_batch, is_plain_conv, is_plain_sequence, is_unmodified
from .folded_conv import FoldedConv
from .one_conv import conv_dtype, geometry_of
from .one_pass import layout_of
from .recomputed import source_of


def reads_again(reader: nn.Module | None) -> bool:
    """Whether :func:`read` saves nothing of an input that is computed again.

    Example:
        >>> reads_again(nn.Conv2d(3, 8, 1)), reads_again(nn.Conv2d(3, 8, 1).requires_grad_(False))
        (True, False)
    """
    if isinstance(reader, nn.Sequential) and len(reader) and is_plain_sequence(reader):
        return reads_again(reader[0])
    if isinstance(reader, nn.MaxPool2d):
        return _is_plain_pooling(reader)
    return isinstance(reader, nn.Conv2d) and is_plain_conv(reader) and reader.weight.requires_grad


def read(x: Tensor, layer: nn.Module) -> Tensor:
    """``layer(x)``; an ``x`` that the backward pass can compute again is not saved.

    Example:
        >>> tuple(read(torch.ones(1, 3, 5, 5), nn.Conv2d(3, 8, 3)).shape)
        (1, 8, 3, 3)
    """
    if (
        torch.compiler.is_compiling()
        or not is_eager_batch(x)
        or not torch.is_grad_enabled()
        or source_of(x) is None
    ):
        return layer(x)
    one: Any = layer
    if isinstance(layer, nn.MaxPool2d) and _is_plain_pooling(layer):
        sizes = (one.kernel_size, one.stride, one.padding, one.dilation, one.ceil_mode)
        return MaxPool.apply(x, *(size if isinstance(size, tuple) else [size] for size in sizes))
    dtype = conv_dtype(x, one.weight) if is_plain_conv(layer) else None
    if dtype is None:
        return layer(x)
    terms = Terms(one.weight, one.bias)
    return FoldedConv.apply(x, None, False, False, dtype, 0.0, geometry_of(one), *terms)


def _is_plain_pooling(pool: Any) -> bool:
    plain = type(pool).forward is nn.MaxPool2d.forward and is_unmodified(pool)
    return plain and not pool.return_indices


class MaxPool(torch.autograd.Function):
    """Max pooling that saves which pixels were the largest, but not its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *sizes: Any) -> Tensor:
        *ctx.sizes, [ctx.ceil_mode] = sizes
        ctx.x_shape, ctx.x_layout = x.shape, layout_of(x)
        out, indices = torch.ops.aten.max_pool2d_with_indices(x, *ctx.sizes, ctx.ceil_mode)
        ctx.save_for_backward(indices)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        # Only the shape of the input matters.
        x = torch.empty(
            ctx.x_shape, dtype=grad.dtype, device=grad.device, memory_format=ctx.x_layout
        )
        grad_x = torch.ops.aten.max_pool2d_with_indices_backward(
            grad, x, *ctx.sizes, ctx.ceil_mode, *ctx.saved_tensors
        )
        return grad_x, None, None, None, None, None
