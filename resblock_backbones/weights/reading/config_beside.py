"""What a ``config.json`` says of the weights that it lies beside, as in a folder of the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import timm_source

#: Weights that a config beside them belongs to, by the names that the Hub's libraries give.
FILES = ("model.safetensors", "pytorch_model.bin")
#: Of transformers' models, the ones whose backbone is a ResNet with transformers' names.
MODEL_TYPES = ("resnet", "rt_detr_resnet", "rt_detr")
#: Options that this project's networks are stored with and weights do not show.
UNSEEN = {
    *("strides", "dilations", "output_stride", "multi_grid", "contract_dilation", "style"),
    *("anti_alias", "stem_pool", "act_cfg", "norm_cfg", "pool_on_residual_downsample"),
}


def options_beside(file: Path) -> dict[str, Any]:
    """Options of ``FlexResNet`` that the config beside a file of weights says; none without one.

    Raises:
        CheckpointError: timm's config is of no ResNet.
    """
    config = read_config(file.with_name("config.json")) if file.name in FILES else None
    if config is None:
        return {}
    if config.get("model_type") in MODEL_TYPES:
        return transformers_options(config)
    if config.get("library") == "resblock_backbones" and isinstance(config.get("options"), dict):
        return {name: value for name, value in config["options"].items() if name in UNSEEN}
    architecture, arguments = config.get("architecture"), config.get("model_args")
    if isinstance(architecture, str) and isinstance(arguments, dict | None):
        try:
            return timm_source.architecture_options(architecture, str(file), arguments)
        except ImportError:  # its weights are read all the same
            return {}
    return {}


def read_config(file: Path) -> Mapping[str, Any] | None:
    """What is in a ``config.json``; None where there is none."""
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return config if isinstance(config, Mapping) else None


def transformers_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Options of ``FlexResNet`` in a config of transformers' that weights do not show.

    >>> transformers_options({"model_type": "resnet", "hidden_act": "silu"})
    {'style': 'pytorch', 'act_cfg': 'SiLU'}
    """
    inner = config.get("backbone_config") or config
    options: dict[str, Any] = {
        "style": "caffe" if inner.get("downsample_in_bottleneck") else "pytorch"
    }
    activation = inner.get("hidden_act", "relu")
    if activation != "relu":
        options["act_cfg"] = {"silu": "SiLU", "gelu": "GELU"}.get(activation, activation)
    return options
