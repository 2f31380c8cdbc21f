"""Make MMEngine load checkpoints without running code from them.

MMEngine's checkpoints hold more than tensors: the history of the losses, NumPy scalars, the methods
of a scheduler. PyTorch's `weights_only=True` refuses those; here they are replaced with data-only
types (see `checkpoint_types`), and nothing falls back to ordinary unpickling.
"""

from __future__ import annotations

import io
import logging
import os
from typing import IO, Any
from urllib.error import URLError

import torch
from mmengine.dist import get_dist_info
from mmengine.fileio import get_file_backend
from mmengine.logging import MMLogger, print_log
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as mmengine_checkpoint

from ...weights import CheckpointError
from ...weights.errors import LISTENERS, tell
from ...weights.reading.read import download, read_checkpoint
from ...weights.reading.torch_files import MapLocation
from .checkpoint_types import NAMES, of_mmengine
from .storage import save_whole_files


def load(file: str | os.PathLike[str] | IO[bytes], map_location: MapLocation = None) -> Any:
    """Load a checkpoint of MMEngine with its whole content, without running code from it.

    Args:
        file: the checkpoint, or an open file.
        map_location: as in `torch.load`.

    Raises:
        CheckpointError: as in `read_checkpoint`.

    >>> load("epoch_12.pth")
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.MissingCheckpointError: epoch_12.pth: there is no such file
    """
    strangers: set[str] = set()
    checkpoint = read_checkpoint(
        file,
        names=NAMES,
        location=map_location,
        mapped=False,
        scripts=False,
        more=of_mmengine,
        strangers=strangers,
    )
    if strangers:
        listed = ", ".join(sorted(strangers)[:3])
        tell(f"{file}: objects of classes that are not known here were left out ({listed})")
    return _only_data(checkpoint)


def load_from_local(filename: str, map_location: MapLocation = None) -> Any:
    """MMEngine's loader of local files, by `load`."""
    return load(os.path.expanduser(filename), map_location)  # noqa: PTH111 (keeps URLs' slashes)


def load_from_http(
    filename: str,
    map_location: MapLocation = None,
    model_dir: str | None = None,
    progress: bool = True,
) -> Any:
    """MMEngine's loader of `http(s)://`, by `load`; the file is stored in PyTorch's cache."""
    rank, processes = get_dist_info()
    try:
        if rank == 0:
            download(filename, model_dir, progress=progress)
        if processes > 1:
            torch.distributed.barrier()
        kept = download(filename, model_dir, progress=False)
    except (URLError, OSError) as error:
        raise CheckpointError(f"{filename}: cannot be downloaded: {error}") from error
    return load(kept, map_location)


def load_from_storage(
    filename: str, map_location: MapLocation = None, backend: str = "petrel"
) -> Any:
    """MMEngine's loader of `s3://` and `petrel://`, by `load`."""
    storage = get_file_backend(filename, backend_args={"backend": backend})
    with io.BytesIO(storage.get(filename)) as opened:
        return load(opened, map_location)


def install() -> None:
    """Make MMEngine load by `load`, whatever the scheme, and write files atomically."""
    CheckpointLoader.register_scheme(prefixes="", loader=load_from_local, force=True)
    CheckpointLoader.register_scheme(
        prefixes=["http://", "https://"], loader=load_from_http, force=True
    )
    CheckpointLoader.register_scheme(
        prefixes=[r"(\S+\:)?s3://", r"(\S+\:)?petrel://"], loader=load_from_storage, force=True
    )
    # The loaders of `torchvision://`, `open-mmlab://`, ... call these by name.
    mmengine_checkpoint.load_from_http = load_from_http
    if hasattr(mmengine_checkpoint, "_safe_torch_load"):
        mmengine_checkpoint._safe_torch_load = _safe_torch_load
    save_whole_files()
    if _to_run_log not in LISTENERS:
        LISTENERS.append(_to_run_log)


def _to_run_log(message: str) -> None:
    """Write a warning about weights into the log of the run, if there is one."""
    if MMLogger._instance_dict:
        print_log(message, logger="current", level=logging.WARNING)


def _safe_torch_load(
    file: str | IO[bytes], map_location: MapLocation = None, weights_only: bool | None = None
) -> Any:
    """Replaces the function of MMEngine 0.10.12, which falls back to unpickling anything."""
    return load(file, map_location)


def _only_data(checkpoint: Any) -> Any:
    """Remove what MMEngine would execute as Python: the configs in checkpoints.

    On resume that is `meta['config']`; in its inferencers `message_hub.runtime_info.cfg`, and
    `meta['cfg']` if there is none. A run that resumes has its own config in all three places.
    """
    if isinstance(checkpoint, dict):
        hub, meta = checkpoint.get("message_hub"), checkpoint.get("meta")
        info = hub.get("runtime_info") if isinstance(hub, dict) else None
        for held, name in ((meta, "config"), (meta, "cfg"), (info, "cfg")):
            if isinstance(held, dict):
                held.pop(name, None)
    return checkpoint
