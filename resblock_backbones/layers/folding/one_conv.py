"""Whether and how a convolution and its norm are computed as one convolution."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from .fold import Geometry, Terms, fold
from .foldable import has_fixed_statistics, has_hooks, is_eager_batch, is_plain_conv, is_plain_relu
from .folded_conv import FoldedConv
from .one_pass import conv_sum_relu, output_shape

# The attribute of a convolution for inference that holds its PackedWeight.
PACKED = "packed_weight"


def as_one_conv(
    x: Tensor,
    conv: nn.Module,
    norm: nn.Module,
    act: nn.Module | None,
    shortcut: Tensor | None,
    overwrite: bool,
    recompute: bool = False,
) -> Tensor | None:
    """``act(norm(conv(x)) + shortcut)`` with one convolution.

    The folded weight is never cached: to notice every change of a parameter, including those that
    autograd does not count (``weight.data.mul_(0.9)``, as in moving averages), all of it would have
    to be read again, which takes about as long as folding it again.

    Args:
        x, conv, norm, act, shortcut, overwrite: as in :func:`conv_norm_act`. With an identity as
            norm, sum and ReLU are fused with the convolution if no gradient is needed.
        recompute: whether the backward pass of what reads the result may compute it again, so that
            it is not saved.

    Returns:
        None if the layers cannot be folded, or if folding would take longer.
    """
    if not (is_eager_batch(x) and is_plain_conv(conv)):
        return None
    if has_fixed_statistics(norm):
        return _folded(x, conv, norm, act, shortcut, overwrite, recompute)
    if type(norm) is nn.Identity and not has_hooks(norm):
        return _without_norm(x, conv, act, shortcut, overwrite)
    return None


def sum_act(out: Tensor, act: nn.Module | None, shortcut: Tensor | None) -> Tensor:
    """``act(out + shortcut)``; the sum is in place in ``out``, so is an ``act`` that is in place.

    Example:
        >>> sum_act(torch.ones(2), nn.ReLU(), -2 * torch.ones(2))
        tensor([0., 0.])
    """
    if shortcut is not None:
        out += shortcut
    return out if act is None else act(out)


def _folded(
    x: Tensor,
    conv: Any,
    norm: Any,
    act: nn.Module | None,
    shortcut: Tensor | None,
    overwrite: bool,
    recompute: bool,
) -> Tensor | None:
    terms = Terms(
        conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var
    )
    dtype = conv_dtype(x, conv.weight)
    if dtype is None or norm.running_var.shape != terms.weight.shape[:1]:
        return None  # the layers themselves raise the error
    needs_grad = needs_gradient(x, shortcut, *terms)
    geometry = geometry_of(conv)
    # A frozen norm returns the wider of its own dtype and its input's.
    frozen = isinstance(norm, FrozenBatchNorm2d)
    out_dtype = torch.promote_types(dtype, norm.running_var.dtype) if frozen else dtype
    if torch.compiler.is_compiling():
        if not needs_grad:
            return None  # the compiler fuses the norm with its neighbours
        # The compiler decides what is saved and what is recomputed.
        weight, bias = (tensor.to(dtype) for tensor in fold(terms, norm.eps))
        out = F.conv2d(x.to(dtype), weight, bias, *geometry)
        return sum_act(out.to(out_dtype), act, shortcut)

    if not _is_cheaper(x, terms.weight, geometry, needs_grad):
        return None
    sums = shortcut is not None and shortcut.dtype == dtype == out_dtype
    relu = is_plain_relu(act) and dtype == out_dtype and (sums or shortcut is None)
    inside = shortcut if sums else None
    if needs_grad:
        again = recompute and relu and shortcut is None
        out = FoldedConv.apply(x, inside, relu, again, dtype, norm.eps, geometry, *terms)
    else:
        weight, bias = (tensor.to(dtype) for tensor in fold(terms, norm.eps))
        out = conv_sum_relu(
            x.to(dtype), weight, bias, geometry, shortcut=inside, relu=relu, overwrite=overwrite
        )
    return sum_act(out.to(out_dtype), None if relu else act, None if sums else shortcut)


def _without_norm(
    x: Tensor, conv: Any, act: nn.Module | None, shortcut: Tensor | None, overwrite: bool
) -> Tensor | None:
    dtype = conv_dtype(x, conv.weight)
    if (
        torch.compiler.is_compiling()
        or not (act is None or is_plain_relu(act))
        or not (shortcut is None or shortcut.dtype == dtype)
        or not (x.dtype == conv.weight.dtype == dtype)
        or needs_gradient(x, shortcut, conv.weight, conv.bias)
    ):
        return None
    return conv_sum_relu(
        x,
        conv.weight,
        conv.bias,
        geometry_of(conv),
        shortcut=shortcut,
        relu=act is not None,
        overwrite=overwrite,
        packed=getattr(conv, PACKED, None),
    )


def geometry_of(conv: Any) -> Geometry:
    """Stride, padding, dilation and groups of an ``nn.Conv2d``.

    Example:
        >>> geometry_of(nn.Conv2d(3, 8, 3, stride=2)).stride
        (2, 2)
    """
    return Geometry(conv.stride, conv.padding, conv.dilation, conv.groups)


def needs_gradient(*tensors: Tensor | None) -> bool:
    """Whether autograd records what is computed from ``tensors``.

    Example:
        >>> needs_gradient(None, torch.ones(1)), needs_gradient(torch.ones(1, requires_grad=True))
        (False, True)
    """
    return torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in tensors
    )


def conv_dtype(x: Tensor, weight: Tensor) -> torch.dtype | None:
    """The dtype that ``F.conv2d`` would compute in, or None if it would raise."""
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    dtypes = {
        torch.get_autocast_dtype(device) if autocast and dtype != torch.float64 else dtype
        for dtype in (x.dtype, weight.dtype)
    }
    return dtypes.pop() if len(dtypes) == 1 else None


def _is_cheaper(x: Tensor, weight: Tensor, geometry: Geometry, needs_grad: bool) -> bool:
    """Whether folding the weight takes less time than the separate norm would.

    Measured on the CPU without gradient: a norm, sum and ReLU take about as long as folding a
    weight of twice the output's size. With gradient they take less, but folding saves memory as
    well, so the bound is the same. The constant stands for the overhead of launching the operations
    of the fold. It was measured on the CPU. On other devices it is an estimate, and with gradients
    only the memory counts there.
    """
    calls = 2**17 if x.device.type == "cpu" else 0 if needs_grad else 2**23
    return weight.numel() + calls <= 2 * math.prod(output_shape(x, weight, geometry))
