"""Reading a checkpoint without ever running what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from torchvision.models import get_model_weights

from .errors import CheckpointError
from .safe_load import safe_load
from .stand_ins import MMENGINE_LEFT_OUT, NUMPY


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
            checkpoint = _weights_of(download(name))
        elif "://" in name:
            from mmengine.runner import CheckpointLoader

            checkpoint = CheckpointLoader.load_checkpoint(name, map_location="cpu", logger="silent")
        else:
            checkpoint = _weights_of(Path(name).expanduser())
    except URLError as error:
        raise CheckpointError(
            f"{name}: cannot be downloaded ({error.reason}); give a file that you have"
        ) from error
    except ImportError as error:
        raise CheckpointError(f"{name}: this scheme needs MMEngine, which is missing") from error
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(f"{name}: holds a {type(checkpoint).__name__}, not named tensors")
    return dict(checkpoint)


def download(url: str, folder: str | Path | None = None, *, progress: bool = True) -> Path:
    """The file of a URL, downloaded unless it was before.

    Args:
        url: `http(s)://...`.
        folder: where it is kept; default: PyTorch's cache.
        progress: show progress on stderr.

    Raises:
        URLError: it cannot be downloaded.
    """
    folder = Path(folder or Path(torch.hub.get_dir()) / "checkpoints")
    kept = folder / Path(urlparse(url).path).name
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Writes under a temporary name, then renames.
        torch.hub.download_url_to_file(url, str(kept), progress=progress)
    return kept


def _weights_of(file: Path) -> Any:
    return safe_load(file, "cpu", stand_ins=[*NUMPY, *MMENGINE_LEFT_OUT])


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
