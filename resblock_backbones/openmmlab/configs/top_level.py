"""Top-level keys of a config: those that are read, and those that look as if they were."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ...options.errors import ConfigError
from .nearest import is_slip_of

#: Top-level keys that every MMEngine config may have.
TOP_LEVEL_KEYS = (frozenset(inspect.signature(Runner).parameters) - {"cfg"}) | {
    "channels_last",
    "compile",
    "custom_imports",
    "default_scope",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "runner_type",
    "sync_bn",
    "tta_model",
    "tta_pipeline",
}

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


def refuse_misspelt(cfg: Config, file: Path) -> None:
    """Refuse a top-level key that nothing reads and that is a slip of one that is read.

    A config is a program, whose variables are keys too: what the program itself uses, and what
    resembles nothing, is one's own.

    Args:
        cfg: the config, with the text of its files.
        file: it is read from.

    Raises:
        ConfigError: names the key and the one that it resembles.
    """
    assigned, used = _names_in(cfg.text or "")
    for name in cfg:
        is_own = name in used or (file.suffix == ".py" and name not in assigned)
        if is_own or name in TOP_LEVEL_KEYS:
            continue
        for key in sorted(TOP_LEVEL_KEYS):
            if is_slip_of(name, key) and _may_be_meant(cfg[name], cfg.get(key)):
                raise ConfigError(
                    f"{file}: there is no key {name!r}, and nothing reads it; did you mean {key!r}?"
                )


def _names_in(text: str) -> tuple[set[str], set[str]]:
    """Names that config files assign at their top, and names that they use.

    Args:
        text: of all files, each behind a line with its path, as MMEngine keeps it.
    """
    assigned, used = set[str](), set[str]()
    for part in re.split(r"^(?:/|\w:\\).*\.(?:py|json|ya?ml)$", text, flags=re.MULTILINE):
        try:
            program = ast.parse(part)
        except SyntaxError:  # JSON and YAML
            continue
        for node in ast.walk(program):
            if isinstance(node, ast.Name):
                (assigned if isinstance(node.ctx, ast.Store) else used).add(node.id)
            elif isinstance(node, ast.Attribute):
                used.add(node.attr)  # of `_base_`
    return assigned, used


def _may_be_meant(value: Any, known: Any) -> bool:
    """Whether a value is of the kind that a key has in this config, if it has it."""
    kinds = (Mapping, list | tuple, str, bool | int | float)
    return known is None or any(isinstance(value, k) and isinstance(known, k) for k in kinds)
