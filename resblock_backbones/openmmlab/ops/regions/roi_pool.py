"""RoIPool (Fast R-CNN, arXiv 1504.08083): the maximum of the pixels in each bin.

MMCV's bins begin and end where the box does, torchvision's at the nearest pixels, so only the
backward uses torchvision's kernel.  The forward is an embedding bag: pixels are the embeddings,
bins the bags.
"""

import torch
from torch import Tensor

from ..bilinear import as_rows
from ..kernel import in_working_dtype

# Pixels of bins that are looked up together: about 200 MiB of indices.
PIXELS_AT_ONCE = 2**22


def roi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill `output` (R, C, pooled_height, pooled_width) from `input` (B, C, H, W).

    Args:
        rois: (R, 5) as image, x1, y1, x2, y2 (last pixel inside), times `spatial_scale` in pixels
            of `input`.
        argmax: int32, shape of `output`, filled with the place y * W + x of the maximum, the first
            of equals; -1 in a bin without pixels, whose output is 0.
    """
    features, boxes = in_working_dtype(input, rois)
    height, width = features.shape[2:]
    size = (pooled_height, pooled_width)
    pixels = as_rows(features)
    rois_at_once = max(1, PIXELS_AT_ONCE // max(height * width, 1))
    for part in torch.arange(len(boxes), device=boxes.device).split(rois_at_once):
        batch, tops, lefts, heights, widths = bins(boxes[part], size, spatial_scale, height, width)
        first = batch[:, None, None] * (height * width) + tops[:, :, None] * width
        best, place = largest_pixel(
            pixels,
            (first + lefts[:, None]).flatten(),
            heights[:, :, None].expand(-1, -1, pooled_width).flatten(),
            widths[:, None].expand(-1, pooled_height, -1).flatten(),
            width,
        )
        shape = (len(part), *size, features.shape[1])
        output[part] = best.view(shape).permute(0, 3, 1, 2).to(output.dtype)
        place = place.view(shape) - (batch * (height * width))[:, None, None, None]
        place.masked_fill_((heights[:, :, None] * widths[:, None] == 0)[..., None], -1)
        argmax[part] = place.permute(0, 3, 1, 2).to(argmax.dtype)


def roi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of `roi_pool_forward` to `grad_input` (B, C, H, W)."""
    grad, boxes = in_working_dtype(grad_output, rois)
    grad_input.add_(
        torch.ops.torchvision._roi_pool_backward(
            grad,
            boxes,
            argmax.contiguous(),
            spatial_scale,
            pooled_height,
            pooled_width,
            *grad_input.shape,
        )
    )


def bins(
    boxes: Tensor, size: tuple[int, int], spatial_scale: float, height: int, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Image (R,), tops (R, h), lefts (R, w), heights (R, h), widths (R, w): the bins in pixels.

    A bin is extended to whole pixels on all sides, and ends at the border of the feature map.  The
    bins of a box without area are empty.
    """
    x1, y1 = (boxes[:, 1:3] * spatial_scale).unbind(1)
    x2, y2 = ((boxes[:, 3:5] + 1) * spatial_scale).unbind(1)
    exists = ((x2 > x1) & (y2 > y1))[:, None]
    spans = []
    for start, end, count, limit in ((y1, y2, size[0], height), (x1, x2, size[1], width)):
        step = ((end - start) / count)[:, None]
        k = torch.arange(count + 1, device=boxes.device)
        # In float32 whatever the input is, as in MMCV, so that an edge meant to lie between two
        # pixels does.
        edges = (k * step + start[:, None]).float()
        first = edges[:, :-1].floor().clamp(0, limit).long()
        last = edges[:, 1:].ceil().clamp(0, limit).long()
        spans.append((first, (last - first).clamp(min=0) * exists))
    (tops, heights), (lefts, widths) = spans
    return boxes[:, 0].long(), tops, lefts, heights, widths


def largest_pixel(
    pixels: Tensor, first: Tensor, heights: Tensor, widths: Tensor, row: int
) -> tuple[Tensor, Tensor]:
    """(N, C) maximum of each rectangle of pixels, and which of `pixels` (P, C) it is.

    Args:
        first: (N,) the upper left pixel; `row` further is the one below.
        heights, widths: (N,).
    """
    counts = heights * widths
    ends = counts.cumsum(0)
    starts = ends - counts
    rectangle = torch.repeat_interleave(counts)
    k = torch.arange(len(rectangle), device=first.device) - starts[rectangle]
    across = widths[rectangle]
    down = k // across
    indices = first[rectangle] + down * row + (k - down * across)
    best, _, _, place = torch.embedding_bag(pixels, indices, starts, mode=2)
    return best, place
