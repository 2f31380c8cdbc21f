"""Reading a checkpoint file without ever running what is in it."""

from __future__ import annotations

import contextlib
import mmap
import pickle
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from .errors import CheckpointError
from .plain_pickle import read_plain_pickle
from .stand_ins import INERT_STAND_INS, NUMPY_STAND_INS, without_stand_ins

# How PyTorch began its files before 1.6: a pickled number.
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# Detectron2's and Caffe2's are plain pickles: protocol 2 and later begin with this byte.
PICKLE = b"\x80"
ZIP = b"PK"


def read_file(path: Path) -> Any:
    """What is in a checkpoint: ``.pth``, ``.pt``, ``.safetensors`` or ``.pkl``, told by contents.

    Tensors are on the CPU, and mapped from the file where its kind allows that: copy them before
    the file may change.

    Raises:
        CheckpointError: it is not there, is damaged, or holds more than data. Damage is noticed
            everywhere in PyTorch's files, which carry checksums; other kinds carry none, and only
            damage of their structure shows.
    """
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such checkpoint file"
        raise CheckpointError(f"{path}: {what}")
    try:
        with path.open("rb") as opened:
            begin = opened.read(len(LEGACY_TORCH))
        if begin.startswith(ZIP):
            _verify_checksums(path)
            return _torch_load(path)
        if begin == LEGACY_TORCH:
            return _torch_load(path)
        if _is_safetensors(begin):
            return _read_safetensors(path)
        if begin.startswith(PICKLE):
            return read_plain_pickle(path)
        what = f"it begins with {begin[:8]!r}" if begin else "the file is empty"
        raise CheckpointError(f"no checkpoint ({what})")
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # what the readers say of a broken file has no one type
        raise CheckpointError(f"{path}: {_reason(error)}") from error


def _torch_load(path: Path) -> Any:
    with torch.serialization.safe_globals([*NUMPY_STAND_INS, *INERT_STAND_INS]):
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except pickle.UnpicklingError:
            raise
        except RuntimeError:  # old files, and some file systems, cannot be mapped
            content = torch.load(path, map_location="cpu", weights_only=True)
    return without_stand_ins(content)


def _is_safetensors(begin: bytes) -> bool:
    return len(begin) > 8 and begin[8:9] == b"{"


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError(
            "reading it needs safetensors, which is missing: pip install safetensors"
        ) from error
    return load_file(path)


def _verify_checksums(path: Path) -> None:
    """PyTorch writes a checksum of each tensor, and does not look at it when it loads.

    Raises:
        CheckpointError: a part is not what was written.
        Exception: whatever zipfile says of a damaged archive.
    """
    with zipfile.ZipFile(path) as archive, path.open("rb") as opened:
        parts = archive.infolist()
        if not any(part.CRC for part in parts):
            return  # written with torch.serialization.set_crc32_options(False)
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            for part in parts:
                # Zip's local header: 30 bytes, the last four of them the lengths of what follows.
                at = part.header_offset
                name_length, extra_length = struct.unpack_from("<HH", mapped, at + 26)
                begin = at + 30 + name_length + extra_length
                with memoryview(mapped) as view, view[begin : begin + part.file_size] as contents:
                    if part.compress_type != zipfile.ZIP_STORED:
                        raise CheckpointError(f"damaged: {part.filename} is compressed")
                    if zlib.crc32(contents) != part.CRC:
                        raise CheckpointError(
                            f"damaged: {part.filename} is not what its checksum says"
                        )


def _reason(error: Exception) -> str:
    text = str(error).strip()
    asks_for = re.search(r"GLOBAL ([\w.]+)", text) or re.search(
        r"(?:function|new object for.* got|allowlisted.* got) (.+?)(?:\n|$)", text
    )
    if isinstance(error, pickle.UnpicklingError) and asks_for:
        return (
            f"refused, because it asks for {asks_for[1]}, which is not data: loading it could run "
            "code; save the state_dict alone where you made it"
        )
    with contextlib.suppress(IndexError):
        return f"cut off, damaged, or no checkpoint ({text.splitlines()[0]})"
    return f"cut off, damaged, or no checkpoint ({type(error).__name__})"
