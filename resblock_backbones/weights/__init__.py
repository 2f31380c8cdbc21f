"""Checkpoints: safe reading, other families' names, loading with a report, conversion."""

from ..resnet import checkpoints
from .adapt import Adaptation
from .backbone import Backbone, find_backbone
from .convert import Conversion, convert_checkpoint
from .dialects.keys import rename_key, rename_keys
from .errors import CheckpointError, CheckpointWarning
from .load import load_weights
from .network import build_from_checkpoint, read_plan
from .reading.sources import open_source
from .report import LoadReport

__all__ = [
    "Adaptation",
    "Backbone",
    "CheckpointError",
    "CheckpointWarning",
    "Conversion",
    "LoadReport",
    "build_from_checkpoint",
    "convert_checkpoint",
    "find_backbone",
    "load_weights",
    "open_source",
    "read_plan",
    "rename_key",
    "rename_keys",
]

checkpoints.register(
    checkpoints.Checkpoints(rename_keys, load=load_weights, build=build_from_checkpoint)
)
