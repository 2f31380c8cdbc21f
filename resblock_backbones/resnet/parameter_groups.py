"""How deep a parameter lies in a network, and groups of parameters for an optimizer."""

from __future__ import annotations

import re
from typing import Any, Literal

from torch import nn

from ..options.checks import check_choice, check_number
from ..options.errors import InputError
from .plan import NetworkPlan

By = Literal["block", "stage"]


def number_of_depths(plan: NetworkPlan, by: By = "block") -> int:
    """How many depths a model has: the stem, each block or stage, and all that follows.

    >>> from resblock_backbones import FlexResNet
    >>> plan = FlexResNet.plan_of(depth=18)
    >>> number_of_depths(plan), number_of_depths(plan, by="stage")
    (10, 6)
    """
    check_choice("by", by, ["block", "stage"])
    return 2 + (len(plan.stages) if by == "stage" else sum(len(one.blocks) for one in plan.stages))


def depth_of_parameter(name: str, plan: NetworkPlan, by: By = "block") -> int:
    """The depth of a parameter: 0 in the stem, then 1, 2, ... from block to block.

    Args:
        name: the parameter's, as in ``net.named_parameters()``.
        plan: the network's, ``net.plan``.
        by: whether to count blocks or stages.

    Returns:
        The depth; the last one, ``number_of_depths(plan, by) - 1``, is that of parameters that are
        not the network's, such as a head's.

    Raises:
        InputError: the network has no such stage or block.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> plan = FlexResNet.plan_of(depth=18, deep_stem=True)
        >>> names = ["stem.0.weight", "layer1.0.conv1.weight", "layer4.1.bn2.bias", "fc.weight"]
        >>> [depth_of_parameter(name, plan) for name in names]
        [0, 1, 8, 9]
        >>> [depth_of_parameter(name, plan, by="stage") for name in names]
        [0, 1, 4, 5]
    """
    last = number_of_depths(plan, by) - 1
    if re.match(r"(conv1|bn1|relu|stem|maxpool)\.", name):
        return 0
    place = re.match(r"layer(\d+)\.(\d+)\.", name)
    if place is None:
        return last
    stage, block = int(place[1]), int(place[2])
    if not 1 <= stage <= len(plan.stages) or block >= len(plan.stages[stage - 1].blocks):
        blocks = ", ".join(str(len(one.blocks)) for one in plan.stages)
        raise InputError(
            f"{name}: the network has no such block; its {len(plan.stages)} stages have {blocks} "
            "blocks"
        )
    if by == "stage":
        return stage
    return 1 + sum(len(one.blocks) for one in plan.stages[: stage - 1]) + block


def param_groups(
    net: nn.Module,
    lr: float,
    decay: float = 1.0,
    weight_decay: float = 0.0,
    *,
    by: By = "block",
) -> list[dict[str, Any]]:
    """Groups of parameters for an optimizer of PyTorch, with a smaller learning rate further down.

    Layer-wise decay of the learning rate (arXiv 2106.08254): it is ``lr`` behind the backbone, and
    each block or stage towards the image has ``decay`` times that of the next. Norms and biases get
    no weight decay (arXiv 1812.01187, section 3.1). Parameters that need no gradient are left out.

    Args:
        net: a ``FlexResNet``, or a model that contains any number of them.
        lr: the learning rate of what follows the backbones.
        decay: factor from one depth to the one before, in (0, 1].
        weight_decay: of the weights of convolutions and linear layers.
        by: whether to count blocks or stages.

    Returns:
        For each depth up to two groups: ``params``, ``lr``, ``weight_decay``, and ``param_names``,
        which PyTorch keeps in the optimizer's state.

    Raises:
        ValueError: no ``FlexResNet`` in ``net``, or a number out of its range.

    Example:
        >>> import torch
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(18, frozen_stages=2)
        >>> groups = param_groups(net, lr=1.0, decay=0.5, weight_decay=0.05)
        >>> [(group["lr"], group["weight_decay"], len(group["params"])) for group in groups[:3]]
        [(0.0625, 0.05, 3), (0.0625, 0.0, 6), (0.125, 0.05, 2)]
        >>> optimizer = torch.optim.AdamW(groups)
    """
    check_number("lr", lr, 0, float("inf"))
    check_number("decay", decay, 0, 1, low_open=True)
    check_number("weight_decay", weight_decay, 0, float("inf"))
    levels = _levels(net, by)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        level, decayed = levels.get(id(parameter), 0), parameter.dim() > 1
        group = groups.setdefault(
            (-level, not decayed),
            {
                "params": [],
                "param_names": [],
                "lr": lr * decay**level,
                "weight_decay": weight_decay if decayed else 0.0,
            },
        )
        group["params"].append(parameter)
        group["param_names"].append(name)
    return [groups[key] for key in sorted(groups)]


def _levels(net: nn.Module, by: By) -> dict[int, int]:
    """How far in front of what follows the backbone each of its parameters lies, by its id."""
    levels: dict[int, int] = {}
    plans = [(part, getattr(part, "plan", None)) for part in net.modules()]
    backbones = [(part, plan) for part, plan in plans if isinstance(plan, NetworkPlan)]
    if not backbones:
        raise InputError(f"net: there is no FlexResNet in this {type(net).__name__}")
    for backbone, plan in backbones:
        last = number_of_depths(plan, by) - 1
        for name, parameter in backbone.named_parameters():
            levels[id(parameter)] = last - depth_of_parameter(name, plan, by)
    return levels
