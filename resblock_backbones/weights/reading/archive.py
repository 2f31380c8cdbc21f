"""The zip archives that PyTorch writes: parts of a file, checked before they are believed."""

from __future__ import annotations

import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import CheckpointError

#: A compressed part may become this many times the size of the file, and not less than a MiB.
MOST_GROWTH = 4
_LOCAL_HEADER = 30


@dataclass(frozen=True)
class Part:
    """Where in the file a part is.

    Attributes:
        begin, size: its bytes as they are stored.
        is_compressed: whether they are deflated.
    """

    begin: int
    size: int
    is_compressed: bool


class Archive:
    """A zip file, mapped into memory.

    Args:
        file: a path, or an open file, which is read whole.

    Raises:
        CheckpointError: a part is not what its checksum says, or lies outside the file.
        Exception: whatever zipfile says of a damaged archive.
    """

    def __init__(self, file: str | os.PathLike[str] | IO[bytes]) -> None:
        if isinstance(file, str | os.PathLike):
            with Path(file).open("rb") as opened:
                # Tensors may be written to, the file is not.
                self.bytes: mmap.mmap | bytearray = mmap.mmap(
                    opened.fileno(), 0, access=mmap.ACCESS_COPY
                )
            self.parts = self._parts(file)
        else:
            file.seek(0)
            self.bytes = bytearray(file.read())
            self.parts = self._parts(file)

    @property
    def limit(self) -> int:
        """How many bytes a compressed part may become."""
        return max(1 << 20, MOST_GROWTH * len(self.bytes))

    def named(self, end: str) -> str | None:
        """The name of the part that ends so, in the one folder that PyTorch writes."""
        names = [name for name in self.parts if name == end or name.endswith(f"/{end}")]
        return min(names, key=len) if names else None

    def read(self, name: str) -> bytes:
        """A part's bytes, uncompressed."""
        part = self.parts[name]
        with memoryview(self.bytes) as view, view[part.begin : part.begin + part.size] as inside:
            if not part.is_compressed:
                return bytes(inside)
            whole = zlib.decompressobj(-15)
            content = whole.decompress(inside, self.limit)
        if not whole.eof:
            raise CheckpointError(f"damaged: {name} becomes larger than the file can hold")
        return content

    def _parts(self, file: str | os.PathLike[str] | IO[bytes]) -> dict[str, Part]:
        parts: dict[str, Part] = {}
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
        # With set_crc32_options(False) PyTorch writes none.
        is_checked = any(info.CRC for info in infos)
        if sum(info.compress_size for info in infos) > len(self.bytes):
            raise CheckpointError("damaged: its parts are larger than the file")
        for info in infos:
            at = info.header_offset
            name_length, extra_length = struct.unpack_from("<HH", self.bytes, at + 26)
            begin = at + _LOCAL_HEADER + name_length + extra_length
            deflated = info.compress_type == zipfile.ZIP_DEFLATED
            if info.flag_bits & 1 or not (deflated or info.compress_type == zipfile.ZIP_STORED):
                raise CheckpointError("encrypted, or packed in a way that PyTorch does not write")
            if begin + info.compress_size > len(self.bytes) or info.filename in parts:
                raise CheckpointError(f"damaged: {info.filename} is not where it should be")
            parts[info.filename] = part = Part(begin, info.compress_size, deflated)
            if is_checked and self._checksum(part) != info.CRC:
                raise CheckpointError(f"damaged: {info.filename} is not what its checksum says")
        return parts

    def _checksum(self, part: Part) -> int:
        checksum, total = 0, 0
        for block in self._blocks(part):
            checksum = zlib.crc32(block, checksum)
            total += len(block)
            if total > self.limit:
                raise CheckpointError("damaged: a part becomes larger than the file can hold")
        return checksum

    def _blocks(self, part: Part) -> Iterator[bytes | memoryview]:
        with memoryview(self.bytes) as view, view[part.begin : part.begin + part.size] as inside:
            if not part.is_compressed:
                yield inside
                return
            packer, left = zlib.decompressobj(-15), bytes(inside)
            while left and not packer.eof:
                yield packer.decompress(left, 1 << 20)
                left = packer.unconsumed_tail
