"""Backbones for inference."""

from .fuse import FusedBackbone, fuse, fuse_backbone

__all__ = ["FusedBackbone", "fuse", "fuse_backbone"]
