"""Checkpoints: safe reading, key names of other families, loading with a report."""

from .errors import CheckpointError
from .keys import rename_key, rename_keys
from .load import LoadReport, load_weights
from .read import read_checkpoint

__all__ = [
    "CheckpointError",
    "LoadReport",
    "load_weights",
    "read_checkpoint",
    "rename_key",
    "rename_keys",
]
