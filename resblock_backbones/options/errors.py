"""Mistakes that the person at the keyboard can mend.

A command prints one of these as a single line and exits with status 2; anything else is our own
mistake, or a library's, and keeps its traceback.
"""

from __future__ import annotations


class InputError(ValueError):
    """Something that was given is wrong; the message is one line that says what and where.

    >>> str(InputError("configs/a.py: there is no such file"))
    'configs/a.py: there is no such file'
    """


class ConfigError(InputError):
    """A config, or an option given on the command line, is wrong."""


class OtherProcessError(RuntimeError):
    """Another process of a run has ended; a command prints the line and exits with status 1."""
