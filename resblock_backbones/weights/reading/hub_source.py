"""Weights on the Hugging Face Hub that transformers wrote, and what their config says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .config_beside import FILES, MODEL_TYPES, read_config, transformers_options
from .read import read_file


def open_transformers(name: str) -> tuple[Mapping[str, Any], dict[str, Any]] | None:
    """Weights that transformers wrote, and options of ``FlexResNet``; None if it did not.

    Args:
        name: ``hf-hub:owner/name``, with ``@revision`` if it is not the newest.

    Raises:
        CheckpointError: the repository has no weights in a format that is read.
    """
    path = _download(name, "config.json")
    config = None if path is None else read_config(path)
    if config is None or config.get("model_type") not in MODEL_TYPES:
        return None
    for file in FILES:
        path = _download(name, file)
        if path is not None:
            return read_file(path), transformers_options(config)
    raise CheckpointError(f"{name}: has none of {', '.join(FILES)}, or they cannot be downloaded")


def _download(name: str, file: str) -> Path | None:
    """A file of a repository, from the cache if it is there."""
    import huggingface_hub

    repository, _, revision = name.removeprefix("hf-hub:").partition("@")
    try:
        return Path(huggingface_hub.hf_hub_download(repository, file, revision=revision or None))
    except Exception:  # of many types; whoever asks says what is missing
        return None
