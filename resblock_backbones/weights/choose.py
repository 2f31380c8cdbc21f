"""A network for inference from a depth, from weights, or from both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from ..resnet.network import FlexResNet
from .backbone import open_backbone
from .load import load_weights
from .network import build_network
from .pixels import IMAGENET, Pixels, pixels_of

#: Origin of the weights of a network without a checkpoint.
RANDOM = "no weights were given: they are random"


class ChosenNetwork(NamedTuple):
    """A network for inference.

    Attributes:
        network: in eval mode.
        pixels: the preprocessing that its weights expect.
        origin: where its weights are from, in one line.
    """

    network: nn.Module
    pixels: Pixels
    origin: str


def flexible_network(
    depth: int | None = None,
    weights: str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    prefix: str | None = None,
    bands: Sequence[int | None] | None = None,
) -> ChosenNetwork:
    """A ``FlexResNet`` from a depth, weights and options.

    Args:
        depth: of the network; None infers it from the weights.
        weights: a source of ``load_weights``; None: random ones, always the same.
        options: of ``FlexResNet``. With a depth the network is built first and the weights must
            fit it; without one the network is inferred from the weights, and these options take
            precedence.
        prefix: of the backbone's names in the weights; None detects it.
        bands: for each input channel of the network, the number that it has in the weights, as
            :func:`load_weights` takes it.

    Raises:
        ValueError, TypeError: neither depth nor weights, or an invalid option.
        CheckpointError: the weights cannot be read, or do not fit.

    Example:
        >>> net, pixels, origin = flexible_network(18, options={"width": 0.25})
        >>> net.out_channels, origin
        ((16, 32, 64, 128), 'no weights were given: they are random')
    """
    options = dict(options or {})
    if bands is not None:
        options.setdefault("in_channels", len(bands))
    if weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return ChosenNetwork(FlexResNet(depth, **options).eval(), IMAGENET, RANDOM)
    opened, found = open_backbone(weights, prefix)
    pixels = pixels_of(opened.name, found)
    if depth is None:
        net = build_network(FlexResNet, opened, found, bands=bands, options=options)
        return ChosenNetwork(net.eval(), pixels, f"weights from {weights}")
    known = {"style": found.style, **found.claims.options, **opened.options}
    net = FlexResNet(depth, **{**known, **options})
    report = load_weights(net, weights, prefix=prefix, bands=bands)
    return ChosenNetwork(net.eval(), pixels, f"{weights}: {report}")
