"""What goes wrong with exports."""

from __future__ import annotations

from ..options.errors import InputError


class ExportError(InputError):
    """A network that cannot be written in a format; the message says which, why, what to do."""
