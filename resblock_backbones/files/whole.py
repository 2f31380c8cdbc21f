"""Write files atomically: under a temporary name that is renamed at the end."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: Temporary names consist of the file's name and the process that writes it.
PART = re.compile(r"\..+\.(\d+)\.part")


@contextlib.contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that gets its name only when it is complete.

    On an error the temporary file is removed, so are folders that were made for it, and an existing
    file is left unchanged.

    Yields:
        The temporary file, open for binary writing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder, "new", "weights.pth")) as opened:
        ...         _ = opened.write(b"weights")
        ...     Path(folder, "new", "weights.pth").read_bytes()
        b'weights'
    """
    made = [one for one in file.parents if not one.exists()]
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as opened:
            yield opened
            opened.flush()
            # Otherwise a power failure could leave an empty file under the new name.
            os.fsync(opened.fileno())
        part.replace(file)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            for one in made:  # innermost first; stops at one that holds something by now
                one.rmdir()
        if isinstance(error, OSError) and error.filename in (None, str(part)):
            error.filename = str(file)  # a full disk does not tell it
        raise


def write_whole(file: Path, contents: bytes) -> None:
    """Write a file that gets its name only when it is complete."""
    with whole_file(file) as opened:
        opened.write(contents)


def remove_parts(folder: Path) -> list[Path]:
    """Remove incomplete files in a folder whose processes no longer run.

    Returns:
        The removed files.

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
        return True  # a process of another user
    except (OSError, OverflowError):
        return False
    return process != os.getpid()
