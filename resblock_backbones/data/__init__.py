"""The generated ``shapes`` data set: detection, instance and semantic segmentation, no download."""

from .shapes import CLASSES, PALETTE, SEMANTIC_CLASSES, SEMANTIC_PALETTE, ShapesInfo, make_shapes

__all__ = [
    "CLASSES",
    "PALETTE",
    "SEMANTIC_CLASSES",
    "SEMANTIC_PALETTE",
    "ShapesInfo",
    "make_shapes",
]
