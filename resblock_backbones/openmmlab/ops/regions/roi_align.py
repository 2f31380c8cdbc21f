"""RoIAlign (Mask R-CNN, arXiv 1703.06870): average by torchvision's kernel, maximum by PyTorch."""

from typing import NamedTuple

import torch
import torchvision
from torch import Tensor

from ..bilinear import corners, map_gradient
from ..kernel import hand_over, in_working_dtype

MAX, AVERAGE = 0, 1


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill `output` (R, C, aligned_height, aligned_width) from `input` (B, C, H, W).

    Args:
        rois: (R, 5) as image, x1, y1, x2, y2, times `spatial_scale` in pixels of `input`.
        argmax_y, argmax_x: in max mode filled with the point of the maximum, shape of `output`.
        sampling_ratio: points per bin and direction; 0 takes about one per pixel.
        pool_mode: 0 maximum of the points, 1 average.
        aligned: shift by half a pixel; if not, boxes are also made at least one pixel large.
    """
    features, boxes = in_working_dtype(input, rois)
    boxes = not_inverted(boxes) if sampling_ratio <= 0 else boxes
    size = (aligned_height, aligned_width)
    if pool_mode == AVERAGE:
        pooled = torchvision.ops.roi_align(
            features, boxes, size, spatial_scale, sampling_ratio, aligned
        )
        hand_over(pooled, output)
        return
    grid = bin_grid(boxes, size, spatial_scale, sampling_ratio, aligned)
    best, best_y, best_x = largest_sample(features, boxes[:, 0].long(), grid)
    output.copy_(best)
    argmax_y.copy_(best_y)
    argmax_x.copy_(best_x)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Add the gradient of `roi_align_forward` to `grad_input` (B, C, H, W)."""
    grad, boxes = in_working_dtype(grad_output, rois)
    boxes = not_inverted(boxes) if sampling_ratio <= 0 else boxes
    if pool_mode == AVERAGE:
        grad_features = torch.ops.torchvision._roi_align_backward(
            grad,
            boxes,
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    else:
        batch = boxes[:, 0].long()[:, None, None, None]
        # MMCV marks bins without a maximum with exactly -1.
        grad = grad * (argmax_y != -1)
        grad_features = map_gradient(
            grad, batch, argmax_y.to(grad), argmax_x.to(grad), grad_input.shape
        )
    grad_input.add_(grad_features.to(grad_input.dtype))


def not_inverted(boxes: Tensor) -> Tensor:
    """`boxes` (R, 5) with x2 and y2 at least x1 and y1.

    A box of no extent has no points if their number follows its size, and neither has an inverted
    one; torchvision's kernel would take their negative number for a size of memory.
    """
    return torch.cat([boxes[:, :3], torch.maximum(boxes[:, 1:3], boxes[:, 3:])], 1)


class BinGrid(NamedTuple):
    """Where the points of each bin lie: start + bin * step + (k + 0.5) * step / points."""

    start: tuple[Tensor, Tensor]
    step: tuple[Tensor, Tensor]
    points: tuple[Tensor, Tensor]
    size: tuple[int, int]

    def coordinate(self, axis: int, k: int) -> Tensor:
        """(R, bins) the `k`-th point of every bin along `axis` (0: y, 1: x)."""
        step = self.step[axis][:, None]
        bins = torch.arange(self.size[axis], dtype=step.dtype, device=step.device)
        points = self.points[axis][:, None]
        return self.start[axis][:, None] + bins * step + (k + 0.5) * step / points.clamp(min=1)


def bin_grid(
    boxes: Tensor, size: tuple[int, int], spatial_scale: float, sampling_ratio: int, aligned: bool
) -> BinGrid:
    """The points of all bins of `boxes` (R, 5)."""
    scaled = boxes[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    x1, y1, x2, y2 = scaled.unbind(1)
    extent_y, extent_x = y2 - y1, x2 - x1
    if not aligned:
        extent_y, extent_x = extent_y.clamp(min=1), extent_x.clamp(min=1)
    step = (extent_y / size[0], extent_x / size[1])
    if sampling_ratio > 0:
        points = (torch.full_like(y1, sampling_ratio), torch.full_like(x1, sampling_ratio))
    else:
        # None in a box that is not a number or endless, as in torchvision's kernel.
        ceil_y, ceil_x = (each.ceil().nan_to_num(0, posinf=0, neginf=0) for each in step)
        points = (ceil_y, ceil_x)
    return BinGrid((y1, x1), step, points, size)


def largest_sample(features: Tensor, batch: Tensor, grid: BinGrid) -> tuple[Tensor, Tensor, Tensor]:
    """Maximum over the points of each bin, and where it was; the first of equals, as in MMCV.

    The loop is over points within a bin, all bins of all boxes at once, so that memory is a few
    times the output and not times the number of points.  A bin without points (a box of no or
    negative extent) gives 0 at (-1, -1), where compiled MMCV has -10000 or the lowest float.
    """
    _, channels, height, width = features.shape
    rois = batch.shape[0]
    # Channels first: an image's pixels are read by one index for all channels.
    pixels = features.transpose(0, 1).reshape(channels, -1)
    best = features.new_full((channels, rois, *grid.size), -torch.inf)
    best_y, best_x = torch.full_like(best, -1), torch.full_like(best, -1)
    if rois == 0:
        return best.transpose(0, 1), best_y.transpose(0, 1), best_x.transpose(0, 1)
    batch = batch[:, None, None]
    for i in range(int(grid.points[0].max())):
        y = grid.coordinate(0, i)[:, :, None]
        for j in range(int(grid.points[1].max())):
            x = grid.coordinate(1, j)[:, None, :]
            rows, weights = corners(batch, y, x, height, width)
            value = torch.zeros_like(best)
            for row, weight in zip(rows, weights, strict=True):
                value.addcmul_(pixels[:, row], weight)
            exists = (grid.points[0] > i) & (grid.points[1] > j)
            better = (value > best) & exists[:, None, None]
            best = torch.where(better, value, best)
            best_y = torch.where(better, y, best_y)
            best_x = torch.where(better, x, best_x)
    best = torch.where(best == -torch.inf, 0, best)
    return best.transpose(0, 1), best_y.transpose(0, 1), best_x.transpose(0, 1)
