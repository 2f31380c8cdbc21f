"""A colour for each class."""

from __future__ import annotations

from typing import Any

import numpy as np

Colour = tuple[int, int, int]


def palette_of(given: Any, classes: int) -> list[Colour]:
    """The colours that are given, if they suffice; else colours of our own.

    Example:
        >>> palette_of([(1, 2, 3)], 1), len(palette_of(None, 5))
        ([(1, 2, 3)], 5)
    """
    if isinstance(given, list | tuple) and len(given) >= max(classes, 1):
        return [(int(red), int(green), int(blue)) for red, green, blue in given]
    # Steps of the golden angle, so that classes with similar indices have different hues.
    turns = np.arange(max(classes, 1))[:, None] * 0.381966 + np.array([0.0, 2 / 3, 1 / 3])
    levels = np.rint(140 + 100 * np.cos(2 * np.pi * turns)).astype(int)
    return [(int(red), int(green), int(blue)) for red, green, blue in levels]


def readable_on(colour: Colour) -> Colour:
    """Black or white, whichever can be read on a colour.

    >>> readable_on((250, 220, 90)), readable_on((20, 40, 90))
    ((0, 0, 0), (255, 255, 255))
    """
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
