"""Keys that a part of a model has from a base config, where it was of another type.

`_base_` of a Swin config and `backbone=dict(type="FlexResNet")` leaves `embed_dims` in place:
MMEngine merges dicts, and drops what was there only with `_delete_=True`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS

from ...options.errors import ConfigError
from .scopes import scope_of
from .signatures import class_behind, parameters_of

#: What MMDetection hands to a head beside its own config.
GIVEN = {"train_cfg", "test_cfg", "init_cfg"}


def refuse_inherited(cfg: Config, file: Path) -> None:
    """Refuse keys that the class of a backbone, neck or head lacks and the file does not name.

    Args:
        cfg: the whole config; its scope is imported already.
        file: where it was read from.

    Raises:
        ConfigError: names them and how to drop them.
    """
    own = set(re.findall(r"\w+", file.read_text(encoding="utf-8")))
    for path, part in _parts(cfg.get("model"), "model"):
        kind = part.get("type")
        built = class_behind(kind, scope_of(cfg), [MODELS])
        if built is None or _takes_others(built):
            continue
        names, _ = parameters_of(built)
        wrong = [key for key in part if key not in names | GIVEN and key not in own]
        if wrong:
            name = kind if isinstance(kind, str) else getattr(kind, "__name__", kind)
            raise ConfigError(
                f"{file}: {path}: {name} has no option {', '.join(map(repr, wrong))} "
                "(from the base config: `_delete_=True` drops it)"
            )


def _takes_others(built: type) -> bool:
    """Whether a class takes any keyword: some swallow those that no class above them knows."""
    parameters = inspect.signature(built).parameters.values()
    return any(one.kind is one.VAR_KEYWORD for one in parameters)


def _parts(model: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Backbone, neck and heads of a model, of the models inside it, and of a RoI head."""
    if not isinstance(model, Mapping):
        return
    for key, part in model.items():
        place = f"{path}.{key}"
        if key in ("backbone", "neck") or str(key).endswith("head"):
            several = part if isinstance(part, list | tuple) else [part]
            yield from ((place, one) for one in several if isinstance(one, Mapping))
        if key != "backbone":
            yield from _parts(part, place)
