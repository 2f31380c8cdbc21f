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


def read_or_zero(plane: Tensor, y: float, x: float) -> float:
    """The value at a real-valued point of an (H, W) plane, whose pixels beyond it are 0."""
    value = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
    return value


def precise_region_of_interest_pool(
    features: Tensor, rois: Tensor, size: tuple[int, int], scale: float
) -> Tensor:
    """The mean over each bin: of a piece between lines of pixels it is the value in its middle."""
    output = torch.zeros(len(rois), features.shape[1], *size, dtype=torch.float64)
    for r, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * scale for corner in corners)
        for i in range(size[0]):
            for j in range(size[1]):
                edges_y = pieces(y1 + i * (y2 - y1) / size[0], y1 + (i + 1) * (y2 - y1) / size[0])
                edges_x = pieces(x1 + j * (x2 - x1) / size[1], x1 + (j + 1) * (x2 - x1) / size[1])
                area = (edges_y[-1] - edges_y[0]) * (edges_x[-1] - edges_x[0])
                for c in range(features.shape[1]):
                    for top, bottom in zip(edges_y[:-1], edges_y[1:], strict=True):
                        for left, right in zip(edges_x[:-1], edges_x[1:], strict=True):
                            middle = (top + bottom) / 2, (left + right) / 2
                            value = read_or_zero(features[int(image), c], *middle)
                            if area > 0:
                                output[r, c, i, j] += value * (bottom - top) * (right - left) / area
    return output


def pieces(first: float, last: float) -> list[float]:
    """Both ends of an interval, and the whole numbers between them."""
    inner = [float(n) for n in range(math.floor(first) + 1, math.ceil(last)) if first < n < last]
    return [first, *inner, max(first, last)]


def bezier_align(
    features: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """The mean of the points around each place between two curves."""
    output = torch.zeros(len(rois), features.shape[1], *size, dtype=torch.float64)
    for r, (image, *numbers) in enumerate(rois.tolist()):
        control = [(x * scale, y * scale) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        upper, lower = control[:4], control[:3:-1]
        least = 0.0 if aligned else 1.0
        extent_x, extent_y = (
            max(abs(curve[0][axis] - curve[3][axis]) for curve in (upper, lower)) for axis in (0, 1)
        )
        bin_x, bin_y = max(extent_x, least) / size[1], max(extent_y, least) / size[0]
        count_x = sampling_ratio or math.ceil(bin_x)
        count_y = sampling_ratio or math.ceil(bin_y)
        for i in range(size[0]):
            for j in range(size[1]):
                above, below = (on_curve(curve, j / size[1]) for curve in (upper, lower))
                x, y = (a + (b - a) * i / size[0] for a, b in zip(above, below, strict=True))
                shift = 0.5 if aligned else 0.0
                for c in range(features.shape[1]):
                    values = [
                        read_bilinear(
                            features[int(image), c],
                            y - shift + ((a + 0.5) / count_y - 0.5) * bin_y,
                            x - shift + ((b + 0.5) / count_x - 0.5) * bin_x,
                        )
                        for a in range(count_y)
                        for b in range(count_x)
                    ]
                    output[r, c, i, j] = sum(values) / len(values) if values else 0
    return output


def on_curve(points: list[tuple[float, float]], part: float) -> tuple[float, float]:
    """De Casteljau: halve, or part otherwise, the ways between points until one is left."""
    while len(points) > 1:
        points = [
            (x + (u - x) * part, y + (v - y) * part)
            for (x, y), (u, v) in zip(points[:-1], points[1:], strict=True)
        ]
    return points[0]
