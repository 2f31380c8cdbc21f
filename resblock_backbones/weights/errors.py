"""What goes wrong with checkpoints, and what is told about them."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable

from ..options.errors import InputError

logger = logging.getLogger(__name__)

#: Called with each warning: a training run has a log of its own.
LISTENERS: list[Callable[[str], None]] = []
PACKAGE = __name__.partition(".")[0] + "."


class CheckpointError(InputError):
    r"""A checkpoint that cannot be read or does not fit; the message says which, why, what to do.

    What a file says of itself may stand in the message, so that nothing in it can move a
    terminal's cursor or break the line.

    >>> str(CheckpointError("a.pth: holds no \x1b[31mResNet"))
    'a.pth: holds no \\x1b[31mResNet'
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class MissingCheckpointError(CheckpointError, FileNotFoundError):
    """There is no such file; code that expects an ``OSError`` catches it too."""

    def __str__(self) -> str:
        return str(self.args[0])


class CheckpointWarning(UserWarning):
    """Something about weights that changes the features they give."""


def tell(message: str) -> None:
    """Warn of what changes a result: adapted, guessed, left out, reversed; also in the log."""
    message = printable(message)
    logger.info(message)
    for listener in LISTENERS:
        listener(message)
    warnings.warn(message, CheckpointWarning, stacklevel=_levels_to_caller())


def _levels_to_caller() -> int:
    """How many calls up the code stands that called this package, which a warning should name."""
    frame, level = sys._getframe(2), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


def printable(text: str) -> str:
    r"""The text with escapes in place of what would move a cursor or hide other characters.

    >>> printable("layer1.\r\x1b[2K.weight")
    'layer1.\\r\\x1b[2K.weight'
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
