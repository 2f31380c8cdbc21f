"""One reader of annotation JSON.

pycocotools opens a file in the machine's own encoding and stops at a byte-order mark; here a file
is read in the encoding that its first bytes tell (RFC 8259, section 8.1, allows to ignore the
mark; RFC 4627, section 3, has the pattern of zero bytes).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import DatasetError


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
