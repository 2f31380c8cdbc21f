"""Mistakes in a config's hooks that MMEngine meets when the first epoch is over, or never."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from ....options.errors import ConfigError
from ...configs.nearest import nearest
from ..watching.metrics import VALIDATION_LOSS, metric_names

#: The keys of ``default_hooks`` that MMEngine and both zoos know; others are hooks of one's own.
DEFAULT_HOOKS = (
    *("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint"),
    "visualization",
)


def check_default_hooks(hooks: Mapping[str, Any] | None) -> None:
    """Refuse a misspelt key, beside which the hook that was meant would run unchanged.

    Raises:
        ConfigError: a key is none of MMEngine's, and near to one.

    >>> check_default_hooks({"checkpoints": {"type": "CheckpointHook", "interval": 5}})
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: default_hooks has no 'checkpoints'; did you \
mean 'checkpoint'?
    """
    for name in hooks or {}:
        # A second one, as `checkpoint_2` or `logger2`, is no slip.
        is_meant = re.sub(r"[_\d].*$", "", name) in DEFAULT_HOOKS or name in DEFAULT_HOOKS
        near = "" if is_meant else nearest(name, DEFAULT_HOOKS, cutoff=0.8)
        if near:
            raise ConfigError(f"default_hooks has no {name!r}{near}")


def check_checkpoint_hook(hook: Mapping[str, Any]) -> None:
    """Refuse arguments that `CheckpointHook` takes and cannot save a checkpoint with.

    Raises:
        ConfigError: it has such an argument.
    """
    known = {
        name
        for function in (CheckpointHook, Runner.save_checkpoint)
        for name in inspect.signature(function).parameters
    }
    for name in hook:
        if name not in {*known, "type", "priority"}:
            raise ConfigError(
                f"default_hooks.checkpoint: CheckpointHook has no argument {name!r}"
                f"{nearest(name, known, cutoff=0.75)}"
            )


def check_save_best(cfg: Mapping[str, Any], *, val_loss: bool) -> None:
    """Refuse to choose checkpoints by a metric that the validation does not give.

    Args:
        cfg: the config.
        val_loss: whether the validation loss is computed.

    Raises:
        ConfigError: all metrics of the evaluator are known, and this is none of them.

    >>> hook = {"type": "CheckpointHook", "save_best": "mAP"}
    >>> cfg = {"val_evaluator": {"type": "CocoMetric"}, "default_hooks": {"checkpoint": hook}}
    >>> check_save_best(cfg, val_loss=False)
    Traceback (most recent call last):
        ...
    resblock_backbones.options.errors.ConfigError: default_hooks.checkpoint.save_best: 'mAP' is no \
metric of val_evaluator; did you mean 'coco/bbox_mAP'?
    """
    hook = (cfg.get("default_hooks") or {}).get("checkpoint")
    wanted = (hook.get("save_best") if isinstance(hook, Mapping) else None) or []
    known, all_known = metric_names(cfg)
    known += [VALIDATION_LOSS] if val_loss else []
    for name in wanted if isinstance(wanted, list | tuple) else [wanted]:
        if all_known and known and name not in ("auto", *known):
            behind = [one for one in known if one.endswith((f"/{name}", f"_{name}"))]
            near = f"; did you mean {behind[0]!r}?" if behind else nearest(name, known, cutoff=0.6)
            raise ConfigError(
                f"default_hooks.checkpoint.save_best: {name!r} is no metric of val_evaluator"
                f"{near or '; there are ' + ', '.join(known[:12])}"
            )
