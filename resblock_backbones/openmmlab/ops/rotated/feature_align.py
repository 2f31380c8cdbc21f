"""Reading features where refined boxes lie (R3Det, arXiv 1908.05612), and turned filters.

The filters are those of S2A-Net (arXiv 2008.09397): one weight gives a filter per rotation.
"""

import torch
from torch import Tensor

from ..bilinear import as_maps, as_rows, corners, weighted_sums
from ..kernel import in_working_dtype


def rotated_feature_align_forward(
    features: Tensor, best_bboxes: Tensor, output: Tensor, spatial_scale: float, points: int
) -> None:
    """Fill `output` with `features` (B, C, H, W) plus what lies at each pixel's box.

    Args:
        best_bboxes: (B, H, W, 5) as centre y, centre x, width, height, angle in radians, times
            `spatial_scale` in pixels of `features`.
        points: 1 reads at the centre, 5 also at the corners; the sum of them is added.
    """
    maps, boxes = in_working_dtype(features, best_bboxes)
    rows, weights, starts = around(boxes, maps.shape, spatial_scale, points)
    read = weighted_sums(as_rows(maps), rows, weights, starts)
    output.copy_(maps + as_maps(read, len(maps), *maps.shape[2:]))


def rotated_feature_align_backward(
    top_grad: Tensor, best_bboxes: Tensor, bottom_grad: Tensor, spatial_scale: float, points: int
) -> None:
    """Add the gradient of `rotated_feature_align_forward` to `bottom_grad` (B, C, H, W)."""
    grad, boxes = in_working_dtype(top_grad, best_bboxes)
    rows, weights, starts = around(boxes, grad.shape, spatial_scale, points)
    grad_reads = as_rows(grad)
    pixels = torch.zeros_like(grad_reads).requires_grad_()
    with torch.enable_grad():
        read = weighted_sums(pixels, rows, weights, starts)
    (of_pixels,) = torch.autograd.grad(read, pixels, grad_reads)
    bottom_grad.add_(grad + as_maps(of_pixels, len(grad), *grad.shape[2:]))


def around(
    boxes: Tensor, shape: torch.Size, spatial_scale: float, points: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pixels and weights of all boxes' points, and where each box's begin, for `weighted_sums`."""
    batch, _, height, width = shape
    centre_y, centre_x, extent_x, extent_y = (boxes[..., :4] * spatial_scale).unbind(-1)
    half_x, half_y, angle = extent_x / 2, extent_y / 2, boxes[..., 4]
    # From the centre, to its right and up, as many halves of the box: (points,) each.
    right, up = boxes.new_tensor([[0, 1, -1, -1, 1], [0, 1, 1, -1, -1]])[:, :points]
    right, up = right * half_x[..., None], up * half_y[..., None]
    cosine, sine = angle.cos()[..., None], angle.sin()[..., None]
    x = centre_x[..., None] + cosine * right - sine * up  # (B, H, W, points)
    y = centre_y[..., None] + sine * right + cosine * up
    image = torch.arange(batch, device=boxes.device).view(-1, 1, 1, 1)
    found = corners(image, y, x, height, width)
    rows, weights = (torch.stack(four, -1).flatten() for four in found)
    starts = torch.arange(batch * height * width, device=boxes.device) * (4 * points)
    return rows, weights, starts


def active_rotated_filter_forward(input: Tensor, indices: Tensor, output: Tensor) -> None:
    """Fill `output` (O * R, I * A, kH, kW) with a weight (O, I, A, kH, kW) turned R times.

    Args:
        indices: (A, kH, kW, R) where each element of the last three dimensions goes to in each
            rotation, counted from 1.
    """
    places, weight = indices.flatten(0, 2).t().long() - 1, input.flatten(2)
    turned = weight[:, None].expand(-1, len(places), -1, -1)  # (O, R, I, A * kH * kW)
    filled = torch.zeros_like(turned).scatter_(3, places[None, :, None].expand_as(turned), turned)
    output.copy_(filled.reshape(output.shape))


def active_rotated_filter_backward(grad_out: Tensor, indices: Tensor, grad_in: Tensor) -> None:
    """Fill `grad_in` (O, I, A, kH, kW) with the gradient of `active_rotated_filter_forward`."""
    places = indices.flatten(0, 2).t().long() - 1
    planes, channels = grad_in.shape[:2]
    turned = grad_out.reshape(planes, len(places), channels, places.shape[1])
    grad_in.copy_(turned.gather(3, places[None, :, None].expand_as(turned)).sum(1).view_as(grad_in))
