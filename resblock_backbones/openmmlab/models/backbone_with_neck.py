"""The backbone of a config with the neck behind it, ready for use."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from mmengine.registry import MODELS
from torch import nn

from ...options.errors import ConfigError, InputError
from ...weights.choose import RANDOM, ChosenNetwork
from ..configs.read import read_config
from ..configs.scopes import scope_of
from .backbone_of_config import pixels_of_config
from .channels import link_channels
from .model_weights import load_model_weights


class BackboneWithNeck(nn.Module):
    """A backbone and a neck, such as FPN, one after the other.

    Args:
        backbone: gives a tuple of feature maps.
        neck: takes them.
    """

    def __init__(self, backbone: nn.Module, neck: nn.Module) -> None:
        super().__init__()
        self.backbone, self.neck = backbone, neck

    def forward(self, x: torch.Tensor) -> Any:
        """The neck's feature maps of images ``(N, C, H, W)``."""
        return self.neck(self.backbone(x))


def network_with_neck(
    config: str, weights: str | None = None, *, cfg_options: Mapping[str, Any] | None = None
) -> ChosenNetwork:
    """The backbone and the neck of a config.

    Args:
        config: the config file.
        weights: of the whole model; None initialises as the ``init_cfg`` of both say.
        cfg_options: dotted key -> value, merged into the config.

    Raises:
        ConfigError: the config cannot be read, its model has no neck, or a part refuses its
            options.
        CheckpointError: the weights cannot be read, or do not fit.
    """
    cfg = read_config(config, cfg_options)
    model = cfg.get("model")
    parts = ("backbone", "neck")
    lacking = [
        name
        for name in parts
        if not isinstance(model, MutableMapping) or not isinstance(model.get(name), Mapping)
    ]
    if lacking:
        raise ConfigError(
            f"{config}: its model has no {lacking[-1]}; --from backbone takes what a backbone gives"
        )
    link_channels(cfg.model)
    with (
        torch.random.fork_rng(devices=[]),
        MODELS.switch_scope_and_registry(scope_of(cfg)) as registry,
    ):
        torch.manual_seed(0)
        built = []
        for name in parts:
            try:
                built.append(registry.build(cfg.model[name]))
                if weights is None and hasattr(built[-1], "init_weights"):
                    built[-1].init_weights()
            except InputError:  # names its file itself
                raise
            except (TypeError, ValueError, AssertionError) as error:
                raise ConfigError(f"{config}: model.{name}: {error}") from error
    net = BackboneWithNeck(*built)
    begins = cfg.model.backbone.get("init_cfg") or cfg.model.backbone.get("pretrained")
    origin = f"weights as the config's init_cfg says: {begins}" if begins else RANDOM
    if weights is not None:
        load_model_weights(net, weights)
        origin = f"weights from {weights}"
    net.eval()
    return ChosenNetwork(net, pixels_of_config(cfg), origin)
