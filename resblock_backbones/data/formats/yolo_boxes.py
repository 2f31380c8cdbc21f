"""YOLO boxes that are written another way than as centre and size, as all of them together tell."""

from __future__ import annotations

import numpy as np

#: Fractions are written with few digits: what exceeds the image by less is rounding.
SLACK = 0.01
#: Fewer boxes tell too little.
FEWEST = 4


def way_of(boxes: list[list[float]]) -> str | None:
    """How boxes are written, where it is not as YOLO's; None where nothing speaks against it.

    Args:
        boxes: four fractions each, as they stand in the files.

    >>> way_of([[0.1, 0.2, 0.5, 0.6], [0.3, 0.3, 0.9, 0.8], [0.6, 0.1, 1.0, 0.4], [0, 0, 0.9, 0.9]])
    'x1 y1 x2 y2'
    """
    if len(boxes) < FEWEST:
        return None
    x, y, width, height = np.asarray(boxes, float).T
    beyond = np.max([width / 2 - x, height / 2 - y, x + width / 2 - 1, y + height / 2 - 1], axis=0)
    share = (beyond > SLACK).mean()
    if share > 0.02 and ((width > x) & (height > y)).mean() > 0.98:
        return "x1 y1 x2 y2"
    if share > 0.05 and ((x + width <= 1 + SLACK) & (y + height <= 1 + SLACK)).all():
        return "left, top, width, height"
    return None
