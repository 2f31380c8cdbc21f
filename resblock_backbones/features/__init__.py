"""Multi-scale features of picture files, kept on disk."""

from .extract import Extraction, extract_features
from .feature_files import Features, read_features, write_features
from .network import flexible_network
from .pixels import IMAGENET, Pixels, pixels_of

__all__ = [
    "IMAGENET",
    "Extraction",
    "Features",
    "Pixels",
    "extract_features",
    "flexible_network",
    "pixels_of",
    "read_features",
    "write_features",
]
