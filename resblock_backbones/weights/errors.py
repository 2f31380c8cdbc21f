"""What goes wrong with checkpoints, and what is told about them."""

from __future__ import annotations

import warnings

from ..options.errors import InputError


class CheckpointError(InputError):
    """A checkpoint that cannot be read or does not fit; the message says which, why, what to do.

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
    """Warn of what changes a result: adapted, guessed, left out, reversed."""
    warnings.warn(printable(message), CheckpointWarning, stacklevel=2)


def printable(text: str) -> str:
    """The text with escapes in place of what would move a cursor or hide other characters.

    >>> printable("layer1.\r\x1b[2K.weight")
    'layer1.\\r\\x1b[2K.weight'
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text
    )
