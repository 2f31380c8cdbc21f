"""`--cfg-options`: changes of a config on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...options.typed_values import parse_pairs


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`["model.backbone.depth=34"]` -> `{"model.backbone.depth": 34}`.

    Args:
        pairs: each as `key=value`, the value as `parse_value` reads it.

    Raises:
        ConfigError: one is not such a pair, or its value cannot be parsed.

    >>> parse_options(["model.backbone.depth=34", "a.b=[1,2]"])
    {'model.backbone.depth': 34, 'a.b': [1, 2]}
    """
    return parse_pairs("--cfg-options", pairs)
