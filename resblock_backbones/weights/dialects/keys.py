"""Parameter names of other families' checkpoints, and those of ``FlexResNet``."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

# MMDetection names a norm after its kind (gn1, in1, ...), others call the shortcut downsample.
RENAMES = (
    (re.compile(r"^((?:layer\d+\.\d+\.)?)(?:gn|in|ln|norm_layer|norm)(\d)\."), r"\1bn\2."),
    (re.compile(r"^(layer\d+\.\d+\.)(?:downsample|shortcut)\."), r"\1residual."),
)


def rename_key(key: str) -> str:
    """The name of a ResNet's ``key`` in ``FlexResNet``; other keys are unchanged.

    >>> rename_key("layer2.0.downsample.1.weight"), rename_key("layer1.0.gn3.bias")
    ('layer2.0.residual.1.weight', 'layer1.0.bn3.bias')
    """
    for pattern, replacement in RENAMES:
        key = pattern.sub(replacement, key)
    return key


def rename_keys(state_dict: MutableMapping[str, Any], prefix: str = "") -> None:
    """Rename, in place, the keys that begin with ``prefix``."""
    for key in [key for key in state_dict if key.startswith(prefix)]:
        renamed = prefix + rename_key(key[len(prefix) :])
        if renamed != key:
            state_dict[renamed] = state_dict.pop(key)
