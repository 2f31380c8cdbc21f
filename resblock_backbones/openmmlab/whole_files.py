"""Write files whole: under a temporary name, then renamed.

MMEngine opens `epoch_12.pth` and writes into it. A run that is stopped in that second leaves half
a checkpoint under the name that `--resume` will look for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


class WholeFileBackend(LocalBackend):
    """MMEngine's storage on this machine's disk, where a file is there whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     WholeFileBackend().put(b"weights", f"{folder}/epoch_1.pth")
    ...     Path(folder, "epoch_1.pth").read_bytes()
    b'weights'
    """

    def put(self, obj: bytes, filepath: str | os.PathLike[str]) -> None:
        write_whole(Path(filepath), obj)

    def put_text(self, obj: str, filepath: str | os.PathLike[str], encoding: str = "utf-8") -> None:
        write_whole(Path(filepath), obj.encode(encoding))


def write_whole(file: Path, contents: bytes) -> None:
    """Write a file so that its name never stands for a part of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as opened:
            opened.write(contents)
            opened.flush()
            # Else a power cut can leave the new name with nothing in it.
            os.fsync(opened.fileno())
        part.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def save_whole_files() -> None:
    """Make MMEngine write by `WholeFileBackend`."""
    register_backend("local", WholeFileBackend, force=True, prefixes="")
