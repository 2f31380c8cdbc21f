"""Write files whole: under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: The temporary name of a file: its own, and the process that writes it.
PART = re.compile(r"\..+\.(\d+)\.part")


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Open a file for writing, so that its name never stands for a part of it.

    On an error nothing is left behind, and a file that was there before stays as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder, "new", "weights.pth")) as opened:
        ...         _ = opened.write(b"weights")
        ...     Path(folder, "new", "weights.pth").read_bytes()
        b'weights'
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as opened:
            yield opened
            opened.flush()
            # Else a power cut can leave the new name with nothing in it.
            os.fsync(opened.fileno())
        part.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write_whole(file: Path, contents: bytes) -> None:
    """Write a file so that its name never stands for a part of it."""
    with whole_file(file) as opened:
        opened.write(contents)


def remove_parts(folder: Path) -> list[Path]:
    """Remove what processes that are gone left half-written in a folder.

    Returns:
        What was removed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, ".weights.pth.99999999.part").touch()
        ...     len(remove_parts(Path(folder)))
        1
    """
    removed = []
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        name = PART.fullmatch(file.name)
        if name and not _is_running(int(name[1])):
            with contextlib.suppress(OSError):
                file.unlink()
                removed.append(file)
    return removed


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True  # somebody else's
    except (OSError, OverflowError):
        return False
    return process != os.getpid()
