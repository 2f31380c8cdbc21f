"""Weights on the Hugging Face Hub that transformers wrote, and what their config says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .read import read_file

#: Of transformers' models, the ones whose backbone is a ResNet with transformers' names.
MODEL_TYPES = ("resnet", "rt_detr_resnet", "rt_detr")
FILES = ("model.safetensors", "pytorch_model.bin")


def open_transformers(name: str) -> tuple[Mapping[str, Any], dict[str, Any]] | None:
    """Weights that transformers wrote, and options of ``FlexResNet``; None if it did not.

    Args:
        name: ``hf-hub:owner/name``, with ``@revision`` if it is not the newest.

    Raises:
        CheckpointError: the repository has no weights in a format that is read.
    """
    config = _config(name)
    if config is None or config.get("model_type") not in MODEL_TYPES:
        return None
    inner = config.get("backbone_config") or config
    options: dict[str, Any] = {
        "style": "caffe" if inner.get("downsample_in_bottleneck") else "pytorch"
    }
    activation = inner.get("hidden_act", "relu")
    if activation != "relu":
        options["act_cfg"] = {"silu": "SiLU", "gelu": "GELU"}.get(activation, activation)
    for file in FILES:
        path = _download(name, file)
        if path is not None:
            return read_file(path), options
    raise CheckpointError(f"{name}: has none of {', '.join(FILES)}, or they cannot be downloaded")


def _config(name: str) -> Mapping[str, Any] | None:
    path = _download(name, "config.json")
    if path is None:
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return config if isinstance(config, Mapping) else None


def _download(name: str, file: str) -> Path | None:
    """A file of a repository, from the cache if it is there."""
    import huggingface_hub

    repository, _, revision = name.removeprefix("hf-hub:").partition("@")
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision or None))
    except Exception:  # of many types; whoever asks says what is missing
        return None
