"""Checkpoints: safe reading, names in other families, loading with a report, conversion."""

from .adapt import Adaptation
from .backbone import Backbone, find_backbone
from .convert import Conversion, convert_checkpoint
from .errors import CheckpointError
from .keys import rename_key, rename_keys
from .load import load_weights
from .network import build_from_checkpoint
from .report import LoadReport
from .sources import open_source

__all__ = [
    "Adaptation",
    "Backbone",
    "CheckpointError",
    "Conversion",
    "LoadReport",
    "build_from_checkpoint",
    "convert_checkpoint",
    "find_backbone",
    "load_weights",
    "open_source",
    "rename_key",
    "rename_keys",
]
