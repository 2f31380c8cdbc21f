"""All feature maps of a network, for interfaces that number them otherwise than ``forward``."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...layers import run_layers
from ..memory_format import (
    back_to_contiguous,
    starts_channels_last,
    stays_channels_last,
    to_channels_last,
)


def maps_in_order(net: Any, x: Tensor, stages: int) -> tuple[list[Tensor], bool]:
    """The stem's feature map before its pooling, the one behind it, and those of ``stages`` stages.

    Computed as in the forward pass of a ``FlexResNet``; without stages, the pooling is left out.

    Args:
        net: the ``FlexResNet``.
        x: ``(N, in_channels, H, W)``.
        stages: how many of them are run.

    Returns:
        The maps, and whether some are in channels_last format though ``x`` is contiguous: those
        that are given on are then to be made contiguous.

    Example:
        >>> import torch
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(18, width=0.25).eval()
        >>> maps, _ = maps_in_order(net, torch.zeros(1, 3, 64, 64), stages=1)
        >>> [tuple(one.shape) for one in maps]
        [(1, 16, 32, 32), (1, 16, 16, 16), (1, 16, 16, 16)]
    """
    back = net.channels_last == "auto" and starts_channels_last(x, net)
    if back or net.channels_last is True:
        x = to_channels_last(x)
    *before, pool = net.stem_layers
    # (N, in_channels, H, W) -> (N, stem_channels, H / 2, W / 2)
    maps = [run_layers(before, x)]
    if stages:
        # -> (N, stem_channels, H / 4, W / 4)
        maps.append(run_layers([pool], maps[-1]))
    for index, stage in enumerate(net.stages[:stages]):
        # (N, C, h, w) -> (N, C', h / stride, w / stride)
        x = maps[-1]
        if back and index and not x.is_contiguous() and not stays_channels_last(x, stage):
            x = back_to_contiguous(x)
        maps.append(stage(x))
    return maps, back
