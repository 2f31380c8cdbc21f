"""Layers by name: torch's own first, then those in MMEngine's registry."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from ..options.checks import nearest

LayerCfg = str | Mapping[str, Any] | Callable[..., nn.Module]


def parse_cfg(option: str, cfg: LayerCfg, known: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The class that ``cfg`` stands for, and its other arguments.

    Args:
        option: the option that ``cfg`` was given for; error messages name it.
        cfg: a name, a dict in MMEngine's form (``dict(type='GN', num_groups=32)``), or a class.
        known: the names that are built without MMEngine.

    Raises:
        ValueError: no layer has this name.
    """
    if isinstance(cfg, Mapping):
        arguments = dict(cfg)
        layer_type = arguments.pop("type")
    else:
        layer_type, arguments = cfg, {}
    if isinstance(layer_type, str):
        layer_type = known.get(layer_type) or _registered(option, layer_type, known)
    return layer_type, arguments


def build(option: str, layer_type: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call ``layer_type``; an error is raised again with the name of the option in front."""
    try:
        return layer_type(*args, **kwargs)
    except (TypeError, ValueError, AssertionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        name = getattr(layer_type, "__name__", str(layer_type))
        raise kind(f"{option}: {name} cannot be built: {error}") from error


def _registered(option: str, name: str, known: Mapping[str, Any]) -> Any:
    if importlib.util.find_spec("mmengine") is None:
        raise ValueError(
            f"{option}: torch has no layer '{name}'{nearest(name, known)} (known "
            f"without MMEngine: {', '.join(known)})"
        )
    from mmengine.registry import MODELS

    broken = ""
    # MMCV registers its layers when these modules are imported.
    for module in ("mmcv.cnn", "mmcv.ops"):
        if MODELS.get(name) is None:
            try:
                importlib.import_module(module)
            except Exception as error:  # without MMCV, or with a broken one, its layers are unknown
                if getattr(error, "name", None) != "mmcv":
                    reason = " ".join(str(error).split())
                    broken = f"; {module} cannot be imported ({reason}): see `resblock doctor`"
    layer_type = MODELS.get(name)
    if layer_type is None:
        raise ValueError(
            f"{option}: no layer is called '{name}', neither in torch nor in MMEngine's "
            f"registry{broken or nearest(name, [*known, *MODELS.module_dict])}"
        )
    return layer_type
