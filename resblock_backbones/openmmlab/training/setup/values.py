"""Values of another type than MMEngine's loops, hooks, schedulers and samplers take.

MMEngine compares and divides them an epoch later, or when the first checkpoint is due.
"""

from __future__ import annotations

import inspect
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.registry import (
    DATA_SAMPLERS,
    HOOKS,
    LOG_PROCESSORS,
    LOOPS,
    OPTIM_WRAPPERS,
    PARAM_SCHEDULERS,
)
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, LogProcessor, Runner

from ....options.errors import ConfigError
from ...configs.scopes import scope_of
from ...configs.signatures import class_behind

REGISTRIES = (LOOPS, HOOKS, PARAM_SCHEDULERS, OPTIM_WRAPPERS, DATA_SAMPLERS, LOG_PROCESSORS)
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")
#: Counts, each of which has to be at least 1: of training loops, schedulers and the log.
COUNTS = {
    "train_cfg": ("max_epochs", "max_iters", "val_interval"),
    "param_scheduler": ("step_size", "T_max", "total_iters", "T_0"),
    "log_processor": ("window_size",),
    **dict.fromkeys(LOADERS, ("batch_size",)),
}
#: Arguments that take more than their declared types say: a number or a dict in place
#: of text, a list in place of a number.
UNDECLARED = ("loss_scale", "eta_max")
#: Places that have to hold a dict, and those that have to hold a list, where they are set.
DICTS = (
    *("model", *LOADERS, "train_cfg", "val_cfg", "test_cfg", "optim_wrapper", "default_hooks"),
    *("env_cfg", "log_processor", "randomness", "auto_scale_lr", "visualizer"),
    *("optim_wrapper.optimizer", "optim_wrapper.paramwise_cfg", "optim_wrapper.clip_grad"),
    *("env_cfg.dist_cfg", "env_cfg.mp_cfg", *(f"{loader}.dataset" for loader in LOADERS)),
    *(f"{loader}.{part}" for loader in LOADERS for part in ("sampler", "batch_sampler")),
)
LISTS = ("custom_hooks",)
#: Of them, those that MMEngine cannot do without.
NEVER_NONE = ("env_cfg", "randomness")


def check_values(cfg: Mapping[str, Any]) -> None:
    """Refuse values that the classes of MMEngine and the samplers of PyTorch cannot take.

    What a class does not declare, and classes of other packages, are not judged.

    Args:
        cfg: the whole config; its scope is imported already.

    Raises:
        ConfigError: names the place, the value and the type that is needed.

    >>> check_values({"train_cfg": {"by_epoch": True, "max_epochs": 12, "val_begin": "a"}})
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: train_cfg.val_begin='a': \
EpochBasedTrainLoop takes int
    """
    _check_containers(cfg)
    for place, part, built in _parts(cfg):
        for name, hint in _hints_of(built).items():
            if name in part and name not in UNDECLARED and not _fits(part[name], hint):
                raise ConfigError(
                    f"{place}.{name}={_shown(part[name])}: {built.__name__} takes {_name_of(hint)}"
                )
        for name in COUNTS.get(place.partition("[")[0], ()):
            _check_count(place, name, part)
    _check_count("auto_scale_lr", "base_batch_size", cfg.get("auto_scale_lr") or {})
    own = (cfg.get("log_processor") or {}).get("custom_cfg")
    for place, part in _members("log_processor.custom_cfg", own):
        _check_count(place, "window_size", part)
    _check_intervals(cfg.get("train_cfg") or {})
    _check_ends(cfg)


def _check_containers(cfg: Mapping[str, Any]) -> None:
    for place in (*DICTS, *LISTS):
        key, _, inner = place.partition(".")
        part = cfg.get(key) if inner else cfg
        if not isinstance(part, Mapping) or (inner or key) not in part:
            continue
        value = part[inner or key]
        kind, name = (list | tuple, "a list") if place in LISTS else (Mapping, "a dict")
        if isinstance(value, kind) or (value is None and place not in NEVER_NONE):
            continue
        raise ConfigError(f"{place}={_shown(value)}: must be {name}")


def _check_count(place: str, name: str, part: Mapping[str, Any]) -> None:
    value = part.get(name)
    if isinstance(value, numbers.Real) and not float(value) >= 1:
        raise ConfigError(f"{place}.{name}={value!r}: must be at least 1")
    if name.startswith("max_") and value == math.inf:
        raise ConfigError(f"{place}.{name}={value!r}: the length of a run must be a number")


def _check_intervals(loop: Mapping[str, Any]) -> None:
    for pair in loop.get("dynamic_intervals") or ():
        if pair[1] < 1:
            raise ConfigError(
                f"train_cfg.dynamic_intervals: {tuple(pair)}: an interval must be at least 1"
            )


def _check_ends(cfg: Mapping[str, Any]) -> None:
    """Refuse endless samplers where a pass over the images has to end."""
    loops = [built for place, _, built in _parts(cfg) if place == "train_cfg"]
    for key in LOADERS:
        sampler = (cfg.get(key) or {}).get("sampler")
        if not isinstance(sampler, Mapping) or "type" not in sampler:
            continue
        built = class_behind(sampler["type"], scope_of(cfg), REGISTRIES)
        if not (inspect.isclass(built) and issubclass(built, InfiniteSampler)):
            continue
        if key != "train_dataloader":
            raise ConfigError(f"{key}.sampler={built.__name__}: it never ends; use DefaultSampler")
        if any(issubclass(loop, EpochBasedTrainLoop) for loop in loops):
            raise ConfigError(
                f"{key}.sampler={built.__name__}: an epoch of it never ends; use DefaultSampler, "
                "or count iterations (train_cfg=dict(type='IterBasedTrainLoop', max_iters=...))"
            )


def _parts(cfg: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Places in a config, what they hold, and the class or method that takes it."""
    train = cfg.get("train_cfg") or {}
    loop = EpochBasedTrainLoop if train.get("by_epoch", True) else IterBasedTrainLoop
    several = [("train_cfg", train, loop), ("randomness", cfg.get("randomness"), None)]
    several += [(key, cfg.get(key), None) for key in ("val_cfg", "test_cfg", "optim_wrapper")]
    several += [("log_processor", cfg.get("log_processor"), LogProcessor)]
    for key in ("default_hooks", "custom_hooks", "param_scheduler"):
        several += [(place, part, None) for place, part in _members(key, cfg.get(key))]
    for key in LOADERS:
        loader = cfg.get(key) or {}
        several.append((key, loader, torch.utils.data.DataLoader))
        several.append((f"{key}.sampler", loader.get("sampler"), None))
    for place, part, default in several:
        if not isinstance(part, Mapping):
            continue
        built: Any = default
        if "type" in part:
            built = class_behind(part["type"], scope_of(cfg), REGISTRIES)
        if place == "randomness":
            built = Runner.set_randomness
        if built is not None and built.__module__.split(".")[0] in ("mmengine", "torch"):
            yield place, part, built


def _members(key: str, several: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(several, Mapping) and "type" not in several:
        yield from ((f"{key}.{name}", one) for name, one in several.items())
    elif isinstance(several, Mapping):
        yield key, several
    elif isinstance(several, list | tuple):
        yield from ((f"{key}[{index}]", one) for index, one in enumerate(several))


def _hints_of(built: Callable[..., Any]) -> dict[str, Any]:
    """Declared types by name of the argument, also of those that a class hands to its parents."""
    owners = built.__mro__ if inspect.isclass(built) else [None]
    hints: dict[str, Any] = {}
    for owner in owners:
        function = built if owner is None else vars(owner).get("__init__")
        if function is None:
            continue
        parameters = inspect.signature(function).parameters
        for name, parameter in parameters.items():
            declared = _evaluated(parameter.annotation, function)
            if declared is inspect.Parameter.empty and isinstance(parameter.default, int | float):
                declared = numbers.Real | None
            if name not in hints and declared is not inspect.Parameter.empty:
                optional = parameter.default is None
                hints[name] = typing.Optional[declared] if optional else declared  # noqa: UP045
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            break
    return hints


def _evaluated(declared: Any, function: Callable[..., Any]) -> Any:
    """A type that a function declares, also where its module postpones annotations."""
    if not isinstance(declared, str):
        return declared
    names = getattr(function, "__globals__", {})
    try:
        return typing.get_type_hints(
            types.SimpleNamespace(__annotations__={"it": declared}), names
        )["it"]
    except Exception:  # of modules that are imported for checks of types alone
        return inspect.Parameter.empty


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a declared type; True where that cannot be told.

    >>> _fits(3, float), _fits("3", int), _fits([1, "2"], list[int]), _fits("a", Callable)
    (True, False, False, True)
    >>> _fits(float("nan"), int), _fits(float("inf"), int)
    (False, True)
    """
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if hint is None or hint is type(None):
        return value is None
    if hint in (int, float, bool, numbers.Real):
        if not isinstance(value, numbers.Real):
            return False
        # An end of infinity is no end.
        return hint in (float, numbers.Real) or math.isinf(value) or float(value).is_integer()
    if hint is str:
        return isinstance(value, str) or inspect.isclass(value)  # of new-style configs
    if (origin or hint) is dict:
        return isinstance(value, Mapping)
    if (origin or hint) in (list, tuple, Sequence):
        if not isinstance(value, list | tuple):
            return (origin or hint) is Sequence
        if origin is tuple and Ellipsis not in inner:
            return len(value) == len(inner) and all(map(_fits, value, inner))
        return all(_fits(one, inner[0]) for one in value) if inner else True
    return True


def _name_of(hint: Any) -> str:
    """A declared type in short.

    >>> _name_of(typing.Optional[list[int]]), _name_of(bool)
    ('list[int] or None', 'bool')
    """
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(map(_name_of, typing.get_args(hint)))
    if hint in (type(None), numbers.Real):
        return "None" if hint is type(None) else "a number"
    if inspect.isclass(hint) and not typing.get_args(hint):
        return hint.__name__
    return str(hint).replace("typing.", "")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:56]} ..."
