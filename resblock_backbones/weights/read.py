"""Reading a checkpoint without ever running what is in it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from zipfile import BadZipFile

import torch
from torchvision.models import get_model_weights


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not fit; the message says which, why, what to do."""


def read_checkpoint(source: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, tensors on the CPU.

    Args:
        source: a file, a URL, ``torchvision://resnet50`` (``torchvision://resnet50.imagenet1k_v2``
            for another of its weights), or any other scheme that MMEngine knows.

    Raises:
        CheckpointError: it is not there, is damaged, or holds more than tensors and plain values.
    """
    name = str(source)
    try:
        if name.startswith("torchvision://"):
            checkpoint = _from_torchvision(name.removeprefix("torchvision://"))
        elif name.startswith(("http://", "https://")):
            checkpoint = torch.hub.load_state_dict_from_url(
                name, map_location="cpu", weights_only=True
            )
        elif "://" in name:
            from mmengine.runner import CheckpointLoader

            checkpoint = CheckpointLoader.load_checkpoint(name, map_location="cpu", logger="silent")
        else:
            checkpoint = _from_file(Path(name).expanduser())
    except URLError as error:
        raise CheckpointError(
            f"{name}: cannot be downloaded ({error.reason}); give a file that you have"
        ) from error
    except ImportError as error:
        raise CheckpointError(f"{name}: this scheme needs MMEngine, which is missing") from error
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f"{name}: holds a {type(checkpoint).__name__}, not named tensors")
    return dict(checkpoint)


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint file")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"{path}: not loaded, because it is damaged or holds more than tensors and plain "
            f"values, which could run code ({reason})"
        ) from error
    except (RuntimeError, EOFError, BadZipFile, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "it ends too early"
        raise CheckpointError(f"{path}: is no readable checkpoint ({reason})") from error


def _from_torchvision(name: str) -> Any:
    model, _, tag = name.partition(".")
    try:
        weights = get_model_weights(model)
        # The first set is what MMEngine means by the bare name.
        chosen = weights[tag.upper() or "IMAGENET1K_V1"]
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"torchvision://{name}: torchvision has no such weights ({error})"
        ) from error
    return chosen.get_state_dict(progress=True, check_hash=True)
