"""Random weights with which a model tells images, places and classes apart, as a trained one does.

As they are drawn, hundreds of scores are equal to the last digit, and which of two equal boxes is
suppressed is chance: two programs that compute the same differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

#: Layers whose output is linear in their weight; of whatever class, by its name.
LINEAR = ("Conv2d", "Linear")
#: Standard deviation of what a layer gives, and of what moves boxes.
SPREAD, OFFSETS = 1.0, 0.3


def spread_weights(model: nn.Module, run: Callable[[], Any], seed: int = 0) -> None:
    """Draw all weights and scale each layer's so that what it gives has one spread.

    Layer after layer, in the order of the run (the idea of LSUV, arXiv 1511.06422).

    Args:
        model: is changed.
        run: calls the model with images.
        seed: of the weights.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 5, 3))
        >>> x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> spread_weights(net, lambda: net(x))
        >>> round(float(net(x).std()), 3)
        1.0
    """
    generator = torch.Generator().manual_seed(seed)
    hooks = []
    for name, module in model.named_modules():
        if type(module).__name__ in LINEAR:
            hooks.append(module.register_forward_hook(_scaled_once(name, generator)))
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()


def _scaled_once(name: str, generator: torch.Generator) -> Callable[..., Tensor | None]:
    target = OFFSETS if re.search(r"reg|bbox_pred|offset", name) else SPREAD
    done = False

    def scale(module: Any, given: tuple[Tensor, ...], out: Tensor) -> Tensor | None:
        nonlocal done
        if done or not out.numel():  # a layer for several levels is scaled at the first
            return None
        done = True
        module.weight.normal_(0, 1, generator=generator)
        if module.bias is not None:
            module.bias.zero_()
        size = float(module.forward(*given).std())
        if 0 < size < float("inf"):
            module.weight.mul_(target / size)
        return module.forward(*given)

    return scale
