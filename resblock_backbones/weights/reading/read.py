"""Reading a checkpoint file of any kind, told by its contents, without ever running any of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlparse

import torch

from ..errors import CheckpointError, MissingCheckpointError, tell
from .kinds import what_folder, what_it_is
from .moved import moved_to, published_hash
from .plain_values import finished
from .torch_files import MapLocation, Names, read_archive, read_legacy, read_pickle

# How PyTorch began its files before 1.6: a number, pickled in any protocol.
LEGACY_TORCH = re.compile(rb"\x80.(?:\x95.{8})?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", re.DOTALL)
# Detectron2's and Caffe2's are plain pickles: protocol 2 and later begin with this byte.
PICKLE = b"\x80"
# And how the oldest protocols begin: a mark or an empty container, and a container's name.
OLD_PICKLES = (b"(dp", b"(lp", b"(i", b"ccollections\n", b"c__builtin__\n", b"(S", b"}q", b"]q")
ZIP = b"PK\x03\x04"
#: Longest header that the safetensors format allows.
LONGEST_HEADER = 100_000_000


def read_file(path: Path) -> Any:
    """What is in a checkpoint: ``.pth``, ``.pt``, ``.safetensors`` or ``.pkl``, told by contents.

    Tensors are on the CPU, and mapped from the file where its kind allows that: copy them before
    the file may change.

    Raises:
        CheckpointError: it is not there, is damaged, or holds more than data. Damage is noticed
            everywhere in PyTorch's files, which carry checksums; other kinds carry none, and only
            damage of their structure shows.
    """
    return read_checkpoint(path)


def read_checkpoint(
    file: str | os.PathLike[str] | IO[bytes],
    *,
    names: Names | None = None,
    location: MapLocation = "cpu",
    mapped: bool = True,
    scripts: bool = True,
    more: Callable[[Any], Any] | None = None,
    strangers: set[str] | None = None,
) -> Any:
    """The content of a checkpoint, nothing of which is ever run.

    Args:
        file: a path, or an open file.
        names: what a pickle in it may name beside tensors and plain values.
        location: ``map_location`` of `torch.load`.
        mapped: leave tensors in the file until they are read; the file must not change till then.
        scripts: whether a TorchScript program's tensors are wanted.
        more: makes a value of what stands for a name or an object of ``names``.
        strangers: gets the names of classes whose objects were left out.

    Raises:
        CheckpointError: the file is not there, is no checkpoint, is cut off, or asks for something
            that is not data; the message names the file, and what it asks for.

    >>> read_checkpoint("epoch_12.pth")
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.MissingCheckpointError: epoch_12.pth: there is no such file
    """
    name = str(file) if isinstance(file, str | os.PathLike) else "the checkpoint"
    if isinstance(file, str | os.PathLike):
        if Path(file).is_dir():
            raise CheckpointError(f"{name}: {what_folder(Path(file))}")
        if not Path(file).is_file():
            raise MissingCheckpointError(f"{name}: there is no such file")
    try:
        loaded = _read(file, names or {}, location, mapped, scripts, strangers)
        return finished(loaded, more)
    except CheckpointError as error:
        raise CheckpointError(f"{name}: {error}") from error
    except PermissionError as error:
        raise CheckpointError(f"{name}: may not be read ({error.strerror})") from error
    except MemoryError as error:  # one flipped bit can make a length enormous
        raise CheckpointError(f"{name}: damaged, or larger than this machine's memory") from error
    except Exception as error:  # what readers say of a broken file has no one type
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise CheckpointError(f"{name}: cut off, damaged, or no checkpoint ({text})") from error


def _read(
    file: str | os.PathLike[str] | IO[bytes],
    names: Names,
    location: MapLocation,
    mapped: bool,
    scripts: bool,
    strangers: set[str] | None,
) -> Any:
    if isinstance(file, str | os.PathLike):
        with Path(file).open("rb") as opened:
            begin = opened.read(4096)
    else:
        file.seek(0)
        begin = file.read(4096)
        file.seek(0)
    if begin.startswith(ZIP):
        return read_archive(
            file, names, location=location, mapped=mapped, scripts=scripts, strangers=strangers
        )
    if len(begin) > 8 and begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < 1 << 40:
        return _read_safetensors(file)
    if begin.startswith((PICKLE, *OLD_PICKLES)):
        if b"joblib.numpy_pickle" in begin:
            raise CheckpointError(
                "written by joblib; joblib.load it, and torch.save its state dict"
            )
        content = Path(file).read_bytes() if isinstance(file, str | os.PathLike) else file.read()
        if LEGACY_TORCH.match(begin):
            return read_legacy(content, names, location=location, strangers=strangers)
        return read_pickle(content, names, strangers)
    raise CheckpointError(what_it_is(begin))


def download(
    url: str,
    folder: str | Path | None = None,
    *,
    progress: bool = True,
    check_hash: bool = False,
) -> Path:
    """The file of a URL, downloaded unless it was before.

    Of a host that is gone the same file is taken from where it is kept now, with a warning, and
    compared with the hash in its name.

    Args:
        url: `http(s)://...`.
        folder: where it is kept; default: PyTorch's cache.
        progress: show progress on stderr.
        check_hash: the file's name holds the beginning of its SHA-256, as torchvision's do.

    Raises:
        URLError: it cannot be downloaded.
        RuntimeError: what was downloaded has another hash.
        CheckpointError: one of both, where the host is gone.
    """
    folder = Path(folder or Path(torch.hub.get_dir()) / "checkpoints")
    kept = folder / Path(urlparse(url).path).name
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if (now := moved_to(url)) is not None:
            _download_moved(url, now, kept, progress)
            return kept
        begin = torch.hub.HASH_REGEX.search(kept.name) if check_hash else None
        # Writes under a temporary name, then renames.
        torch.hub.download_url_to_file(
            url, str(kept), begin.group(1) if begin else None, progress=progress
        )
    return kept


def _download_moved(url: str, now: str, kept: Path, progress: bool) -> None:
    begin = published_hash(kept.name)
    gone = f"{url}: this host has been gone since June 2026"
    try:
        torch.hub.download_url_to_file(now, str(kept), begin, progress=progress)
    except (OSError, RuntimeError) as error:  # URLError is an OSError
        raise CheckpointError(
            f"{gone}, and {now} cannot be taken ({error}); give a local file, or torchvision:// or "
            "timm:// weights"
        ) from error
    checked = f"its SHA-256 begins with {begin}, as its name says" if begin else "it has no hash"
    tell(f"{gone}; taken from {now} ({checked})")


def _read_safetensors(file: str | os.PathLike[str] | IO[bytes]) -> Any:
    try:
        from safetensors import safe_open
        from safetensors.torch import load, load_file
    except ImportError as error:
        raise CheckpointError(
            "reading it needs safetensors, which is missing: pip install safetensors"
        ) from error
    if not isinstance(file, str | os.PathLike):
        return load(file.read())
    with Path(file).open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    if header > min(LONGEST_HEADER, Path(file).stat().st_size):
        raise CheckpointError("cut off, or damaged: its header is longer than the file")
    tensors = load_file(file)
    with safe_open(file, "pt") as opened:
        # A tensor of two names is kept once, and its other names say which one it is.
        others = opened.metadata() or {}
    return {name: tensors[kept] for name, kept in others.items() if kept in tensors} | tensors
