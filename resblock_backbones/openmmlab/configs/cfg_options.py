"""`--cfg-options`: changes of a config as they are typed on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from ...options.errors import ConfigError


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`["model.backbone.depth=34"]` -> `{"model.backbone.depth": 34}`, by MMEngine's rules.

    Args:
        pairs: each as `key=value`.

    Raises:
        ConfigError: one is no such pair, or its value cannot be read.

    >>> parse_options(["model.backbone.depth=34", "a.b=[1,2]"])
    {'model.backbone.depth': 34, 'a.b': [1, 2]}
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, _ = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--cfg-options {pair}: write it as key=value")
        try:
            parsed = argparse.Namespace()
            DictAction([], "options")(argparse.ArgumentParser(), parsed, [pair])
        except (ValueError, AssertionError) as error:
            raise ConfigError(f"--cfg-options {pair}: {error}") from error
        options.update(parsed.options)
    return options
