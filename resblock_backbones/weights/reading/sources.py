"""Where weights come from: a file, a URL, a state dict, or another library's own store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

from ..errors import CheckpointError
from . import timm_source
from .read import download, read_file


@dataclass(frozen=True)
class Source:
    """What was found under a name.

    Attributes:
        name: as messages call it.
        content: of the checkpoint.
        options: of ``FlexResNet``, which the store knows and weights do not show.
        owned: a network may take the tensors as they are: nobody else holds them, and they are
            not mapped from a file that may change (those of a cache never do).
    """

    name: str
    content: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    owned: bool = False


def open_source(source: str | Path | Mapping[str, Any]) -> Source:
    """The content of a checkpoint, tensors on the CPU.

    Args:
        source: a file (``.pth .pt .safetensors .pkl``), a URL, a state dict,
            ``torchvision://resnet50`` (``torchvision://resnet50.imagenet1k_v2`` for another of its
            weights), ``timm://resnet50d.ra2_in1k``, ``hf-hub:timm/resnet50.a1_in1k``, or any other
            scheme that MMEngine knows, as ``open-mmlab://``.

    Raises:
        CheckpointError: it is not there, is damaged, or holds more than data.

    Example:
        >>> open_source("torchvision://resnet51")
        Traceback (most recent call last):
            ...
        resblock_backbones.weights.errors.CheckpointError: torchvision://resnet51: torchvision has \
no such weights (Unknown model resnet51)
    """
    if isinstance(source, Mapping):
        return Source("the state dict", source)
    name = str(source)
    opener = next((opener for scheme, opener in OPENERS.items() if name.startswith(scheme)), None)
    try:
        if opener is not None:
            found = opener(name)
        elif "://" in name:
            found = _from_mmengine(name)
        else:
            found = Source(name, read_file(Path(name).expanduser()))
    except URLError as error:
        raise CheckpointError(
            f"{name}: cannot be downloaded ({error.reason}); give a file that you have"
        ) from error
    if not isinstance(found.content, Mapping):
        raise CheckpointError(f"{name}: holds a {type(found.content).__name__}, not named tensors")
    return found


def _from_url(url: str) -> Source:
    return Source(url, read_file(download(url)))


def _from_torchvision(name: str) -> Source:
    from torchvision.models import get_model_weights

    model, _, tag = name.removeprefix("torchvision://").partition(".")
    try:
        weights = get_model_weights(model)
        # The first set is what MMEngine means by the bare name.
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
            f"{name}: this scheme needs timm, which is missing: pip install timm"
        ) from error
    return Source(name, content, options, owned=True)


def _from_mmengine(name: str) -> Source:
    try:
        from mmengine.runner import CheckpointLoader
    except ImportError as error:
        raise CheckpointError(f"{name}: this scheme needs MMEngine, which is missing") from error
    try:
        # This package has made MMEngine's loaders safe.
        content = CheckpointLoader.load_checkpoint(name, map_location="cpu", logger="silent")
    except KeyError as error:
        raise CheckpointError(f"{name}: MMEngine knows no such weights") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{name}: {error}") from error
    return Source(name, content, owned=True)


OPENERS: dict[str, Callable[[str], Source]] = {
    "http://": _from_url,
    "https://": _from_url,
    "torchvision://": _from_torchvision,
    "timm://": _from_timm,
    "hf-hub:": _from_timm,
}
