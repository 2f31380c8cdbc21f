"""How well the anchors of a detector fit objects: the best IoU that any anchor can have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of a feature map.

    Attributes:
        anchors: ``(A, 4)``, x1 y1 x2 y2 of the anchors of the first cell, in pixels.
        stride: of the cells, in x and y, in pixels.
    """

    anchors: np.ndarray
    stride: tuple[float, float]


def best_overlaps(
    boxes: np.ndarray, size: tuple[int, int], levels: Sequence[AnchorLevel]
) -> np.ndarray:
    """The IoU of each box with the anchor that fits it best.

    Of an anchor's copies the one whose centre is nearest to the box's overlaps it most: along each
    axis the intersection only falls with the distance. So there is one candidate an anchor.

    Args:
        boxes: ``(N, 4)``, x1 y1 x2 y2 in pixels of the image that the model is given.
        size: width and height of this image.
        levels: all anchors of the model.

    Returns:
        ``(N,)``.

    >>> level = AnchorLevel(np.array([[-4.0, -4, 4, 4]]), (8, 8))
    >>> best_overlaps(np.array([[4.0, 4, 12, 12], [8, 8, 16, 12]]), (32, 32), [level]).tolist()
    [1.0, 0.2]
    """
    best = np.zeros(len(boxes))
    for level in levels:
        for anchor in level.anchors:
            placed = []
            for axis in (0, 1):
                low, high = anchor[axis], anchor[axis + 2]
                centre = (boxes[:, axis] + boxes[:, axis + 2]) / 2
                cells = -(-size[axis] // level.stride[axis])
                cell = np.rint((centre - (low + high) / 2) / level.stride[axis])
                shift = np.clip(cell, 0, cells - 1) * level.stride[axis]
                placed.append((low + shift, high + shift))
            (x1, x2), (y1, y2) = placed
            across = np.minimum(boxes[:, 2], x2) - np.maximum(boxes[:, 0], x1)
            down = np.minimum(boxes[:, 3], y2) - np.maximum(boxes[:, 1], y1)
            both = np.clip(across, 0, None) * np.clip(down, 0, None)
            area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
            union = area + (anchor[2] - anchor[0]) * (anchor[3] - anchor[1]) - both
            best = np.maximum(best, both / np.maximum(union, 1e-9))
    return best
