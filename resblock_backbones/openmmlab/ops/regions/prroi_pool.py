"""Precise RoI pooling (arXiv 1807.11590): the mean of the interpolated map over each bin.

The integral of bilinear interpolation over a rectangle is a sum over rows and columns of pixels,
each with a weight of its own: how much of the pixel's triangle lies in the bin. Beyond the map the
pixels are 0.
"""

import torch
from torch import Tensor

from ..kernel import in_working_dtype

# Numbers of one intermediate tensor: 128 MiB in float32.
NUMBERS_AT_ONCE = 2**25


def prroi_pool_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Fill `output` (R, C, pooled_height, pooled_width) from `input` (B, C, H, W).

    Args:
        rois: (R, 5) as image, x1, y1, x2, y2, times `spatial_scale` in pixels of `input`.
    """
    features, boxes = in_working_dtype(input, rois)
    size = (pooled_height, pooled_width)
    for image, part in parts(boxes, features.shape, size):
        rows, columns = bin_weights(boxes[part], features.shape, size, spatial_scale)
        output[part] = pooled(features[image], rows, columns).to(output.dtype)


def prroi_pool_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of `prroi_pool_forward` to `grad_input` (B, C, H, W)."""
    grad, boxes = in_working_dtype(grad_output, rois)
    size = (pooled_height, pooled_width)
    for image, part in parts(boxes, grad_input.shape, size):
        rows, columns = bin_weights(boxes[part], grad_input.shape, size, spatial_scale)
        wide = grad[part] @ columns[:, None]  # (R, C, h, W)
        grad_input[image] += torch.einsum("rcix,riy->cyx", wide, rows).to(grad_input.dtype)


def prroi_pool_coor_backward(
    output: Tensor,
    grad_output: Tensor,
    input: Tensor,
    rois: Tensor,
    grad_rois: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of `prroi_pool_forward` to `grad_rois` (R, 5)."""
    grad, features, boxes = in_working_dtype(grad_output, input, rois)
    size = (pooled_height, pooled_width)
    for image, part in parts(boxes, features.shape, size):
        own = boxes[part].requires_grad_()
        with torch.enable_grad():
            rows, columns = bin_weights(own, features.shape, size, spatial_scale)
            regions = pooled(features[image], rows, columns)
        grad_rois[part] += torch.autograd.grad(regions, own, grad[part])[0].to(grad_rois.dtype)


def parts(boxes: Tensor, shape: torch.Size, size: tuple[int, int]) -> list[tuple[int, Tensor]]:
    """Indices of regions (R, 5) of one image each, so few that memory is bounded."""
    at_once = max(1, NUMBERS_AT_ONCE // (shape[1] * size[0] * shape[3]))
    found = []
    for image in boxes[:, 0].long().unique().tolist():
        of_image = (boxes[:, 0].long() == image).nonzero()[:, 0]
        found += [(image, part) for part in of_image.split(at_once)]
    return found


def pooled(plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(R, C, h, w) of a map (C, H, W), with weights of rows (R, h, H) and columns (R, w, W)."""
    tall = torch.einsum("riy,cyx->rcix", rows, plane)  # (R, C, h, W)
    return tall @ columns[:, None].transpose(2, 3)


def bin_weights(
    boxes: Tensor, shape: torch.Size, size: tuple[int, int], spatial_scale: float
) -> tuple[Tensor, Tensor]:
    """(R, h, H) and (R, w, W) weight of each row and column of pixels in each bin."""
    x1, y1, x2, y2 = (boxes[:, 1:] * spatial_scale).unbind(1)
    step_y, step_x = (y2 - y1).clamp(min=0) / size[0], (x2 - x1).clamp(min=0) / size[1]
    exists = (step_y * step_x > 0)[:, None, None]
    return (
        weights_along(y1, step_y, size[0], shape[2]) * exists,
        weights_along(x1, step_x, size[1], shape[3]),
    )


def weights_along(start: Tensor, step: Tensor, bins: int, pixels: int) -> Tensor:
    """(R, bins, pixels) part of each bin's length that each pixel has, triangles as weights."""
    edges = start[:, None] + step[:, None] * torch.arange(bins + 1).to(start)
    before = triangle_integral(edges[:, :, None] - torch.arange(pixels).to(start))
    length = torch.where(step > 0, step, 1)[:, None, None]
    return (before[:, 1:] - before[:, :-1]) / length


def triangle_integral(end: Tensor) -> Tensor:
    """Area of the triangle of height 1 on [-1, 1] that lies before `end`.

    >>> triangle_integral(torch.tensor([-2.0, 0.0, 0.5, 3.0])).tolist()
    [0.0, 0.5, 0.875, 1.0]
    """
    end = end.clamp(-1, 1)
    return torch.where(end < 0, (1 + end) ** 2 / 2, 1 - (1 - end) ** 2 / 2)
