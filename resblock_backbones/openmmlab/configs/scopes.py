"""The package that a config is for, and its import before the config is checked."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import importlib.util
import io
import warnings
from collections.abc import Mapping
from typing import Any

from ...options.errors import ConfigError


def scope_of(cfg: Mapping[str, Any]) -> str | None:
    """The package in which the names of a config are looked up.

    New-style configs have ``default_scope = None`` and classes in place of names: the package is
    then that of the model's class.

    >>> scope_of({"default_scope": None, "model": {"type": "mmdet.models.RetinaNet"}})
    'mmdet'
    >>> scope_of({"model": {"type": "RetinaNet"}}) is None
    True
    """
    if cfg.get("default_scope"):
        return str(cfg["default_scope"])
    kind = (cfg.get("model") or {}).get("type")
    module = kind if isinstance(kind, str) else getattr(kind, "__module__", "")
    package, dot, _ = module.partition(".")
    return package if dot else None


def import_scope(scope: str | None) -> None:
    """Import MMDetection or MMSegmentation without the messages of their optional parts.

    Their registries are filled at the first lookup of a name, which is too late for checks, and
    some of their modules print a list of missing packages.
    """
    if scope not in ("mmdet", "mmseg"):
        return
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in ("datasets", "engine", "evaluation", "models", "visualization"):
            importlib.import_module(f"{scope}.{part}")


def check_scope(cfg: Mapping[str, Any]) -> None:
    """Refuse a config whose package is not installed.

    Raises:
        ConfigError: it names one as its scope that cannot be found.
    """
    scope = scope_of(cfg)
    if scope is None or importlib.util.find_spec(scope) is not None:
        return
    given = f"default_scope = {scope!r}" if cfg.get("default_scope") else f"model.type of {scope}"
    near = difflib.get_close_matches(scope, ["mmdet", "mmseg", "mmengine", "mmpretrain"], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ConfigError(f"{given}: no package of this name is installed{hint}")
