"""Errors in the input of a command.

A command prints these as a single line and exits with status 2; any other exception is a bug here
or in a library, and is shown with its traceback.
"""

from __future__ import annotations


class InputError(ValueError):
    """Wrong input; the message is one line that says what is wrong, where, and what would work.

    >>> str(InputError("configs/a.py: there is no such file"))
    'configs/a.py: there is no such file'
    """


class ConfigError(InputError):
    """A config, or an option given on the command line, is wrong."""


class OtherProcessError(RuntimeError):
    """Another process of a run has ended; a command prints the line and exits with status 1."""
