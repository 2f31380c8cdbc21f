"""Deformable RoIPool (arXiv 1703.06211): RoIAlign whose bins are moved by learned offsets."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..bilinear import as_maps, as_rows, corners, weighted_sums
from ..bin_points import bin_corners, bin_points, points_per_bin
from ..kernel import in_working_dtype


def deform_roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Fill `output` (R, C, pooled_height, pooled_width) from `input` (B, C, H, W).

    Args:
        rois: (R, 5) as image, x1, y1, x2, y2, times `spatial_scale` in pixels of `input`.
        offset: (R, 2, pooled_height, pooled_width) as x, y: how far each bin moves, in `gamma`
            times the size of its box; or empty.
        sampling_ratio: points per bin and direction; 0 takes about one per pixel.
    """
    features, boxes, offset = in_working_dtype(input, rois, offset)
    size = (pooled_height, pooled_width)
    pixels = as_rows(features)
    for part, points in sampled(boxes, offset, size, spatial_scale, sampling_ratio, gamma):
        rows, weights = rows_and_weights(points, features.shape)
        sums = weighted_sums(pixels, rows, weights, points.starts * 4)
        means = sums / points.per_bin.clamp(min=1)[:, None]
        output[part] = as_maps(means, len(part), *size).to(output.dtype)


def deform_roi_pool_backward(
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    offset: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> None:
    """Add the gradients of `deform_roi_pool_forward` to `grad_input` and `grad_offset`."""
    grad, features, boxes, offset = in_working_dtype(grad_output, input, rois, offset)
    size = (pooled_height, pooled_width)
    pixels = as_rows(features).requires_grad_()
    grad_pixels = torch.zeros_like(pixels)
    for part, points in sampled(boxes, offset, size, spatial_scale, sampling_ratio, gamma):
        grad_bins = as_rows(grad[part]) / points.per_bin.clamp(min=1)[:, None]
        rows, weights = rows_and_weights(points, features.shape)
        with torch.enable_grad():
            sums = weighted_sums(pixels, rows, weights.requires_grad_(), points.starts * 4)
        of_pixels, of_weights = torch.autograd.grad(sums, (pixels, weights), grad_bins)
        grad_pixels += of_pixels
        if offset.numel():
            moved = point_gradients(points, of_weights.view(-1, 4), features.shape[2:])
            of_bins = grad.new_zeros(len(grad_bins), 2).index_add_(0, points.bin, moved)
            of_bins *= gamma * points.extent.repeat_interleave(size[0] * size[1], 0)
            grad_offset[part] += as_maps(of_bins, len(part), *size).to(grad_offset.dtype)
    grad_input.add_(as_maps(grad_pixels, len(features), *features.shape[2:]))


class Points(NamedTuple):
    """The points of all bins of some boxes, bin after bin."""

    image: Tensor  # (K,) int64
    y: Tensor  # (K,) pixels of the map
    x: Tensor  # (K,)
    bin: Tensor  # (K,) which bin of which box, as one number
    starts: Tensor  # (bins,) the first point of each bin
    per_bin: Tensor  # (bins,) how many
    extent: Tensor  # (R, 2) width and height of the boxes, pixels of the map


def sampled(
    boxes: Tensor,
    offset: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    gamma: float,
) -> Iterator[tuple[Tensor, Points]]:
    """Indices of boxes (R, 5) and their points, chunk by chunk."""
    start = boxes[:, 1:3] * spatial_scale - 0.5
    extent = boxes[:, 3:5] * spatial_scale - 0.5 - start
    step = extent / extent.new_tensor([size[1], size[0]])
    bin_start = start[:, None, None] + bin_corners(size, step)
    if offset.numel():
        bin_start = bin_start + gamma * extent[:, None, None] * offset.permute(0, 2, 3, 1)
    for part, found in bin_points(bin_start, step, points_per_bin(step, sampling_ratio)):
        x, y = found.place.unbind(1)
        image = boxes[found.region, 0].long()
        yield part, Points(image, y, x, found.bin, found.starts, found.per_bin, extent[part])


def rows_and_weights(points: Points, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(4 K,) the pixels of maps of `shape` (B, C, H, W) around all points, and their weights."""
    found = corners(points.image, points.y, points.x, *shape[2:])
    return torch.stack(found.rows, 1).flatten(), torch.stack(found.weights, 1).flatten()


def point_gradients(points: Points, of_weights: Tensor, shape: torch.Size) -> Tensor:
    """(K, 2) gradient of the points' x, y from that of their weights (K, 4), on maps (H, W).

    Up to one pixel outside MMCV uses the gradient of the outermost pixels, although the value there
    is constant.
    """
    top_left, top_right, bottom_left, bottom_right = of_weights.unbind(1)
    low, high, is_inside = [], [], torch.ones_like(points.bin, dtype=torch.bool)
    for place, size in ((points.y, shape[0]), (points.x, shape[1])):
        low.append(place.clamp(0, size - 1).floor())
        high.append((low[-1] + 1).clamp(max=size - 1))
        is_inside &= (place >= -1) & (place <= size)
    of_x = (bottom_right - bottom_left) * (points.y - low[0])
    of_x += (top_right - top_left) * (high[0] - points.y)
    of_y = (bottom_right - top_right) * (points.x - low[1])
    of_y += (bottom_left - top_left) * (high[1] - points.x)
    return torch.stack([of_x, of_y], 1) * is_inside[:, None]
