"""The backbone of a config, ready for use."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from ...options.errors import ConfigError, InputError
from ...resnet.network import FlexResNet
from ...weights import load_weights
from ...weights.choose import RANDOM, ChosenNetwork
from ...weights.pixels import IMAGENET, Pixels
from ..configs.read import read_config
from ..configs.scopes import scope_of
from .flexible_backbones import flexible_backbones
from .model_weights import load_model_weights


def network_of_config(
    config: str,
    weights: str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    any_backbone: bool = False,
    prefix: str | None = None,
    bands: Sequence[int | None] | None = None,
) -> ChosenNetwork:
    """The backbone of a config.

    Args:
        config: the config file.
        weights: of the whole model or its backbone; None initialises as the backbone's
            ``init_cfg`` says.
        options: of the backbone; they take precedence over the config's.
        cfg_options: dotted key -> value, merged into the config.
        any_backbone: take ``model.backbone``, of whatever type; else the only ``FlexResNet`` of
            the model, anywhere in it.
        prefix: of the backbone's names in the weights; None detects a ``FlexResNet``'s, and takes
            the place in the model for another backbone's.
        bands: for each input channel of a ``FlexResNet``, the number that it has in the weights.

    Raises:
        ConfigError: the config cannot be read, has no such backbone or several different ones, or
            the backbone refuses its options.
        CheckpointError: the weights cannot be read, or do not fit.
    """
    cfg = read_config(config, cfg_options)
    path, backbone = _find_backbone(cfg, config, any_backbone)
    chosen = {**backbone, **(options or {})}
    if bands is not None:
        chosen.setdefault("in_channels", len(bands))
    with (
        torch.random.fork_rng(devices=[]),
        MODELS.switch_scope_and_registry(scope_of(cfg)) as registry,
    ):
        torch.manual_seed(0)
        try:
            net = registry.build(chosen)
            if weights is None:
                net.init_weights()
        except InputError:  # names its file itself
            raise
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{config}: model.{path}: {error}") from error
    if weights is None:
        begins = chosen.get("init_cfg") or chosen.get("pretrained")
        origin = f"weights as the config's init_cfg says: {begins}" if begins else RANDOM
    elif isinstance(net, FlexResNet):
        origin = f"{weights}: {load_weights(net, weights, prefix=prefix, bands=bands)}"
    else:
        names = f"{path}." if prefix is None else f"{prefix.rstrip('.')}."
        load_model_weights(net, weights, prefix=names)
        origin = f"weights from {weights}"
    net.eval()  # MMDetection's own backbones give nothing back here
    return ChosenNetwork(net, pixels_of_config(cfg), origin)


def _find_backbone(cfg: Config, config: str, any_backbone: bool) -> tuple[str, Mapping[str, Any]]:
    """Path of the backbone in the model's config, and its config."""
    model = cfg.get("model")
    if not isinstance(model, MutableMapping):
        raise ConfigError(f"{config}: has no 'model'")
    outer = model.get("backbone")
    if any_backbone and isinstance(outer, Mapping):
        return "backbone", outer
    found = {path: dict(backbone) for _, _, path, backbone in flexible_backbones(cfg)}
    if not found:
        kind = outer.get("type") if isinstance(outer, Mapping) else None
        there = f"{kind!r} as backbone" if kind else "no backbone"
        raise ConfigError(
            f"{config}: its model has no FlexResNet, it has {there}; write type='FlexResNet' there"
        )
    path, backbone = next(iter(found.items()))
    if any(other != backbone for other in found.values()):
        raise ConfigError(
            f"{config}: its model has several backbones, at {', '.join(found)}; give a config that "
            "has one of them"
        )
    return path, backbone


def pixels_of_config(cfg: Config) -> Pixels:
    """Normalisation of a config's `data_preprocessor`.

    MMCV's loader returns BGR, which the preprocessor may reverse. Without a mean images are not
    normalised (0 to 255); without a preprocessor ImageNet's mean and deviation are used.

    >>> cfg = Config(dict(data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=True)))
    >>> pixels_of_config(cfg)
    Pixels(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0), order='RGB')
    """
    inside = cfg.get("model", {}).get("data_preprocessor")
    given = inside or cfg.get("data_preprocessor")
    if not given:
        return IMAGENET
    # MMPretrain's preprocessor calls it `to_rgb`.
    rgb = given.get("bgr_to_rgb") or given.get("to_rgb")
    return Pixels(
        _three(given.get("mean"), 0.0), _three(given.get("std"), 1.0), "RGB" if rgb else "BGR"
    )


def _three(numbers: Sequence[float] | None, default: float) -> tuple[float, float, float]:
    chosen = [float(number) for number in numbers or [default] * 3]
    if len(chosen) != 3:
        raise ConfigError(
            f"data_preprocessor: mean and std have {len(chosen)} numbers; images have 3 colours"
        )
    return chosen[0], chosen[1], chosen[2]
