"""Multi-scale features of image files, and vectors of boxes in them, saved to disk."""

from ..weights.pixels import IMAGENET, Pixels, pixels_of
from .boxes import Boxes, read_boxes, vectors_of
from .extract import Extraction, extract_features
from .feature_files import (
    BoxFeatures,
    Features,
    read_box_features,
    read_features,
    write_features,
)

__all__ = [
    "IMAGENET",
    "BoxFeatures",
    "Boxes",
    "Extraction",
    "Features",
    "Pixels",
    "extract_features",
    "pixels_of",
    "read_box_features",
    "read_boxes",
    "read_features",
    "vectors_of",
    "write_features",
]
