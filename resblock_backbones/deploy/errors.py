"""Errors of exports."""

from __future__ import annotations

from ..options.errors import InputError


class ExportError(InputError):
    """A network cannot be written in a format; the message says why, and what would work."""
