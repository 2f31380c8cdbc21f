"""The one door through which every convolution that is followed by a norm goes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """``norm(conv(x))``.

    Args:
        x: ``(N, C_in, H, W)``.
        conv: the convolution.
        norm: the norm of its output.

    Returns:
        ``(N, C_out, H', W')``, a tensor of its own: the caller may change it in place.
    """
    return norm(conv(x))


def run_layers(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Apply ``layers`` one after the other; a convolution and what follows it go through the door.

    Example:
        >>> import torch
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
