"""The one door through which every convolution that is followed by a norm goes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from ..options import check_choice
from .fold import FoldedConv, Geometry, Terms, folded_conv
from .foldable import is_foldable, is_ordinary, is_watched

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
    while isinstance(conv, nn.Sequential) and len(conv) and _is_plain(conv):
        for layer in conv[:-1]:
            x = layer(x)
        conv = conv[-1]
    if FOLDING and is_ordinary(x) and is_foldable(conv, norm):
        out = _folded(x, conv, norm)
        if out is not None:
            return out
    out = norm(conv(x))
    return out.clone() if is_watched(conv) or is_watched(norm) else out


def run_layers(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Apply ``layers`` one after the other; a convolution and what follows it go through the door.

    Example:
        >>> layers = [nn.AvgPool2d(2), nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU()]
        >>> tuple(run_layers(layers, torch.zeros(1, 3, 8, 8)).shape)
        (1, 8, 4, 4)
    """
    waiting: nn.Module | None = None
    for layer in layers:
        if waiting is not None:
            x = conv_norm(x, waiting, layer)
            waiting = None
        elif isinstance(layer, nn.Conv2d):
            waiting = layer
        else:
            x = layer(x)
    return x if waiting is None else waiting(x)


def _is_plain(layers: nn.Sequential) -> bool:
    return type(layers).forward is nn.Sequential.forward and not is_watched(layers)


def _folded(x: Tensor, conv: Any, norm: Any) -> Tensor | None:
    """``norm(conv(x))`` as one convolution, or None where that fails or does not pay."""
    terms = Terms(
        conv.weight, conv.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var
    )
    dtype = _conv_dtype(x, terms.weight)
    if dtype is None or terms.var.shape != terms.weight.shape[:1]:
        return None  # the layers themselves say what is wrong
    geometry = Geometry(conv.stride, conv.padding, conv.dilation, conv.groups)
    learns = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad for tensor in (x, *terms)
    )
    if torch.compiler.is_compiling():
        # The compiler decides itself what to keep; without gradients it fuses the norm into others.
        out = folded_conv(x, terms, norm.eps, geometry) if learns else None
    elif learns:
        out = FoldedConv.apply(x, dtype, norm.eps, geometry, *terms)
    elif _pays(x, geometry, terms.weight):
        out = folded_conv(x, terms, norm.eps, geometry)
    else:
        out = None
    if out is not None and isinstance(norm, FrozenBatchNorm2d):
        out = out.to(torch.promote_types(out.dtype, terms.var.dtype))  # as its arithmetic does
    return out


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
