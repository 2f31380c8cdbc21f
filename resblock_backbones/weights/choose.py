"""A network ready for use, from a depth, from weights, or from both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from ..resnet.network import FlexResNet
from .backbone import open_backbone
from .load import load_weights
from .network import build_network
from .pixels import IMAGENET, Pixels, pixels_of

#: Where the weights of a network are from that was given none.
RANDOM = "no weights were given: they are random"


class ChosenNetwork(NamedTuple):
    """A network, ready for use.

    Attributes:
        network: in eval mode.
        pixels: what its weights expect of an image.
        origin: where its weights are from, in one line for the reader.
    """

    network: nn.Module
    pixels: Pixels
    origin: str


def flexible_network(
    depth: int | None = None,
    weights: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> ChosenNetwork:
    """A ``FlexResNet`` from a depth, weights and options.

    Args:
        depth: of the network; None reads it off the weights.
        weights: what ``load_weights`` takes; None leaves random ones, always the same.
        options: of ``FlexResNet``. With a depth the network is built first and the weights must
            fit it; without one, it is what the weights are of, and these options go before what is
            read off.

    Raises:
        ValueError, TypeError: neither depth nor weights, or an option that cannot be.
        CheckpointError: the weights cannot be read, or do not fit.

    Example:
        >>> net, pixels, origin = flexible_network(18, options={"width": 0.25})
        >>> net.out_channels, origin
        ((16, 32, 64, 128), 'no weights were given: they are random')
    """
    options = dict(options or {})
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return ChosenNetwork(FlexResNet(depth, **options).eval(), IMAGENET, RANDOM)
    opened, found = open_backbone(weights)
    pixels = pixels_of(opened.name, found)
    if depth is None:
        net = build_network(FlexResNet, opened, found, options=options)
        return ChosenNetwork(net.eval(), pixels, f"weights from {weights}")
    net = FlexResNet(depth, **{"style": found.style, **opened.options, **options})
    return ChosenNetwork(net.eval(), pixels, f"{weights}: {load_weights(net, weights)}")
