"""Mistakes that the person at the keyboard can mend.

The command line prints one of these as a single line and exits with status 2; anything else
is our own mistake (or a library's) and keeps its traceback.
"""

from __future__ import annotations

from .. import weights


class InputError(ValueError):
    """Something given to a tool is wrong; the message is one line that says what and where.

    >>> str(InputError("configs/a.py: there is no such file"))
    'configs/a.py: there is no such file'
    """


class ConfigError(InputError):
    """A config, or an option given on the command line, is wrong."""


class DatasetError(InputError):
    """A data set is not there, or is not what the config says it is."""


class PictureError(DatasetError):
    """A picture file is missing, cut off, or no picture."""


class CheckpointError(InputError, weights.CheckpointError):
    """A checkpoint is not there, is broken, does not fit, or wants to run code."""
