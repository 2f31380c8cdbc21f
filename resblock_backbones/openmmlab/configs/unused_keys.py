"""Top-level keys of a config that look as if they did something and do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
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


def unused_keys(cfg: Mapping[str, Any], file: Path) -> Iterator[str]:
    """What to say of each key that a config file sets and nothing reads.

    A config is a program, whose variables are keys too: only what once had an effect is named, and
    not what its base configs keep as a variable.

    Args:
        cfg: the config.
        file: it is read from.
    """
    own = set(re.findall(r"^(\w+)\s*=", file.read_text(encoding="utf-8"), re.MULTILINE))
    for key, now in RENAMED.items():
        if key in own and isinstance(cfg.get(key), Mapping | int):
            yield f"{key}: has no effect since MMDetection 3 and MMSegmentation 1; write {now}"
    wrapper = cfg.get("optim_wrapper")
    used = wrapper.get("optimizer") if isinstance(wrapper, Mapping) else None
    if "optimizer" in own and cfg.get("optimizer") != used:
        yield "optimizer: has no effect beside optim_wrapper; write optim_wrapper.optimizer"
