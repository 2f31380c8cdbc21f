"""Checkpoints: safe reading, names in other families, loading with a report, conversion."""

from .backbone import Backbone, find_backbone
from .errors import CheckpointError
from .keys import rename_key, rename_keys
from .load import load_weights
from .report import LoadReport
from .sources import open_source

__all__ = [
    "Backbone",
    "CheckpointError",
    "LoadReport",
    "find_backbone",
    "load_weights",
    "open_source",
    "rename_key",
    "rename_keys",
]
