"""Reading a checkpoint file of any format, detected by content, without running code from it."""

from __future__ import annotations

import mmap
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from ..errors import CheckpointError
from .plain_pickle import read_plain_pickle
from .safe_load import safe_load
from .stand_ins import LEFT_OUT, MMENGINE_LEFT_OUT, NUMPY

# PyTorch's files before 1.6 begin with a pickled number.
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# Detectron2's and Caffe2's files are pickles; protocol 2 and later begin with this byte.
PICKLE = b"\x80"
ZIP = b"PK"


def read_file(path: Path) -> Any:
    """Content of a ``.pth``, ``.pt``, ``.safetensors`` or ``.pkl``; detected by content, not name.

    Tensors are on the CPU, and mapped from the file if its format allows that: copy them before the
    file may change.

    Raises:
        CheckpointError: it does not exist, is damaged, or has more than data. Damage is always
            detected in PyTorch's files, which have checksums; in other formats only if it affects
            the structure.
    """
    begin = b""
    if path.is_file():
        with path.open("rb") as opened:
            begin = opened.read(len(LEGACY_TORCH))
    try:
        if begin.startswith(ZIP):
            _verify_checksums(path)
        elif len(begin) > 8 and begin[8:9] == b"{":
            return _read_safetensors(path)
        elif begin.startswith(PICKLE) and begin != LEGACY_TORCH:
            return read_plain_pickle(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except MemoryError as error:  # a flipped bit can make a length enormous
        raise CheckpointError(f"{path}: damaged, or larger than this machine's memory") from error
    except Exception as error:  # readers raise errors of many types for damaged files
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{path}: truncated, damaged, or not a checkpoint ({text})"
        ) from error
    stand_ins = [*NUMPY, *MMENGINE_LEFT_OUT, *LEFT_OUT]
    return safe_load(path, "cpu", stand_ins=stand_ins, mapped=begin.startswith(ZIP))


def download(
    url: str,
    folder: str | Path | None = None,
    *,
    progress: bool = True,
    check_hash: bool = False,
) -> Path:
    """The file of a URL, downloaded if it is not in the cache.

    Args:
        url: `http(s)://...`.
        folder: of the cache; default: PyTorch's.
        progress: show progress on stderr.
        check_hash: verify the beginning of the SHA-256 in the file's name, as in torchvision's.

    Raises:
        URLError: it cannot be downloaded.
        RuntimeError: the downloaded file has another hash.
    """
    folder = Path(folder or Path(torch.hub.get_dir()) / "checkpoints")
    kept = folder / Path(urlparse(url).path).name
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        begin = torch.hub.HASH_REGEX.search(kept.name) if check_hash else None
        # Writes under a temporary name, then renames.
        torch.hub.download_url_to_file(
            url, str(kept), begin.group(1) if begin else None, progress=progress
        )
    return kept


def _read_safetensors(path: Path) -> Any:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError(
            "reading it needs safetensors, which is not installed: pip install safetensors"
        ) from error
    return load_file(path)


def _verify_checksums(path: Path) -> None:
    """Verify the checksums of tensors, which PyTorch writes and does not verify.

    Raises:
        CheckpointError: a part does not match its checksum.
        Exception: any error of zipfile for a damaged archive.
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
                end = begin + part.compress_size
                with memoryview(mapped) as view, view[begin:end] as contents:
                    whole = contents
                    if part.compress_type == zipfile.ZIP_DEFLATED:  # TorchScript's code
                        whole = memoryview(zlib.decompress(contents, -15))
                    if zlib.crc32(whole) != part.CRC:
                        raise CheckpointError(
                            f"damaged: {part.filename} does not match its checksum"
                        )
