"""What is watched in a run, from the command line and the config."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from mmengine.hooks import Hook

from .early_stop import EarlyStopHook
from .finite import FiniteLossHook
from .metrics import VALIDATION_LOSS, early_stop, main_metric
from .speed import SpeedHook
from .validation_loss import ValidationLossHook, loss_dataloader


def watch(
    cfg: MutableMapping[str, Any], *, val_loss: bool, stop: str | None
) -> tuple[list[Hook], list[str]]:
    """The hooks of a training run, and the best checkpoint kept, in place.

    Args:
        cfg: the config.
        val_loss: whether the validation loss is computed.
        stop: METRIC[:PATIENCE] at which training ends early.

    Returns:
        The hooks, and lines for the log.

    Raises:
        ConfigError: there is no such metric, or no annotations to compute a loss with.
    """
    hooks: list[Hook] = [FiniteLossHook(), SpeedHook()]
    notes = []
    if val_loss:
        hooks.append(ValidationLossHook(loss_dataloader(cfg)))
    if stop is not None:
        chosen = early_stop(stop, cfg, val_loss=val_loss)
        hooks.append(EarlyStopHook(chosen.metric, chosen.patience))
        notes.append(
            f"training ends after {chosen.patience} validations without a better {chosen.metric}"
        )
    return hooks, notes + keep_the_best(cfg, val_loss=val_loss)


def keep_the_best(cfg: Mapping[str, Any], *, val_loss: bool) -> list[str]:
    """Have the checkpoint of the best validation kept, where the config says nothing about it."""
    hook = (cfg.get("default_hooks") or {}).get("checkpoint")
    validates = cfg.get("val_cfg") and cfg.get("val_evaluator")
    if not isinstance(hook, MutableMapping) or "save_best" in hook or not validates:
        return []
    metric = main_metric(cfg, val_loss=val_loss)
    if metric is None:
        return []
    hook["save_best"] = metric
    hook["rule"] = "less" if metric == VALIDATION_LOSS else "greater"
    return [f"the checkpoint with the best {metric} is kept"]
