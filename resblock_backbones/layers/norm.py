"""Normalisation layers by name."""

from __future__ import annotations

import contextlib
import inspect
import weakref
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from ..options.checks import check_number
from .registry import LayerCfg, build, parse_cfg

NORMS: dict[str, type[nn.Module]] = {
    "BN": nn.BatchNorm2d,
    "BN2d": nn.BatchNorm2d,
    "SyncBN": nn.SyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "GN": nn.GroupNorm,
    "IN": nn.InstanceNorm2d,
    "IN2d": nn.InstanceNorm2d,
}


def build_norm(cfg: LayerCfg | None, channels: int, momentum: float | None = 0.1) -> nn.Module:
    """Build a norm over ``channels`` of ``(N, C, H, W)``.

    Args:
        cfg: name, dict or class; None is ``'BN'``. ``requires_grad`` in a dict applies to the
            norm's parameters.
        channels: C.
        momentum: of the running statistics, if the norm has any; ``momentum`` in ``cfg`` takes
            precedence.

    Raises:
        ValueError: unknown norm, or one that does not fit ``channels``.
        TypeError: the norm does not take such an argument.

    Example:
        >>> build_norm(dict(type="GN", num_groups=32), 64).num_groups
        32
        >>> build_norm("BN", 64, momentum=0.01).momentum
        0.01
    """
    if momentum is not None:
        check_number("bn_momentum", momentum, 0, 1)
    norm_type, arguments = parse_cfg("norm_cfg", "BN" if cfg is None else cfg, NORMS)
    requires_grad = arguments.pop("requires_grad", True)
    arguments.setdefault("eps", 1e-5)
    parameters = inspect.signature(norm_type).parameters
    if "momentum" in parameters:
        arguments.setdefault("momentum", momentum)
    if norm_type is nn.GroupNorm:
        arguments["num_channels"] = channels
        norm = build("norm_cfg", norm_type, **arguments)
    else:
        norm = build("norm_cfg", norm_type, channels, **arguments)
    for parameter in norm.parameters():
        parameter.requires_grad = requires_grad
    return norm


def has_statistics(module: Any) -> bool:
    """Whether ``module`` is a batch norm, whose running statistics ``norm_eval`` freezes."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm)


class StayInEval:
    """The ``train`` of a module that stays in eval mode, whoever calls it.

    A wrapper may call ``train`` on parts of a network, and not on the network that knows which of
    them are frozen. Copying and pickling bind it to the new module.

    Example:
        >>> norm = nn.BatchNorm2d(8)
        >>> stay_in_eval(norm, True)
        >>> nn.Sequential(norm).train()[0].training
        False
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = weakref.ref(module)  # no circle, so that memory is free at once

    def __call__(self, mode: bool = True) -> nn.Module:
        module: Any = self.module()
        return nn.Module.train(module, False)

    def __deepcopy__(self, memo: dict[int, Any]) -> StayInEval:
        module: Any = self.module()
        return StayInEval(memo.get(id(module), module))

    def __reduce__(self) -> tuple[type[StayInEval], tuple[Any]]:
        return StayInEval, (self.module(),)


def stay_in_eval(module: nn.Module, stays: bool) -> None:
    """Put ``module`` in eval mode for good, or let it change its mode again."""
    if stays:
        vars(module)["train"] = StayInEval(module)
        module.eval()
    elif isinstance(vars(module).get("train"), StayInEval):
        del vars(module)["train"]


def recompute_contexts(
    module: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts for the two forward passes of checkpointing; the second keeps running statistics.

    Otherwise a batch norm would count every batch twice.
    """
    return contextlib.nullcontext(), _KeptStatistics(module)


class _KeptStatistics:
    """A context in which norms with batch statistics leave their running statistics as they are.

    It can be entered again: a graph that is kept for two backward passes recomputes in both.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.before: list[tuple[Any, float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        norms: list[Any] = [
            norm for norm in self.module.modules() if has_statistics(norm) and norm.training
        ]
        self.before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked = norm.num_batches_tracked.clone()

    def __exit__(self, *_: object) -> None:
        for norm, momentum, count in self.before:
            norm.momentum, norm.num_batches_tracked = momentum, count
        self.before = []
