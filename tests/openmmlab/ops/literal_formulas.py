"""Slow formulas, one Python loop per index, written from the operators' definitions in float64.

They share no code with the package: no vectorisation, no torchvision.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def read_bilinear(plane: Tensor, y: float, x: float) -> float:
    """The value at a real-valued point of an (H, W) plane, by RoIAlign's border rule."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    value = 0.0
    for row in {math.floor(y), math.ceil(y)}:
        for column in {math.floor(x), math.ceil(x)}:
            value += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
    return value


def intersection_over_union(a: Sequence[float], b: Sequence[float], offset: int = 0) -> float:
    """IoU of two boxes x1, y1, x2, y2 whose widths are x2 - x1 + offset."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    common = width * height
    area_a = (a[2] - a[0] + offset) * (a[3] - a[1] + offset)
    area_b = (b[2] - b[0] + offset) * (b[3] - b[1] + offset)
    union = area_a + area_b - common
    return common / union if union else 0.0


def non_maximum_suppression(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0
) -> list[int]:
    """Keep the best box, drop what overlaps it by more than the threshold, and so on."""
    left = sorted(range(len(boxes)), key=lambda i: (-float(scores[i]), i))
    rows = boxes.double().tolist()
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [
            i for i in left if intersection_over_union(rows[best], rows[i], offset) <= iou_threshold
        ]
    return kept


def region_of_interest_align(
    features: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    mode: str,
    aligned: bool,
) -> Tensor:
    """RoIAlign's definition: the mean or the maximum of the points of each bin."""
    features, rois = features.double(), rois.double()
    channels = features.shape[1]
    output = torch.zeros(len(rois), channels, *size, dtype=torch.float64)
    for r, (image, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = (corner * scale - (0.5 if aligned else 0) for corner in corners)
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1.0), max(width, 1.0)
        bin_height, bin_width = height / size[0], width / size[1]
        count_y = sampling_ratio or math.ceil(bin_height)
        count_x = sampling_ratio or math.ceil(bin_width)
        for channel in range(channels):
            plane = features[int(image), channel]
            for i in range(size[0]):
                for j in range(size[1]):
                    values = [
                        read_bilinear(
                            plane,
                            y1 + (i + (a + 0.5) / count_y) * bin_height,
                            x1 + (j + (b + 0.5) / count_x) * bin_width,
                        )
                        for a in range(count_y)
                        for b in range(count_x)
                    ]
                    if values:
                        pooled = max(values) if mode == "max" else sum(values) / len(values)
                        output[r, channel, i, j] = pooled
    return output


def read_with_zeros_around(plane: Tensor, y: float, x: float) -> float:
    """The value at a real-valued point of an (H, W) plane that goes on as zeros on all sides."""
    height, width = plane.shape
    value = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                value += (1 - abs(y - row)) * (1 - abs(x - column)) * float(plane[row, column])
    return value


def deformable_convolution(
    features: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    deform_groups: int,
) -> Tensor:
    """Sum over the kernel's points of weight times mask times the value at the moved point."""
    batch, channels, height, width = features.shape
    out_channels, channels_per_group, kernel_h, kernel_w = weight.shape
    sizes = [
        (size + 2 * padding[i] - dilation[i] * (weight.shape[2 + i] - 1) - 1) // stride[i] + 1
        for i, size in enumerate((height, width))
    ]
    output = torch.zeros(batch, out_channels, *sizes, dtype=torch.float64)
    for b, o, y, x in torch.cartesian_prod(*(torch.arange(n) for n in output.shape)).tolist():
        value = float(bias[o])
        first_channel = o // (out_channels // groups) * channels_per_group
        for c in range(channels_per_group):
            channel = first_channel + c
            deform_group = channel // (channels // deform_groups)
            for i in range(kernel_h):
                for j in range(kernel_w):
                    point = (deform_group * kernel_h + i) * kernel_w + j
                    move_y, move_x = offset[b, 2 * point : 2 * point + 2, y, x].tolist()
                    read = read_with_zeros_around(
                        features[b, channel],
                        y * stride[0] - padding[0] + i * dilation[0] + move_y,
                        x * stride[1] - padding[1] + j * dilation[1] + move_x,
                    )
                    value += float(weight[o, c, i, j]) * float(mask[b, point, y, x]) * read
        output[b, o, y, x] = value
    return output
