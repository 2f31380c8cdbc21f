"""A warning when layers that do not learn hold values that nobody chose."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ..layers.norm import has_statistics


class RandomWeightsWarning(UserWarning):
    """Layers that stay as they are in training have neither been loaded nor trained."""


def remember_first_values(network: Any) -> None:
    """Note that the parameters of a `FlexResNet` have just been initialised."""
    network.weights_are_given = False
    network._first_version = _first_weight(network)._version


def warn_of_random_weights(network: Any) -> None:
    """At the first forward pass in training, say which layers hold random values for good.

    Warns:
        RandomWeightsWarning: frozen stages, or batch norms in eval mode, are as they were
            initialised.
    """
    if network.weights_are_given or torch.compiler.is_compiling():
        return
    parts = random_parts(network)
    network.weights_are_given = True  # looked at once
    if parts:
        warnings.warn(
            f"FlexResNet trains with random values that stay as they are: {' and '.join(parts)}. "
            "Load weights (load_weights, from_checkpoint, init_cfg), or train from scratch with "
            "frozen_stages=-1, norm_eval=False",
            RandomWeightsWarning,
            stacklevel=5,  # behind forward, and two functions of nn.Module
        )


def random_parts(network: Any) -> list[str]:
    """What stays as it was initialised in a network that trains; empty if nothing does.

    >>> from resblock_backbones import FlexResNet
    >>> random_parts(FlexResNet(18, frozen_stages=1))
    ['the frozen stem and stage 1', 'all batch norms, which are in eval mode']
    >>> random_parts(FlexResNet(18, norm_eval=False))
    []
    """
    norms = [one for one in network.modules() if has_statistics(one)]
    if network.weights_are_given or not _as_initialised(network, norms):
        return []
    parts = []
    if network.frozen_stages >= 0:
        stages = ", ".join(map(str, range(1, network.frozen_stages + 1)))
        parts.append("the frozen stem" + (f" and stage {stages}" if stages else ""))
    if norms and network.norm_eval:
        parts.append("all batch norms, which are in eval mode")
    return parts


def _as_initialised(network: Any, norms: list[nn.Module]) -> bool:
    """Whether no statistic was ever gathered, or, without any, no first weight ever changed."""
    try:
        statistics = [(one.running_mean, one.running_var) for one in norms[:1]]
        for mean, variance in statistics:
            if not isinstance(mean, Tensor) or not isinstance(variance, Tensor):
                return False
            if bool(mean.any()) or bool((variance != 1).any()):
                return False
    except RuntimeError:  # tensors without values: meta, fake, or inside a transform
        return False
    return bool(statistics) or _first_weight(network)._version == network._first_version


def _first_weight(network: Any) -> Tensor:
    return next(iter(network.parameters()))
