"""Multi-scale features of image files, saved to disk."""

from ..weights.pixels import IMAGENET, Pixels, pixels_of
from .extract import Extraction, extract_features
from .feature_files import Features, read_features, write_features

__all__ = [
    "IMAGENET",
    "Extraction",
    "Features",
    "Pixels",
    "extract_features",
    "pixels_of",
    "read_features",
    "write_features",
]
