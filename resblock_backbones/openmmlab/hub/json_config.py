"""Parts of configs as JSON: exact, and without anything that would run code when it is read.

MMEngine builds whatever a dotted ``type`` names (``subprocess.Popen`` too), so that a config from
elsewhere may name classes of its registries alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ...options.errors import ConfigError

#: Packages in whose registries a name may be looked up.
SCOPES = ("mmengine", "mmcv", "mmdet", "mmseg")
REGISTERED = re.compile(rf"(?:(?:{'|'.join(SCOPES)})\.)?[A-Za-z_]\w*")
#: What JSON has no values for.
TUPLE, FLOAT = "__tuple__", "__float__"


def to_json(where: str, value: Any) -> Any:
    """A value of a config as JSON holds it; classes by their registered names.

    Args:
        where: its place, for messages.
        value: dicts, lists, tuples, strings, numbers, None, and classes as ``type``.

    Raises:
        ConfigError: another value, which has no place in a file.

    Example:
        >>> to_json("test_pipeline", [{"type": "mmdet.datasets.Resize", "scale": (160, 160)}])
        [{'type': 'mmdet.Resize', 'scale': {'__tuple__': [160, 160]}}]
    """
    if isinstance(value, Mapping):
        return {
            str(name): _registered(f"{where}.type", one)
            if name == "type"
            else to_json(f"{where}.{name}", one)
            for name, one in value.items()
        }
    if isinstance(value, tuple):
        return {TUPLE: [to_json(where, one) for one in value]}
    if isinstance(value, list):
        return [to_json(where, one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {FLOAT: str(value)}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise ConfigError(f"{where}={value!r}: has no place in a JSON file; write it by name")


def from_json(where: str, value: Any) -> Any:
    """What :func:`to_json` was given.

    Raises:
        ConfigError: a ``type`` that is no registered name, and could run code.

    Example:
        >>> from_json("model", {"type": "subprocess.Popen"})
        Traceback (most recent call last):
            ...
        resblock_backbones.options.errors.ConfigError: model.type='subprocess.Popen': is no name \
of a registry, and nothing else is built from a file
    """
    if isinstance(value, list):
        return [from_json(where, one) for one in value]
    if not isinstance(value, Mapping):
        return value
    if value.keys() == {TUPLE}:
        return tuple(from_json(where, one) for one in value[TUPLE])
    if value.keys() == {FLOAT}:
        return float(value[FLOAT])
    kind = value.get("type", "")
    if not isinstance(kind, str) or (kind and not REGISTERED.fullmatch(kind)):
        raise ConfigError(
            f"{where}.type={kind!r}: is no name of a registry, and nothing else is built from a "
            "file"
        )
    return {name: from_json(f"{where}.{name}", one) for name, one in value.items()}


def _registered(where: str, kind: Any) -> str:
    """``mmdet.FasterRCNN`` for the class, or for ``mmdet.models.detectors.FasterRCNN``."""
    if isinstance(kind, type):
        kind = f"{kind.__module__}.{kind.__qualname__}"
    if not isinstance(kind, str):
        raise ConfigError(f"{where}={kind!r}: has no place in a JSON file; write it by name")
    package, *_, name = ["", *kind.split(".")] if "." not in kind else kind.split(".")
    return f"{package}.{name}" if package in SCOPES else name
