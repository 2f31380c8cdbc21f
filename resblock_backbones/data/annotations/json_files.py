"""One reader of annotation JSON and of other texts beside images, and one writer.

pycocotools opens a file in the machine's own encoding and stops at a byte-order mark; here a file
is read in the encoding that its first bytes tell (RFC 8259, section 8.1, allows to ignore the
mark; RFC 4627, section 3, has the pattern of zero bytes).
"""

from __future__ import annotations

import codecs
import contextlib
import json
from pathlib import Path
from typing import Any

from ...files.whole import write_whole
from ..errors import DatasetError

#: Bytes of memory that a byte of JSON takes while it is read and checked.
MEMORY_PER_BYTE = 12
#: Smaller files are not worth a question.
SMALL = 50_000_000
#: A file of labels of one image has a few lines.
LARGEST_TEXT = 50_000_000


def read_json(file: Path) -> Any:
    """The content of a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte-order mark.

    Raises:
        DatasetError: it is not there, is no text, or is no JSON; the message has line and column.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "a.json")
    ...     _ = file.write_text('{"images": []}', encoding="utf-16")
    ...     read_json(file)
    {'images': []}
    """
    _refuse_what_does_not_fit(file)
    content = read_bytes(file)
    try:
        return json.loads(content.decode(json.detect_encoding(content)))
    except UnicodeDecodeError as error:
        place = f"byte {error.start} is not {error.encoding}"
        raise DatasetError(f"{file}: no COCO JSON, the file is not text ({place})") from error
    except json.JSONDecodeError as error:
        if not content.strip():
            raise DatasetError(f"{file}: no COCO JSON, the file is empty") from error
        raise DatasetError(
            f"{file}: no COCO JSON, {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except MemoryError as error:
        megabytes = len(content) / 1e6
        raise DatasetError(f"{file}: its {megabytes:.0f} MB do not fit in memory") from error
    except RecursionError as error:
        raise DatasetError(f"{file}: no COCO JSON, it is nested too deeply") from error


def read_text(file: Path) -> str:
    """A small text file in UTF-8, or in UTF-16 with its mark; other bytes become question marks.

    Raises:
        DatasetError: it is not there, cannot be read, or is far too large to be one.
    """
    size = file.stat().st_size if file.is_file() else 0
    if size > LARGEST_TEXT:
        raise DatasetError(f"{file}: has {size / 1e6:.0f} MB, too large for a file of labels")
    content = read_bytes(file)
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8-sig", errors="replace")


def _refuse_what_does_not_fit(file: Path) -> None:
    """Stop before a file that would take the memory of the machine.

    Raises:
        DatasetError: its content would not fit into the memory that is free.
    """
    size = file.stat().st_size if file.is_file() else 0
    if size < SMALL:
        return
    free = free_memory()
    if free is not None and MEMORY_PER_BYTE * size > free:
        raise DatasetError(
            f"{file}: its {size / 1e6:.0f} MB take about {MEMORY_PER_BYTE * size / 1e9:.1f} GB of "
            f"memory to read, and {free / 1e9:.1f} GB are free: split it, one file for each part "
            "of the images"
        )


def free_memory() -> int | None:
    """Bytes that a program may still take, as Linux tells; None where nothing tells."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        line = next(one for one in lines if one.startswith("MemAvailable:"))
        return int(line.split()[1]) * 1024
    return None


def has_plain_encoding(file: Path) -> bool:
    """Whether pycocotools reads a file as :func:`read_json` does: UTF-8 without a mark."""
    with file.open("rb") as opened:
        begin = opened.read(4)
    return json.detect_encoding(begin) == "utf-8"


def read_bytes(file: Path) -> bytes:
    """The bytes of an annotation file.

    Raises:
        DatasetError: it is not there or cannot be read.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"{file}: there is no such file") from error
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from error
    except MemoryError as error:
        megabytes = file.stat().st_size / 1e6
        raise DatasetError(f"{file}: its {megabytes:.0f} MB do not fit in memory") from error


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write an annotation file.

    pycocotools opens files in the encoding of the machine, so other characters are escaped.
    """
    write_whole(file, json.dumps(content).encode("ascii"))
