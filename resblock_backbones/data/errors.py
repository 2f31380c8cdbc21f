"""Errors of data sets and images."""

from __future__ import annotations

from ..options.errors import InputError


class DatasetError(InputError):
    """A data set does not exist, or does not fit its config."""


class ImageError(DatasetError):
    """An image file is missing, truncated, or not an image."""
