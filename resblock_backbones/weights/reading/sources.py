"""Sources of weights: a file, a URL, a state dict, or a name in another library."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.error import URLError

from torch import nn

from ..errors import CheckpointError
from . import hub_source, timm_source
from .config_beside import FILES, options_beside
from .read import download, read_file


@dataclass(frozen=True)
class Source:
    """The content of a source.

    Attributes:
        name: of the source, for messages.
        content: of the checkpoint.
        options: of ``FlexResNet`` that the library knows and weights do not show.
        owned: whether a network may use the tensors without a copy: they are not shared, and not
            mapped from a file that may change (files of a cache do not).
    """

    name: str
    content: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    owned: bool = False


def open_source(source: str | Path | Mapping[str, Any]) -> Source:
    """The content of a checkpoint, tensors on the CPU.

    Args:
        source: a file (``.pth .pt .safetensors .pkl``), a folder with ``model.safetensors``, a URL,
            a state dict,
            ``torchvision://resnet50`` (``torchvision://resnet50.imagenet1k_v2`` for another of its
            weights), ``timm://resnet50d.ra2_in1k``, ``hf-hub:timm/resnet50.a1_in1k``, or any other
            scheme that MMEngine knows, as ``open-mmlab://``.

    Raises:
        CheckpointError: it does not exist, is damaged, or has more than data.
        TypeError: it is something else, as a module.

    Example:
        >>> open_source("torchvision://resnet51")
        Traceback (most recent call last):
            ...
        resblock_backbones.weights.errors.CheckpointError: torchvision://resnet51: torchvision has \
no such weights (Unknown model resnet51)
    """
    if isinstance(source, Mapping):
        return Source("the state dict", source)
    if not isinstance(source, str | os.PathLike):
        is_module = isinstance(source, nn.Module)
        raise TypeError(
            f"source: is of type {type(source).__name__}; give a file, a name, a URL or a state "
            f"dict{', as its state_dict()' if is_module else ''}"
        )
    name = os.fspath(source)
    opener = next((opener for scheme, opener in OPENERS.items() if name.startswith(scheme)), None)
    try:
        if opener is not None:
            found = opener(name)
        elif "://" in name:
            found = _from_mmengine(name)
        else:
            found = _from_file(name)
    except URLError as error:
        raise CheckpointError(
            f"{name}: cannot be downloaded ({error.reason}); give a local file"
        ) from error
    if isinstance(found.content, list | tuple):
        return replace(found, content=dict(enumerate(found.content)))
    if not isinstance(found.content, Mapping):
        raise CheckpointError(f"{name}: holds a {type(found.content).__name__}, not named tensors")
    return found


def _from_file(name: str) -> Source:
    path = Path(name).expanduser()
    # A folder as the Hub's libraries write them.
    path = next((path / file for file in FILES if (path / file).is_file()), path)
    return Source(name, read_file(path), options_beside(path))


def _from_url(url: str) -> Source:
    return Source(url, read_file(download(url)))


def _from_torchvision(name: str) -> Source:
    from torchvision.models import get_model_weights

    model, _, tag = name.removeprefix("torchvision://").partition(".")
    try:
        weights = get_model_weights(model)
        # In MMEngine the name without a set means the first one.
        chosen = weights[tag.upper() or "IMAGENET1K_V1"]
    except (ValueError, KeyError) as error:
        reason = str(error) if isinstance(error, ValueError) else f"no set {error} of {model}"
        raise CheckpointError(f"{name}: torchvision has no such weights ({reason})") from error
    try:
        file = download(chosen.url, check_hash=True)
    except RuntimeError as error:
        raise CheckpointError(f"{name}: {error}; try again") from error
    return Source(name, read_file(file), owned=True)


def _from_timm(name: str) -> Source:
    try:
        content, options = timm_source.open_timm(name)
    except ImportError as error:
        raise CheckpointError(
            f"{name}: this scheme needs timm, which is not installed: pip install timm"
        ) from error
    return Source(name, content, options, owned=True)


def _from_hub(name: str) -> Source:
    try:
        found = hub_source.open_transformers(name)
    except ImportError:  # timm brings the Hub's library
        found = None
    return _from_timm(name) if found is None else Source(name, *found, owned=True)


def _from_mmengine(name: str) -> Source:
    try:
        from mmengine.runner import CheckpointLoader
    except ImportError as error:
        raise CheckpointError(
            f"{name}: this scheme needs MMEngine, which is not installed"
        ) from error
    try:
        # MMEngine's loaders are safe with this package.
        content = CheckpointLoader.load_checkpoint(name, map_location="cpu", logger="silent")
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{name}: MMEngine has no such weights") from error
    except (ImportError, OSError) as error:  # of the packages that read from object stores
        raise CheckpointError(f"{name}: MMEngine cannot read it ({error})") from error
    return Source(name, content, owned=True)


OPENERS: dict[str, Callable[[str], Source]] = {
    "http://": _from_url,
    "https://": _from_url,
    "torchvision://": _from_torchvision,
    "timm://": _from_timm,
    "hf-hub:": _from_hub,
    "local-dir:": lambda name: _from_file(name.removeprefix("local-dir:")),
}
