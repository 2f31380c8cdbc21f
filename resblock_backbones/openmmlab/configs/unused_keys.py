"""Top-level keys of a config that look as if they did something and do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: Keys of MMDetection 2.x and MMSegmentation 0.x, and what they are called since.
RENAMED = {
    "optimizer_config": "optim_wrapper.clip_grad",
    "lr_config": "param_scheduler",
    "checkpoint_config": "default_hooks.checkpoint",
    "log_config": "default_hooks.logger",
    "evaluation": "train_cfg.val_interval and val_evaluator",
    "runner": "train_cfg",
    "total_epochs": "train_cfg.max_epochs",
    "data": "train_dataloader, val_dataloader and test_dataloader",
    "dist_params": "env_cfg.dist_cfg",
}


def unused_keys(cfg: Mapping[str, Any]) -> Iterator[str]:
    """What to say of each key that has no effect.

    A config is a program, whose variables are keys too: only what once had an effect is named.

    Args:
        cfg: the config.

    >>> list(unused_keys({"lr_config": {"policy": "step"}}))
    ['lr_config: has no effect since MMDetection 3 and MMSegmentation 1; write param_scheduler']
    """
    for key, now in RENAMED.items():
        if isinstance(cfg.get(key), Mapping | int):
            yield f"{key}: has no effect since MMDetection 3 and MMSegmentation 1; write {now}"
    optimizer, wrapper = cfg.get("optimizer"), cfg.get("optim_wrapper")
    used = wrapper.get("optimizer") if isinstance(wrapper, Mapping) else None
    if isinstance(optimizer, Mapping) and "type" in optimizer and optimizer != used:
        yield "optimizer: has no effect beside optim_wrapper; write optim_wrapper.optimizer"
