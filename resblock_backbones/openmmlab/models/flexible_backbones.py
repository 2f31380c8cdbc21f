"""The ``FlexResNet``s of a config, wherever in its models they stand, and their plans."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import torch
from mmengine.registry import MODELS

from ...options.errors import ConfigError
from ...resnet.network import FlexResNet
from ...resnet.plan import NetworkPlan

Part = MutableMapping[str, Any]


def flexible_backbones(cfg: Part) -> Iterator[tuple[str, Part, str, Mapping[str, Any]]]:
    """Each ``FlexResNet`` in a config: prefix of its model, the model, its own path and config.

    >>> model = dict(detector=dict(backbone=dict(type="FlexResNet", depth=18)))
    >>> [(where, path) for where, _, path, _ in flexible_backbones(dict(model=model))]
    [('detector.', 'detector.backbone')]
    """
    if "backbone" not in cfg and isinstance(cfg.get("model"), MutableMapping):
        cfg = cfg["model"]
    yield from _walk(cfg, "")


def check_backbones(cfg: Part) -> None:
    """Refuse options that a plan allows and a layer does not, before a run begins.

    Args:
        cfg: a model's config, or a whole config with a `model`.

    Raises:
        ConfigError: a backbone cannot be built.
    """
    for _, _, path, backbone in flexible_backbones(cfg):
        with _refusals_as_config_errors(path):
            _on_meta(backbone)


def planned_models(cfg: Part) -> Iterator[tuple[str, Part, NetworkPlan]]:
    """Each model in a config that has a ``FlexResNet``: its prefix, itself, its backbone's plan.

    Raises:
        ConfigError: a backbone refuses its options.
    """
    for where, model, path, backbone in flexible_backbones(cfg):
        with _refusals_as_config_errors(path):
            plan = _plan(backbone)
        yield where, model, plan


def _plan(backbone: Mapping[str, Any]) -> NetworkPlan:
    options = {key: value for key, value in backbone.items() if key not in ("type", "_scope_")}
    if _class_of(backbone).__init__ is FlexResNet.__init__:
        return FlexResNet.plan_of(**options)
    return _on_meta(backbone).plan  # a class derived from it may have options of its own


@contextlib.contextmanager
def _refusals_as_config_errors(path: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model.{path}: {error}") from error


def _walk(model: Part, where: str) -> Iterator[tuple[str, Part, str, Mapping[str, Any]]]:
    backbone, path = model.get("backbone"), f"{where}backbone"
    if isinstance(backbone, Mapping) and "backbone_cfg" in backbone:
        backbone, path = backbone["backbone_cfg"], f"{path}.backbone_cfg"
    if isinstance(backbone, Mapping) and _is_flexible(backbone):
        yield where, model, path, backbone
    for name, part in model.items():
        if isinstance(part, MutableMapping) and name != "backbone":
            yield from _walk(part, f"{where}{name}.")


def _is_flexible(backbone: Mapping[str, Any]) -> bool:
    built = _class_of(backbone)
    return isinstance(built, type) and issubclass(built, FlexResNet)


def _class_of(backbone: Mapping[str, Any]) -> Any:
    kind = backbone.get("type")
    return MODELS.get(kind) if isinstance(kind, str) else kind


def _on_meta(backbone: Mapping[str, Any]) -> FlexResNet:
    """Build the backbone without memory for its weights."""
    with torch.device("meta"):
        return MODELS.build(dict(backbone))
