"""Backbones for inference."""

from .errors import ExportError
from .export import Exported, export
from .fuse import FusedBackbone, fuse, fuse_backbone

__all__ = ["ExportError", "Exported", "FusedBackbone", "export", "fuse", "fuse_backbone"]
