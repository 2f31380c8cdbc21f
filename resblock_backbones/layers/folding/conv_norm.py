"""The entry point for every convolution that is followed by a norm."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from ...options.checks import check_choice
from .batch_norm import as_norm_relu
from .foldable import has_hooks, is_plain_relu, is_plain_sequence
from .one_conv import as_one_conv, sum_act
from .readers import read, reads_again
from .recomputed import is_light

# With RESBLOCK_FOLD=off every convolution and norm is computed as two layers, for comparison.
FOLDING = (
    check_choice("RESBLOCK_FOLD", os.environ.get("RESBLOCK_FOLD", "on").lower(), ["on", "off"])
    == "on"
)


@contextlib.contextmanager
def folding_off() -> Iterator[None]:
    """Compute every convolution and its norm as two layers, to measure what folding changes."""
    global FOLDING
    before, FOLDING = FOLDING, False
    try:
        yield
    finally:
        FOLDING = before


def conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """``norm(conv(x))``, computed as one convolution if the norm is in eval mode.

    In training this halves the saved activations, with the same outputs and the same gradients for
    the input and all parameters of both layers (arXiv 2305.11624). The two layers are computed one
    after the other if they cannot be folded: with a norm that uses batch statistics, a convolution
    other than ``Conv2d``, hooks or parametrizations, and while tracing.

    Args:
        x: ``(N, C_in, H, W)``.
        conv: the convolution, or an ``nn.Sequential`` whose last layer is one.
        norm: the norm of its output.

    Returns:
        ``(N, C_out, H', W')``, a new tensor that the caller may change in place.

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
    reader: nn.Module | None = None,
    light: bool = False,
) -> Tensor:
    """``act(norm(conv(x)) + shortcut)``, with sum and activation in place or fused.

    Args:
        x, conv, norm: as in :func:`conv_norm`.
        act: the activation, or None.
        shortcut: is added to the norm's output, whose shape it has; unchanged unless ``overwrite``.
        overwrite: whether the result may be written into the memory of ``shortcut``; only if
            nothing else uses that tensor.
        reader: the convolution or max pooling that alone reads the result, by this function or
            :func:`~.readers.read`. Then autograd saves what the norm reads, and not the result, if
            the norm uses batch statistics and a ReLU follows: the backward pass computes it again.
        light: with a ``reader``, save ``x`` alone, if the convolution is a small part of the
            computation; the backward pass computes it again.

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
            x = read(x, layer)
    if FOLDING:
        recompute = reads_again(reader)
        light = light and recompute and is_light(conv)
        out = as_one_conv(x, conv, norm, act, shortcut, overwrite, light)
        if out is None and recompute and shortcut is None:
            out = as_norm_relu(x, conv, norm, act, light)
        if out is not None:
            return out
    out = norm(read(x, conv))
    if has_hooks(conv) or has_hooks(norm):
        out = out.clone()  # a hook may hold a reference to it
    return sum_act(out, act, shortcut)


def run_layers(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Apply ``layers`` one after the other, a convolution and its norm by :func:`conv_norm_act`.

    Layers inside of an ``nn.Sequential`` are treated the same way.

    Args:
        layers: in the order in which they run.
        x: ``(N, C, H, W)``, what the first one takes.

    Example:
        >>> import torch
        >>> layers = [nn.AvgPool2d(2), nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU()]
        >>> tuple(run_layers(layers, torch.zeros(1, 3, 8, 8)).shape)
        (1, 8, 4, 4)
    """
    waiting = list(layers)
    while waiting:
        layer = waiting.pop(0)
        if isinstance(layer, nn.Sequential) and is_plain_sequence(layer):
            waiting[:0] = layer
        elif isinstance(layer, nn.Conv2d) and waiting:
            norm = waiting.pop(0)
            act = waiting.pop(0) if waiting and is_plain_relu(waiting[0]) else None
            x = conv_norm_act(x, layer, norm, act, reader=waiting[0] if waiting else None)
        else:
            x = read(x, layer)
    return x
