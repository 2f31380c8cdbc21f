"""RoIAlign of rotated boxes, and its form for rotation-equivariant features (arXiv 2103.07733).

Boxes are (R, 6) as image, centre x, centre y, width, height, angle in radians.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ..bin_means import BinReads, bin_means, bin_means_gradient, bin_reads
from ..bin_points import bin_corners, bin_points, points_per_bin
from ..kernel import in_working_dtype


def roi_align_rotated_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """Fill `output` (R, C, pooled_height, pooled_width) from `input` (B, C, H, W).

    Args:
        rois: (R, 6), times `spatial_scale` in pixels of `input`.
        sampling_ratio: points per bin and direction; 0 takes about one per pixel.
        aligned: shift by half a pixel; if not, boxes are also made at least one pixel large.
        clockwise: whether angles are counted from x towards y.
    """
    features, boxes = in_working_dtype(input, rois)
    boxes = on_map(boxes, spatial_scale, aligned, clockwise)
    size = (pooled_height, pooled_width)
    reads = rotated_reads(boxes, size, sampling_ratio, features.shape)
    output.copy_(bin_means(features, reads, len(boxes), size))


def roi_align_rotated_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> None:
    """Add the gradient of `roi_align_rotated_forward` to `grad_input` (B, C, H, W)."""
    grad, boxes = in_working_dtype(grad_output, rois)
    boxes = on_map(boxes, spatial_scale, aligned, clockwise)
    reads = rotated_reads(boxes, (pooled_height, pooled_width), sampling_ratio, grad_input.shape)
    grad_input.add_(bin_means_gradient(grad, reads, grad_input.shape))


def riroi_align_rotated_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    num_samples: int,
    num_orientations: int,
    clockwise: bool,
) -> None:
    """Fill `output` (R, C, pooled_height, pooled_width), orientations turned by each box's angle.

    Args:
        features: (B, C, H, W); channel c holds orientation c mod `num_orientations`.
        rois, clockwise: as in `roi_align_rotated_forward`, without its shift by half a pixel.
        num_samples: as its `sampling_ratio`.
    """
    maps, boxes = in_working_dtype(features, rois)
    lower, part = turns(boxes[:, 5], num_orientations)
    boxes = on_map(boxes, spatial_scale, False, clockwise)
    size = (pooled_height, pooled_width)
    reads = rotated_reads(boxes, size, num_samples, maps.shape)
    regions = bin_means(maps, reads, len(boxes), size)
    regions = regions.unflatten(1, (-1, num_orientations))  # (R, C / O, O, h, w)
    place = (torch.arange(num_orientations, device=lower.device) - lower) % num_orientations
    turned = torch.lerp(
        of_orientation(regions, place),
        of_orientation(regions, (place + 1) % num_orientations),
        part[:, :, None, None, None],
    )
    output.copy_(turned.flatten(1, 2))


def riroi_align_rotated_backward(
    top_grad: Tensor,
    rois: Tensor,
    bottom_grad: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    num_samples: int,
    num_orientations: int,
    clockwise: bool,
) -> None:
    """Add the gradient of `riroi_align_rotated_forward` to `bottom_grad` (B, C, H, W)."""
    grad, boxes = in_working_dtype(top_grad, rois)
    lower, part = turns(boxes[:, 5], num_orientations)
    boxes = on_map(boxes, spatial_scale, False, clockwise)
    grad = grad.unflatten(1, (-1, num_orientations))
    # The other way round: an orientation takes from those outputs that it went to.
    place = (torch.arange(num_orientations, device=lower.device) + lower) % num_orientations
    turned = torch.lerp(
        of_orientation(grad, place),
        of_orientation(grad, (place - 1) % num_orientations),
        part[:, :, None, None, None],
    )
    reads = rotated_reads(boxes, (pooled_height, pooled_width), num_samples, bottom_grad.shape)
    bottom_grad.add_(bin_means_gradient(turned.flatten(1, 2), reads, bottom_grad.shape))


def turns(angle: Tensor, orientations: int) -> tuple[Tensor, Tensor]:
    """(R, 1) whole steps of 1 / `orientations` of a turn in angles (R,), and the rest of a step."""
    steps = angle[:, None] * (orientations / (2 * math.pi))
    return steps.floor().long(), steps - steps.floor()


def of_orientation(regions: Tensor, place: Tensor) -> Tensor:
    """`regions` (R, G, O, h, w), of each region its orientations in the order `place` (R, O)."""
    return regions.gather(2, place[:, None, :, None, None].expand_as(regions))


def on_map(boxes: Tensor, spatial_scale: float, aligned: bool, clockwise: bool) -> Tensor:
    """Boxes (R, 6) in pixels of the map, the angle from y towards x."""
    image, place, extent, angle = boxes.split([1, 2, 2, 1], 1)
    place, extent = place * spatial_scale, extent * spatial_scale
    if aligned:
        place = place - 0.5
    else:
        extent = extent.clamp(min=1)
    return torch.cat([image, place, extent, -angle if clockwise else angle], 1)


def rotated_reads(
    boxes: Tensor, size: tuple[int, int], sampling_ratio: int, shape: torch.Size
) -> Iterator[BinReads]:
    """What boxes (R, 6), as `on_map` gives them, read of maps of `shape` (B, C, H, W)."""
    extent = boxes[:, 3:5]
    step = extent / extent.new_tensor([size[1], size[0]])
    # As seen from the box's centre.
    start = bin_corners(size, step) - extent[:, None, None] / 2
    for part, points in bin_points(start, step, points_per_bin(step, sampling_ratio)):
        image, centre_x, centre_y, _, _, angle = boxes[points.region].unbind(1)
        x, y = points.place.unbind(1)
        cosine, sine = angle.cos(), angle.sin()
        across, down = x * cosine + y * sine + centre_x, y * cosine - x * sine + centre_y
        yield bin_reads(part, points, image.long(), down, across, shape)
