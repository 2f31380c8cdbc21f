"""Find the checkpoint from which an interrupted run is resumed.

MMEngine writes the name of the newest checkpoint into `last_checkpoint`. The named file may have
been removed, truncated, or moved with its folder; then the newest complete one beside it is used.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from ...weights import CheckpointError

#: File names of MMEngine's CheckpointHook, by epoch or by iteration.
CHECKPOINT = re.compile(r"(?:epoch|iter)_(\d+)\.pth")


def find_checkpoint(resume: str, work_dir: str | Path) -> tuple[str | None, str]:
    """Find the checkpoint to resume from.

    Args:
        resume: a checkpoint, or `"auto"` for the newest one in the work folder.
        work_dir: where the run writes.

    Returns:
        The checkpoint, or None if there is none yet, and a line for the log.

    Raises:
        CheckpointError: the named checkpoint does not exist, or all checkpoints are damaged.

    >>> find_checkpoint("auto", "work_dirs/new")
    (None, 'nothing to resume from in work_dirs/new, starting from the beginning')
    """
    if resume != "auto":
        if "://" not in resume and not Path(resume).is_file():
            raise CheckpointError(f"--resume {resume}: there is no such file")
        return resume, f"resuming from {resume}"
    folder = Path(work_dir)
    named = _named_in(folder / "last_checkpoint")
    if named is not None and _is_whole(named):
        return str(named), f"resuming from {named}"
    others = sorted(
        (path for path in folder.glob("*.pth") if CHECKPOINT.fullmatch(path.name)),
        key=lambda path: int(CHECKPOINT.fullmatch(path.name)[1]),  # type: ignore[index]
        reverse=True,
    )
    for path in others:
        if _is_whole(path):
            why = (
                f"last_checkpoint names {named.name}, which is missing or damaged" if named else ""
            )
            return str(path), f"resuming from {path}" + (f" ({why})" if why else "")
    if others:
        raise CheckpointError(
            f"--resume: every checkpoint in {folder} is damaged: "
            f"{', '.join(path.name for path in others)}; remove them to start from the beginning"
        )
    return None, f"nothing to resume from in {folder}, starting from the beginning"


def _named_in(last_checkpoint: Path) -> Path | None:
    """The checkpoint that `last_checkpoint` names, beside it if the folder was moved."""
    if not last_checkpoint.is_file():
        return None
    text = last_checkpoint.read_text().strip()
    if not text:
        return None
    named = Path(text)
    return named if named.is_file() else last_checkpoint.parent / named.name


def _is_whole(checkpoint: Path) -> bool:
    # The directory of a zip file is at its end, so a truncated file has none.
    return checkpoint.is_file() and zipfile.is_zipfile(checkpoint)
