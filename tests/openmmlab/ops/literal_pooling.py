"""Slow formulas of the pooling operators, one Python loop per index, in float64.

They share no code with the package: no vectorisation, no torchvision.
"""

import math

import torch
from literal_formulas import read_bilinear
from torch import Tensor


def region_of_interest_pool(
    features: Tensor, rois: Tensor, size: tuple[int, int], scale: float
) -> Tensor:
    """The largest pixel that each bin touches; x2 and y2 are the last pixels inside a box."""
    _, channels, height, width = features.shape
    output = torch.zeros(len(rois), channels, *size, dtype=features.dtype)
    for r, (image, x1, y1, x2, y2) in enumerate(rois.tolist()):
        top, left, bottom, right = (c * scale for c in (y1, x1, y2 + 1, x2 + 1))
        if bottom <= top or right <= left:
            continue
        for i in range(size[0]):
            for j in range(size[1]):
                rows = range(
                    max(0, math.floor(top + i * (bottom - top) / size[0])),
                    min(height, math.ceil(top + (i + 1) * (bottom - top) / size[0])),
                )
                columns = range(
                    max(0, math.floor(left + j * (right - left) / size[1])),
                    min(width, math.ceil(left + (j + 1) * (right - left) / size[1])),
                )
                if rows and columns:
                    for c in range(channels):
                        output[r, c, i, j] = max(
                            features[int(image), c, y, x] for y in rows for x in columns
                        )
    return output


def deformable_region_of_interest_pool(
    features: Tensor,
    rois: Tensor,
    offset: Tensor | None,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    gamma: float,
) -> Tensor:
    """The mean of the points of each bin, all of them moved by its offset."""
    channels = features.shape[1]
    output = torch.zeros(len(rois), channels, *size, dtype=torch.float64)
    for r, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * scale - 0.5 for corner in corners)
        bin_height, bin_width = (y2 - y1) / size[0], (x2 - x1) / size[1]
        count_y = sampling_ratio or math.ceil(bin_height)
        count_x = sampling_ratio or math.ceil(bin_width)
        for i in range(size[0]):
            for j in range(size[1]):
                move_x = move_y = 0.0
                if offset is not None:
                    move_x = gamma * (x2 - x1) * float(offset[r, 0, i, j])
                    move_y = gamma * (y2 - y1) * float(offset[r, 1, i, j])
                for c in range(channels):
                    values = [
                        read_bilinear(
                            features[int(image), c],
                            y1 + move_y + (i + (a + 0.5) / count_y) * bin_height,
                            x1 + move_x + (j + (b + 0.5) / count_x) * bin_width,
                        )
                        for a in range(count_y)
                        for b in range(count_x)
                    ]
                    if values:
                        output[r, c, i, j] = sum(values) / len(values)
    return output


def border_align(features: Tensor, boxes: Tensor, pool_size: int) -> Tensor:
    """The largest of the points on each side, from the maps of that side."""
    batch, channels = features.shape[0], features.shape[1] // 4
    output = torch.zeros(batch, channels, boxes.shape[1], 4, dtype=torch.float64)
    for b in range(batch):
        for n, (x1, y1, x2, y2) in enumerate(boxes[b].tolist()):
            for c in range(channels):
                for side in range(4):  # top, left, bottom, right
                    values = []
                    for k in range(pool_size + 1):
                        part = k / pool_size
                        x = (x1 + part * (x2 - x1), x1, x2 - part * (x2 - x1), x2)[side]
                        y = (y1, y1 + part * (y2 - y1), y2, y2 - part * (y2 - y1))[side]
                        values.append(read_bilinear(features[b, side * channels + c], y, x))
                    output[b, c, n, side] = max(values)
    return output
