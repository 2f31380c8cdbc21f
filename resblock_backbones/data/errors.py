"""Mistakes in data sets and images."""

from __future__ import annotations

from ..options.errors import InputError


class DatasetError(InputError):
    """A data set is not there, or is not what it is said to be."""


class ImageError(DatasetError):
    """An image file is missing, cut off, or no image."""
