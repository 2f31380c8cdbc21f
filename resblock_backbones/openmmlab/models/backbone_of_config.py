"""The backbone of a config, for its features alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from ...options.errors import ConfigError
from ...resnet.network import FlexResNet
from ...weights import load_weights
from ...weights.pixels import IMAGENET, Pixels
from ..configs.read import read_config
from .model_weights import load_model_weights


def network_of_config(
    config: str, checkpoint: str | None = None, cfg_options: Mapping[str, Any] | None = None
) -> tuple[nn.Module, Pixels, list[str]]:
    """The backbone of a config in eval mode, what it expects of an image, and what to know.

    Args:
        config: the config file.
        checkpoint: of the whole model or its backbone; None begins as the backbone's `init_cfg`
            says.
        cfg_options: dotted key -> value, merged into the config.

    Raises:
        InputError: the config has no backbone, or something in it, or the checkpoint, is wrong.
    """
    cfg = read_config(config, cfg_options)
    model = cfg.get("model", {})
    if not isinstance(model.get("backbone"), Mapping):
        raise ConfigError(f"{config}: its model has no backbone")
    with (
        torch.random.fork_rng(devices=[]),
        MODELS.switch_scope_and_registry(cfg.get("default_scope")) as registry,
    ):
        torch.manual_seed(0)
        try:
            net = registry.build(model.backbone)
            if checkpoint is None:
                net.init_weights()
        except (TypeError, ValueError) as error:
            raise ConfigError(f"model.backbone: {error}") from error
    notes = []
    if checkpoint is not None and isinstance(net, FlexResNet):
        notes.append(f"{checkpoint}: {load_weights(net, checkpoint)}")
    elif checkpoint is not None:
        load_model_weights(net, checkpoint, prefix="backbone.")
    elif not model.backbone.get("init_cfg") and not model.backbone.get("pretrained"):
        notes.append("no checkpoint was given, and the config names no weights: they are random")
    net.eval()  # MMDetection's own backbones give nothing back here
    return net, pixels_of_config(cfg), notes


def pixels_of_config(cfg: Config) -> Pixels:
    """What a config's `data_preprocessor` does to the colours of an image.

    MMCV's loader gives BGR, unless the preprocessor turns it round; without a mean an image stays
    as it is, from 0 to 255, and without a preprocessor it is ImageNet's.

    >>> cfg = Config(dict(data_preprocessor=dict(mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=True)))
    >>> pixels_of_config(cfg)
    Pixels(mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0), order='RGB')
    """
    inside = cfg.get("model", {}).get("data_preprocessor")
    given = inside or cfg.get("data_preprocessor")
    if not given:
        return IMAGENET
    # MMPretrain's says it in another word.
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
