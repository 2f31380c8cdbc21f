"""What goes wrong with checkpoints."""

from __future__ import annotations

from ..options.errors import InputError


class CheckpointError(InputError):
    """A checkpoint that cannot be read or does not fit; the message says which, why, what to do."""
