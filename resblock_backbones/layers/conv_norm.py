"""The one door through which every convolution that is followed by a norm goes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FrozenBatchNorm2d

from ..options import check_choice
from .fold import Geometry, Terms, fold
from .foldable import is_foldable, is_ordinary, is_plain_relu, is_plain_sequence, is_watched
from .folded_conv import FoldedConv
from .one_pass import conv_sum_relu

# Set to 'off' to compare: every convolution and norm is then computed as the two layers they are.
FOLDING = (
    check_choice("RESBLOCK_FOLD", os.environ.get("RESBLOCK_FOLD", "on").lower(), ["on", "off"])
    == "on"
)


def conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """``norm(conv(x))``, as one convolution where the norm is in eval mode.

    In training that halves what is kept for the backward pass, with the same outputs and the same
    gradients for the input and all parameters of both layers (arXiv 2305.11624). Where the two
    cannot be one - a norm that takes statistics of the batch, another convolution than ``Conv2d``,
    hooks, parametrizations, tracing - they are computed as they are.

    Args:
        x: ``(N, C_in, H, W)``.
        conv: the convolution; of an ``nn.Sequential`` the last layer.
        norm: the norm of its output.

    Returns:
        ``(N, C_out, H', W')``, a tensor of its own: the caller may change it in place.

    Example:
        >>> conv, norm = nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8).eval()
        >>> tuple(conv_norm(torch.zeros(1, 3, 8, 8), conv, norm).shape)
        (1, 8, 6, 6)
    """
    return conv_norm_act(x, conv, norm)


def conv_norm_act(
    x: Tensor,
    conv: nn.Module,
    norm: nn.Module,
    act: nn.Module | None = None,
    shortcut: Tensor | None = None,
) -> Tensor:
    """``act(norm(conv(x)) + shortcut)``; sum and activation are in place, or in the same pass.

    Args:
        x, conv, norm: as in :func:`conv_norm`.
        act: the activation; None is none.
        shortcut: what is added, of the norm's shape; stays as it is.

    Returns:
        ``(N, C_out, H', W')``.

    Example:
        >>> conv, norm = nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8).eval()
        >>> shortcut = -torch.ones(1, 8, 8, 8)
        >>> conv_norm_act(torch.zeros(1, 3, 8, 8), conv, norm, nn.ReLU(), shortcut).max().item()
        0.0
    """
    while isinstance(conv, nn.Sequential) and len(conv) and is_plain_sequence(conv):
        *first, conv = list(conv)
        for layer in first:
            x = layer(x)
    if FOLDING and is_ordinary(x) and is_foldable(conv, norm):
        out = _folded(x, conv, norm, act, shortcut)
        if out is not None:
            return out
    out = norm(conv(x))
    if is_watched(conv) or is_watched(norm):
        out = out.clone()  # a hook may have kept it
    return _sum_act(out, act, shortcut)


def run_layers(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Apply ``layers`` one after the other; convolutions and what follows go through the door.

    Example:
        >>> layers = [nn.AvgPool2d(2), nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU()]
        >>> tuple(run_layers(layers, torch.zeros(1, 3, 8, 8)).shape)
        (1, 8, 4, 4)
    """
    waiting = list(layers)
    while waiting:
        if len(waiting) > 1 and isinstance(waiting[0], nn.Conv2d):
            act = waiting[2] if len(waiting) > 2 and is_plain_relu(waiting[2]) else None
            x = conv_norm_act(x, waiting[0], waiting[1], act)
            del waiting[: 2 if act is None else 3]
        else:
            x = waiting.pop(0)(x)
    return x


def _folded(
    x: Tensor, conv: Any, norm: Any, act: nn.Module | None, shortcut: Tensor | None
) -> Tensor | None:
    """The same as one convolution, or None where that fails or does not pay."""
    terms = Terms(
        conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var
    )
    dtype = _conv_dtype(x, terms.weight)
    if dtype is None or terms.var.shape != terms.weight.shape[:1]:
        return None  # the layers themselves say what is wrong
    geometry = Geometry(conv.stride, conv.padding, conv.dilation, conv.groups)
    learns = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (x, shortcut, *terms)
    )
    # A frozen norm's own arithmetic gives the wider of its type and its input's.
    frozen = isinstance(norm, FrozenBatchNorm2d)
    out_dtype = torch.promote_types(dtype, terms.var.dtype) if frozen else dtype
    if torch.compiler.is_compiling():
        if not learns:
            return None  # the compiler puts a norm into the pass of its neighbours
        # What to keep, and what to compute again, is the compiler's choice then.
        weight, bias = (tensor.to(dtype) for tensor in fold(terms, norm.eps))
        out = F.conv2d(x.to(dtype), weight, bias, *geometry)
        return _sum_act(out.to(out_dtype), act, shortcut)

    sums = shortcut is not None and shortcut.dtype == dtype == out_dtype
    relu = is_plain_relu(act) and (sums or (shortcut is None and dtype == out_dtype))
    inside = shortcut if sums else None
    if learns:
        out = FoldedConv.apply(x, inside, relu, dtype, norm.eps, geometry, *terms)
    elif _pays(x, geometry, terms.weight):
        weight, bias = (tensor.to(dtype) for tensor in fold(terms, norm.eps))
        out = conv_sum_relu(x.to(dtype), weight, bias, geometry, shortcut=inside, relu=relu)
    else:
        return None
    return _sum_act(out.to(out_dtype), None if relu else act, None if sums else shortcut)


def _sum_act(out: Tensor, act: nn.Module | None, shortcut: Tensor | None) -> Tensor:
    if shortcut is not None:
        out += shortcut
    return out if act is None else act(out)


def _conv_dtype(x: Tensor, weight: Tensor) -> torch.dtype | None:
    """The type that ``F.conv2d`` would compute in, or None where it would refuse."""
    device = x.device.type
    autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    dtypes = {
        torch.get_autocast_dtype(device) if autocast and dtype != torch.float64 else dtype
        for dtype in (x.dtype, weight.dtype)
    }
    return dtypes.pop() if len(dtypes) == 1 else None


def _pays(x: Tensor, geometry: Geometry, weight: Tensor) -> bool:
    """Whether the weight is smaller than the output: so folding touches less memory than a norm."""
    pixels = x.shape[0] * x.shape[2] * x.shape[3] // (geometry.stride[0] * geometry.stride[1])
    return weight[0].numel() <= pixels
