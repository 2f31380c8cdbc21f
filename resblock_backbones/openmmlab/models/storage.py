"""Make MMEngine write files whole.

MMEngine opens `epoch_12.pth` and writes into it. A run that is stopped in that second leaves half
a checkpoint under the name that `--resume` will look for. And of `max_keep_ckpts=1` it removes the
one checkpoint before it writes the next.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from mmengine.fileio import LocalBackend, register_backend

from ...files.whole import write_whole


class WholeFileBackend(LocalBackend):
    """MMEngine's storage on this machine's disk, where a file is there whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     WholeFileBackend().put(b"weights", f"{folder}/epoch_1.pth")
    ...     Path(folder, "epoch_1.pth").read_bytes()
    b'weights'
    """

    outdated: ClassVar[list[Path]] = []

    def put(self, obj: bytes, filepath: str | os.PathLike[str]) -> None:
        write_whole(Path(filepath), obj)
        while self.outdated:
            self._remove(self.outdated.pop(), Path(filepath))

    def remove(self, filepath: str | os.PathLike[str]) -> None:
        """Remove a file; a checkpoint only when the next one is there."""
        if Path(filepath).suffix == ".pth" and Path(filepath).is_file():
            self.outdated.append(Path(filepath))
        else:
            super().remove(filepath)

    @staticmethod
    def _remove(file: Path, written: Path) -> None:
        if file.absolute() != written.absolute():
            file.unlink(missing_ok=True)

    def put_text(self, obj: str, filepath: str | os.PathLike[str], encoding: str = "utf-8") -> None:
        write_whole(Path(filepath), obj.encode(encoding))


def save_whole_files() -> None:
    """Make MMEngine write by `WholeFileBackend`."""
    register_backend("local", WholeFileBackend, force=True, prefixes="")
