"""The backbone of a config, to be exported by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.registry import MODELS

from ...options.errors import ConfigError
from ...resnet.network import FlexResNet
from ..configs.read import read_config
from .channels import flexible_backbones


def backbone_of_config(
    config: str, options: Mapping[str, Any] | None = None, *, begin: bool = True
) -> FlexResNet:
    """Build the one ``FlexResNet`` that a config holds, wherever in the model it stands.

    Args:
        config: the config file.
        options: of the backbone, before the config's.
        begin: whether it gets the first values that its ``init_cfg`` says; loads that checkpoint.

    Raises:
        ConfigError: the config cannot be read, holds no ``FlexResNet`` or several different ones,
            or the backbone refuses its options.
        CheckpointError: ``init_cfg`` names weights that cannot be read, or do not fit.
    """
    cfg = read_config(config)
    if "model" not in cfg:
        raise ConfigError(f"{config}: has no 'model'")
    found = {path: dict(backbone) for _, _, path, backbone in flexible_backbones(cfg)}
    if not found:
        raise ConfigError(
            f"{config}: its model has no FlexResNet, it has {_others(cfg.model)}; write "
            "type='FlexResNet' there"
        )
    path, backbone = next(iter(found.items()))
    if any(other != backbone for other in found.values()):
        raise ConfigError(
            f"{config}: its model has several backbones, at {', '.join(found)}; export from a "
            "config that has one of them"
        )
    try:
        net = MODELS.build({**backbone, **(options or {})})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{config}: model.{path}: {error}") from error
    if begin and net.init_cfg is not None:
        net.init_weights()
    return net


def _others(model: Mapping[str, Any]) -> str:
    backbone = model.get("backbone")
    kind = backbone.get("type") if isinstance(backbone, Mapping) else None
    return f"{kind!r} as backbone" if kind else "no backbone"
