"""Make MMEngine write files whole.

MMEngine opens `epoch_12.pth` and writes into it. A run that is stopped in that second leaves half
a checkpoint under the name that `--resume` will look for.
"""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ..whole_files import write_whole


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


def save_whole_files() -> None:
    """Make MMEngine write by `WholeFileBackend`."""
    register_backend("local", WholeFileBackend, force=True, prefixes="")
