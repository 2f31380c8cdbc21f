"""Make MMEngine write files atomically.

MMEngine writes directly into `epoch_12.pth`. A run that is killed meanwhile leaves a truncated
checkpoint under the name that `--resume` looks for. With `max_keep_ckpts=1` it also removes the
only checkpoint before it writes the next.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from mmengine.fileio import LocalBackend, register_backend

from ...files.whole import write_whole


class WholeFileBackend(LocalBackend):
    """MMEngine's local storage, with files that get their name only when they are complete.

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
        """Remove a file; a checkpoint only after the next one is written."""
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
    """Make MMEngine write through `WholeFileBackend`."""
    register_backend("local", WholeFileBackend, force=True, prefixes="")
