"""Loading a PyTorch file without running code from it.

A checkpoint is a pickle, and a pickle can call any function. PyTorch's `weights_only=True` refuses
all but tensors and plain values, including common types of training tools; those are replaced with
harmless stand-ins (see `stand_ins`). Nothing falls back to ordinary unpickling.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from ..errors import CheckpointError
from .stand_ins import without_stand_ins

MapLocation = str | torch.device | Callable | dict | None


def safe_load(
    file: str | os.PathLike[str] | IO[bytes],
    map_location: MapLocation = None,
    *,
    stand_ins: Sequence[Any],
    unwrap: Callable[[Any], Any] = without_stand_ins,
    mapped: bool = False,
) -> Any:
    """Load a checkpoint like `torch.load`, without running code from it.

    Args:
        file: the checkpoint, or an open file.
        map_location: as in `torch.load`.
        stand_ins: types that the file may name, for `torch.serialization.safe_globals`.
        unwrap: function of the loaded object that replaces stand-ins with values.
        mapped: map tensors from the file; it must not change while they are used.

    Raises:
        CheckpointError: the file does not exist, is not a checkpoint, is truncated, or has
            something that is not data; the message names the file and what it refers to.

    >>> safe_load("epoch_12.pth", stand_ins=[])
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.CheckpointError: epoch_12.pth: there is no such file
    """
    name = str(file) if isinstance(file, str | os.PathLike) else "the checkpoint"
    if isinstance(file, str | os.PathLike) and not Path(file).is_file():
        is_folder = Path(file).is_dir()
        raise CheckpointError(f"{name}: {'is a folder' if is_folder else 'there is no such file'}")
    try:
        with torch.serialization.safe_globals(list(stand_ins)):
            loaded = _torch_load(file, map_location, mapped)
        return unwrap(loaded)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{name}: {_refusal(error, file, stand_ins)}") from error
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:
        # torch raises errors of many types for damaged files.
        raise CheckpointError(f"{name}: {_broken(file)}") from error


def _torch_load(file: Any, map_location: MapLocation, mapped: bool) -> Any:
    if mapped:
        # Some file systems cannot map files; other errors are raised again below.
        with contextlib.suppress(RuntimeError):
            return torch.load(file, map_location=map_location, weights_only=True, mmap=True)
    return torch.load(file, map_location=map_location, weights_only=True)


def _refusal(error: pickle.UnpicklingError, file: Any, stand_ins: Sequence[Any]) -> str:
    """Name what is refused: from torch's error, else from the file's pickle."""
    told = re.search(r"GLOBAL ([\w.]+)", str(error))
    harmless = {f"{one.__module__}.{one.__qualname__}" for one in stand_ins}
    names = [told[1]] if told else sorted(mentioned(file) - harmless)[:3]
    if not names:
        return _broken(file)
    return (
        f"refused, because it asks for {', '.join(names)}, which is not data: loading it could "
        "run code; save only the state_dict instead"
    )


def mentioned(file: Any) -> set[str]:
    """Names that the pickle in a file would import, except for torch's and Python's containers.

    The instructions of the pickle are read, not executed.
    """
    names: set[str] = set()
    texts = ["?", "?"]
    with contextlib.suppress(Exception):  # a damaged pickle may end anywhere
        for instruction, argument, _ in pickletools.genops(_pickle_in(file)):
            if instruction.name in ("GLOBAL", "INST"):
                names.add(str(argument).replace(" ", ".", 1))
            elif instruction.name == "STACK_GLOBAL":
                names.add(".".join(texts))
            elif isinstance(argument, str):
                texts = [texts[1], argument]
    return {name for name in names if not name.startswith(("torch.", "collections.", "_codecs."))}


def _pickle_in(file: Any) -> bytes:
    if not isinstance(file, str | os.PathLike):
        file.seek(0)
        return file.read()
    if not zipfile.is_zipfile(file):
        return Path(file).read_bytes()
    with zipfile.ZipFile(file) as archive:
        name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
        return archive.read(name)


def _broken(file: Any) -> str:
    """Why a file is not a checkpoint, as far as its bytes show."""
    if not isinstance(file, str | os.PathLike):
        return "truncated, damaged, or not a PyTorch checkpoint"
    # Python's zip reader raises errors of many types for an invalid directory.
    with contextlib.suppress(Exception):
        with open(file, "rb") as opened:  # noqa: PTH123 (str and PathLike alike)
            begin = opened.read(4)
        if not begin:
            return "the file is empty"
        if begin[:2] == b"PK" and not zipfile.is_zipfile(file):
            return "the file is truncated"
        if begin[:2] != b"PK" and begin[:1] != b"\x80":
            return f"not a PyTorch checkpoint (it begins with {begin!r})"
        if begin[:2] == b"PK" and _is_torchscript(file):
            return "a TorchScript program; save only the state_dict instead"
    return "the file is damaged, or not a PyTorch checkpoint"


def _is_torchscript(file: str | os.PathLike[str]) -> bool:
    with zipfile.ZipFile(file) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())
