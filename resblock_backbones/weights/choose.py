"""The network whose features are wanted, from a depth, from weights, or from both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..resnet.network import FlexResNet
from .backbone import find_backbone
from .load import load_weights
from .network import build_network
from .pixels import IMAGENET, Pixels, pixels_of
from .reading.sources import open_source


def flexible_network(
    depth: int | None = None,
    weights: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> tuple[FlexResNet, Pixels, list[str]]:
    """A ``FlexResNet`` in eval mode, what its weights expect of an image, and what to know.

    Args:
        depth: of the network; None reads it off the weights.
        weights: what ``load_weights`` takes; None leaves random ones, always the same.
        options: of ``FlexResNet``. With them or a depth the network is built first and the weights
            must fit it; without, it is what the weights are of.

    Returns:
        The network, its :class:`Pixels`, and notes for the reader.

    Raises:
        ValueError, TypeError: neither depth nor weights, or an option that cannot be.
        CheckpointError: the weights cannot be read, or do not fit.

    Example:
        >>> net, pixels, notes = flexible_network(18, options={"width": 0.25})
        >>> net.out_channels, notes
        ((16, 32, 64, 128), ['no weights were given: they are random'])
    """
    options = dict(options or {})
    if weights is None:
        if depth is None and "stage_blocks" not in options:
            raise ValueError("--depth: give a depth, or --weights, or both, or --config")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = FlexResNet(depth, **options)
        return net.eval(), IMAGENET, ["no weights were given: they are random"]
    opened = open_source(weights)
    found = find_backbone(opened.content, opened.name)
    pixels = pixels_of(opened.name, found)
    if depth is None:
        return build_network(FlexResNet, opened, found, options=options).eval(), pixels, []
    net = FlexResNet(depth, **{"style": found.style, **opened.options, **options})
    return net.eval(), pixels, [f"{weights}: {load_weights(net, weights)}"]
