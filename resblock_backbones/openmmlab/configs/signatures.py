"""The class behind a `type` in a config, and the keywords that it takes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from mmengine.registry import (
    DATA_SAMPLERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODELS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    TRANSFORMS,
    VISUALIZERS,
    Registry,
)

#: Where the class behind a `type` may be found.
REGISTRIES = (
    MODELS,
    DATASETS,
    TRANSFORMS,
    DATA_SAMPLERS,
    HOOKS,
    LOOPS,
    METRICS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
    PARAM_SCHEDULERS,
    VISUALIZERS,
)


def class_behind(kind: Any, scope: str | None, registries: Sequence[Registry]) -> type | None:
    """The class that a `type` of a config stands for; None where there is none, or a function."""
    if not isinstance(kind, str):
        return kind if inspect.isclass(kind) else None
    for root in registries:
        with root.switch_scope_and_registry(scope) as registry:
            found = registry.get(kind)
        if inspect.isclass(found):
            return found
    return None


def parameters_of(built: type | None) -> tuple[set[str], bool]:
    """The keywords that a class takes, and whether it takes no others."""
    names = {"type", "_delete_", "_scope_"}
    for owner in built.__mro__ if built is not None else ():
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(owner).parameters.values()
        names.update(
            p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        )
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names, True
    return names, False
