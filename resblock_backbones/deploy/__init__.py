"""Backbones and whole models for inference."""

from .errors import ExportError
from .export import Exported, export
from .fuse import FusedBackbone, fuse, fuse_backbone
from .models.export_model import ExportedModel, export_model

__all__ = [
    "ExportError",
    "Exported",
    "ExportedModel",
    "FusedBackbone",
    "export",
    "export_model",
    "fuse",
    "fuse_backbone",
]
