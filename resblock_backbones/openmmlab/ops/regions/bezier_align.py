"""BezierAlign (ABCNet, arXiv 2002.10200): RoIAlign between two Bezier curves, for curved text.

A region is (R, 17): image, then the four control points x, y of the upper curve from left to right
and of the lower one from right to left.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..bin_means import BinReads, bin_means, bin_means_gradient, bin_reads
from ..bin_points import bin_points, points_per_bin
from ..kernel import in_working_dtype


def bezier_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Fill `output` (R, C, aligned_height, aligned_width) from `input` (B, C, H, W).

    Args:
        rois: (R, 17), times `spatial_scale` in pixels of `input`.
        sampling_ratio: points per bin and direction; 0 takes about one per pixel.
        aligned: shift by half a pixel; if not, regions are also at least one pixel large.
    """
    features, regions = in_working_dtype(input, rois)
    size = (aligned_height, aligned_width)
    reads = curved_reads(regions, size, spatial_scale, sampling_ratio, aligned, features.shape)
    output.copy_(bin_means(features, reads, len(regions), size))


def bezier_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> None:
    """Add the gradient of `bezier_align_forward` to `grad_input` (B, C, H, W)."""
    grad, regions = in_working_dtype(grad_output, rois)
    size = (aligned_height, aligned_width)
    reads = curved_reads(regions, size, spatial_scale, sampling_ratio, aligned, grad_input.shape)
    grad_input.add_(bin_means_gradient(grad, reads, grad_input.shape))


def curved_reads(
    regions: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    shape: torch.Size,
) -> Iterator[BinReads]:
    """What regions (R, 17) read of maps of `shape` (B, C, H, W), chunk by chunk."""
    control = regions[:, 1:].reshape(-1, 2, 4, 2) * spatial_scale
    curves = torch.stack([control[:, 0], control[:, 1].flip(1)], 1)  # (R, 2, 4, 2) left to right
    extent = (curves[:, :, 0] - curves[:, :, 3]).abs().amax(1)  # (R, 2) width and height
    if not aligned:
        extent = extent.clamp(min=1)
    step = extent / extent.new_tensor([size[1], size[0]])
    centres = bin_centres(curves, size) - (0.5 if aligned else 0.0)
    start = centres - step[:, None, None] / 2
    for part, points in bin_points(start, step, points_per_bin(step, sampling_ratio)):
        x, y = points.place.unbind(1)
        yield bin_reads(part, points, regions[points.region, 0].long(), y, x, shape)


def bin_centres(curves: Tensor, size: tuple[int, int]) -> Tensor:
    """(R, h, w, 2) points x, y between the upper and the lower of curves (R, 2, 4, 2).

    The first is where the upper curve begins; the last lies a step before the lower one's end.
    """
    down, along = (torch.arange(n).to(curves) / n for n in size)
    # Bernstein's polynomials of the third degree.
    rest = 1 - along
    basis = torch.stack([rest**3, 3 * along * rest**2, 3 * along**2 * rest, along**3], 1)
    upper, lower = (basis @ curves).unbind(1)  # (R, w, 2) each
    return torch.lerp(upper[:, None], lower[:, None], down[:, None, None])
