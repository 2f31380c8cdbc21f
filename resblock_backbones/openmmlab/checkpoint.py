"""Load checkpoints of the MM family without ever running what is in them.

A checkpoint is a pickle, and a pickle can call any function. PyTorch's `weights_only=True` refuses
all but tensors, and so refuses MMEngine's own files too: they hold the history of the losses, a
few numbers of numpy's, and the methods of a scheduler. Those get harmless stand-ins here (see
`checkpoint_types`). Nothing falls back to ordinary unpickling.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlparse

import torch
from mmengine.dist import get_dist_info
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from .checkpoint_types import STAND_INS, without_stand_ins
from .errors import CheckpointError
from .whole_files import save_whole_files

MapLocation = str | torch.device | Callable | dict | None


def load(file: str | os.PathLike[str] | IO[bytes], map_location: MapLocation = None) -> Any:
    """Load a checkpoint; like `torch.load`, and never runs what is in it.

    Args:
        file: the checkpoint, or an open file.
        map_location: as in `torch.load`.

    Raises:
        CheckpointError: the file is not there, is no checkpoint, is cut off, or holds something
            that is not data; the message names the file, and what it asks for.

    >>> load("epoch_12.pth")
    Traceback (most recent call last):
        ...
    resblock_backbones.openmmlab.errors.CheckpointError: epoch_12.pth: there is no such file
    """
    name = str(file) if isinstance(file, str | os.PathLike) else "the checkpoint"
    if isinstance(file, str | os.PathLike) and not Path(file).is_file():
        is_folder = Path(file).is_dir()
        raise CheckpointError(
            f"{name}: {'this is a folder' if is_folder else 'there is no such file'}"
        )
    try:
        with torch.serialization.safe_globals(STAND_INS):
            loaded = torch.load(file, map_location=map_location, weights_only=True)
        return _only_data(without_stand_ins(loaded))
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{name}: {_refusal(error, file)}") from error
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, EOFError, KeyError, ValueError, TypeError, IndexError, OSError) as error:
        # What torch says about a broken file depends on where it is broken.
        raise CheckpointError(f"{name}: {_broken(file)}") from error


def load_from_local(filename: str, map_location: MapLocation = None) -> Any:
    """MMEngine's loader of local files, by `load`."""
    return load(os.path.expanduser(filename), map_location)  # noqa: PTH111 (keeps URLs' slashes)


def load_from_http(
    filename: str,
    map_location: MapLocation = None,
    model_dir: str | None = None,
    progress: bool = True,
) -> Any:
    """MMEngine's loader of `http(s)://`, by `load`; the file is kept in PyTorch's cache."""
    folder = Path(model_dir or Path(torch.hub.get_dir()) / "checkpoints")
    kept = folder / Path(urlparse(filename).path).name
    rank, processes = get_dist_info()
    if rank == 0 and not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            # Writes under a temporary name, then renames.
            torch.hub.download_url_to_file(filename, str(kept), progress=progress)
        except (URLError, OSError) as error:
            raise CheckpointError(f"{filename}: cannot be downloaded: {error}") from error
    if processes > 1:
        torch.distributed.barrier()
    return load(kept, map_location)


def install() -> None:
    """Make MMEngine load by `load`, whatever the scheme, and write files whole."""
    CheckpointLoader.register_scheme(prefixes="", loader=load_from_local, force=True)
    CheckpointLoader.register_scheme(
        prefixes=["http://", "https://"], loader=load_from_http, force=True
    )
    # The loaders of `torchvision://`, `open-mmlab://`, ... call these by name.
    mmengine_checkpoint.load_from_http = load_from_http
    if hasattr(mmengine_checkpoint, "_safe_torch_load"):
        mmengine_checkpoint._safe_torch_load = _safe_torch_load
    save_whole_files()


def _safe_torch_load(
    file: str | IO[bytes], map_location: MapLocation = None, weights_only: bool | None = None
) -> Any:
    """In place of the one in MMEngine 0.10.12, which unpickles anything when it is refused."""
    return load(file, map_location)


def _only_data(checkpoint: Any) -> Any:
    """Take out what MMEngine would run: on resume it executes `meta['config']` as Python."""
    meta = checkpoint.get("meta") if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict):
        meta.pop("config", None)
    return checkpoint


def _refusal(error: pickle.UnpicklingError, file: Any) -> str:
    asks_for = re.search(r"GLOBAL ([\w.]+)", str(error)) or re.search(
        r"(?:function|new object for.* got|allowlisted.* got) (.+?)(?:\n|$)", str(error)
    )
    if asks_for is None:
        return _broken(file)
    return (
        f"refused, because it asks for {asks_for[1]}, which is not data: loading it could run "
        "code; save the state_dict alone where you made it"
    )


def _broken(file: Any) -> str:
    """Why a file that is no checkpoint is none, as well as its bytes tell."""
    if not isinstance(file, str | os.PathLike):
        return "cut off, damaged, or no PyTorch checkpoint"
    with contextlib.suppress(OSError):
        with open(file, "rb") as opened:  # noqa: PTH123 (str and PathLike alike)
            begin = opened.read(4)
        if not begin:
            return "the file is empty"
        if begin[:2] == b"PK" and not zipfile.is_zipfile(file):
            return "the file is cut off"
        if begin[:2] != b"PK" and begin[:1] != b"\x80":
            return f"no PyTorch checkpoint (it begins with {begin!r})"
    return "the file is damaged, or no PyTorch checkpoint"
