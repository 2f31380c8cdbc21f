"""Whether and how a convolution and its norm are computed as one convolution."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from .fold import Geometry, Terms, fold
from .foldable import holds_still, is_ordinary, is_plain_conv, is_plain_relu, is_watched
from .folded_conv import FoldedConv
from .one_pass import conv_sum_relu, output_shape

# The attribute of a convolution, for inference alone, that has its PackedWeight.
PACKED = "packed_weight"


def as_one_conv(
    x: Tensor,
    conv: nn.Module,
    norm: nn.Module,
    act: nn.Module | None,
    shortcut: Tensor | None,
    overwrite: bool,
) -> Tensor | None:
    """``act(norm(conv(x)) + shortcut)`` with one convolution, or None where that fails or costs.

    The folded weight is never kept for the next time: to notice every change of a parameter, also
    one behind autograd's back (``weight.data.mul_(0.9)``, as moving averages do it), all of it
    would have to be read again, and that takes about as long as folding it again.

    Args:
        x, conv, norm, act, shortcut, overwrite: as in :func:`conv_norm_act`. Of the identity as
            norm, only the sum and the ReLU join the convolution, where no gradient is needed.
    """
    if not (is_ordinary(x) and is_plain_conv(conv)):
        return None
    if holds_still(norm):
        return _folded(x, conv, norm, act, shortcut, overwrite)
    if type(norm) is nn.Identity and not is_watched(norm):
        return _alone(x, conv, act, shortcut, overwrite)
    return None


def sum_act(out: Tensor, act: nn.Module | None, shortcut: Tensor | None) -> Tensor:
    """``act(out + shortcut)``, in place in ``out`` where ``act`` is so.

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
) -> Tensor | None:
    terms = Terms(
        conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var
    )
    dtype = _conv_dtype(x, conv.weight)
    if dtype is None or terms.var.shape != terms.weight.shape[:1]:
        return None  # the layers themselves say what is wrong
    learns = _learns(x, shortcut, *terms)
    geometry = _geometry(conv)
    # A frozen norm's own arithmetic gives the wider of its type and its input's.
    frozen = isinstance(norm, FrozenBatchNorm2d)
    out_dtype = torch.promote_types(dtype, terms.var.dtype) if frozen else dtype
    if torch.compiler.is_compiling():
        if not learns:
            return None  # the compiler puts a norm into the pass of its neighbours
        # What to keep, and what to compute again, is the compiler's choice then.
        weight, bias = (tensor.to(dtype) for tensor in fold(terms, norm.eps))
        out = F.conv2d(x.to(dtype), weight, bias, *geometry)
        return sum_act(out.to(out_dtype), act, shortcut)

    if not _pays(x, terms.weight, geometry, learns):
        return None
    sums = shortcut is not None and shortcut.dtype == dtype == out_dtype
    relu = is_plain_relu(act) and dtype == out_dtype and (sums or shortcut is None)
    inside = shortcut if sums else None
    if learns:
        out = FoldedConv.apply(x, inside, relu, dtype, norm.eps, geometry, *terms)
    else:
        weight, bias = (tensor.to(dtype) for tensor in fold(terms, norm.eps))
        out = conv_sum_relu(
            x.to(dtype), weight, bias, geometry, shortcut=inside, relu=relu, overwrite=overwrite
        )
    return sum_act(out.to(out_dtype), None if relu else act, None if sums else shortcut)


def _alone(
    x: Tensor, conv: Any, act: nn.Module | None, shortcut: Tensor | None, overwrite: bool
) -> Tensor | None:
    dtype = _conv_dtype(x, conv.weight)
    if (
        torch.compiler.is_compiling()
        or not (act is None or is_plain_relu(act))
        or not (shortcut is None or shortcut.dtype == dtype)
        or not (x.dtype == conv.weight.dtype == dtype)
        or _learns(x, shortcut, conv.weight, conv.bias)
    ):
        return None
    return conv_sum_relu(
        x,
        conv.weight,
        conv.bias,
        _geometry(conv),
        shortcut=shortcut,
        relu=act is not None,
        overwrite=overwrite,
        packed=getattr(conv, PACKED, None),
    )


def _geometry(conv: Any) -> Geometry:
    return Geometry(conv.stride, conv.padding, conv.dilation, conv.groups)


def _learns(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in tensors
    )


def _conv_dtype(x: Tensor, weight: Tensor) -> torch.dtype | None:
    """The type that ``F.conv2d`` would compute in, or None where it would refuse."""
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    dtypes = {
        torch.get_autocast_dtype(device) if autocast and dtype != torch.float64 else dtype
        for dtype in (x.dtype, weight.dtype)
    }
    return dtypes.pop() if len(dtypes) == 1 else None


def _pays(x: Tensor, weight: Tensor, geometry: Geometry, learns: bool) -> bool:
    """Whether folding costs less than what it spares the output.

    Measured on the CPU without gradient, a norm and what follows take about as long as folding a
    weight of twice the output's size. With gradient they take less, but the output's memory is
    spared too, so that the bound is the same. The calls of a few small operations take as long as
    some ten thousand numbers; on other devices, where memory is fast and calls are not, more, which
    is an estimate, and there gradients count the memory alone.
    """
    calls = 2**17 if x.device.type == "cpu" else 0 if learns else 2**23
    return weight.numel() + calls <= 2 * math.prod(output_shape(x, weight, geometry))
