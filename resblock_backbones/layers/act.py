"""Activations by name."""

from __future__ import annotations

import inspect

from torch import nn

from .registry import LayerCfg, build, parse_cfg

ACTIVATIONS: dict[str, type[nn.Module]] = {
    name: getattr(nn, name)
    for name in (
        *("ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish"),
        *("Hardswish", "Softplus", "Sigmoid", "Hardsigmoid", "Tanh", "Identity"),
    )
}


def build_act(cfg: LayerCfg | None) -> nn.Module:
    """Build an activation, in place where it supports that; None is ``'ReLU'``.

    Raises:
        ValueError: unknown activation.
        TypeError: the activation does not take such an argument.

    Example:
        >>> build_act(None)
        ReLU(inplace=True)
        >>> build_act(dict(type="LeakyReLU", negative_slope=0.1))
        LeakyReLU(negative_slope=0.1, inplace=True)
    """
    act_type, arguments = parse_cfg("act_cfg", "ReLU" if cfg is None else cfg, ACTIVATIONS)
    if "inplace" in inspect.signature(act_type).parameters:
        arguments.setdefault("inplace", True)
    return build("act_cfg", act_type, **arguments)
