"""The one door through which every convolution that is followed by a norm goes."""

from __future__ import annotations

import os
from collections.abc import Iterable

from torch import Tensor, nn

from ...options.checks import check_choice
from .foldable import is_plain_relu, is_plain_sequence, is_watched
from .one_conv import as_one_conv, sum_act

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
        >>> import torch
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
    overwrite: bool = False,
) -> Tensor:
    """``act(norm(conv(x)) + shortcut)``; sum and activation are in place, or in the same pass.

    Args:
        x, conv, norm: as in :func:`conv_norm`.
        act: the activation; None is none.
        shortcut: what is added, of the norm's shape; stays as it is, unless ``overwrite``.
        overwrite: whether the result may take the shortcut's place in memory; nobody else may
            have it then.

    Returns:
        ``(N, C_out, H', W')``.

    Example:
        >>> import torch
        >>> conv, norm = nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8).eval()
        >>> shortcut = -torch.ones(1, 8, 8, 8)
        >>> conv_norm_act(torch.zeros(1, 3, 8, 8), conv, norm, nn.ReLU(), shortcut).max().item()
        0.0
    """
    while isinstance(conv, nn.Sequential) and len(conv) and is_plain_sequence(conv):
        *first, conv = list(conv)
        for layer in first:
            x = layer(x)
    out = as_one_conv(x, conv, norm, act, shortcut, overwrite) if FOLDING else None
    if out is not None:
        return out
    out = norm(conv(x))
    if is_watched(conv) or is_watched(norm):
        out = out.clone()  # a hook may have kept it
    return sum_act(out, act, shortcut)


def run_layers(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Apply ``layers`` one after the other; convolutions and what follows go through the door.

    So they do in every ``nn.Sequential`` among them.

    Example:
        >>> import torch
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
            continue
        layer = waiting.pop(0)
        inner = isinstance(layer, nn.Sequential) and is_plain_sequence(layer)
        x = run_layers(layer, x) if inner else layer(x)  # type: ignore[arg-type]
    return x
