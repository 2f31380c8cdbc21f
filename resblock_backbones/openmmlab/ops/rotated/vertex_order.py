"""The order of the corners of an intersection, for MMCV's differentiable IoU of rotated boxes."""

import math

import torch
from torch import Tensor

# The corners of an intersection of two rectangles, and the first of them once more.
MOST_CORNERS, PLACES = 8, 9
# Before this place there are the corners of the boxes, from it on the crossings of their sides.
CROSSINGS = 8
# Of the polygon's extent: corners as close as that are the same.
SAME_PLACE = 1e-6


def diff_iou_rotated_sort_vertices_forward(
    vertices: Tensor, mask: Tensor, num_valid: Tensor
) -> Tensor:
    """Indices of valid vertices around the origin by angle, the first of them once more at the end.

    Corners at the same place are taken once, the one that comes first in `vertices`; compiled MMCV
    takes vertex 0 in place of the others, which is right only where all are doubled.

    Args:
        vertices: (B, N, 24, 2), as seen from the mean of the valid ones.
        mask: (B, N, 24) bool, which are valid.
        num_valid: (B, N) how many; unused.

    Returns:
        (B, N, 9) int32, filled up with the index of a crossing that is not valid. With fewer than
        three corners all are that.
    """
    mask = mask.bool()
    points = torch.where(mask[..., None], vertices, 0).to(torch.float64)
    angle = torch.atan2(points[..., 1], points[..., 0]) % (2 * math.pi)
    is_corner = mask & ~repeated(points, mask)
    order = torch.where(is_corner, angle, torch.inf).argsort(dim=-1, stable=True)
    count = is_corner.sum(-1, keepdim=True).clamp(max=MOST_CORNERS)
    unused = CROSSINGS + mask[..., CROSSINGS:].int().argmin(-1, keepdim=True)
    place = torch.arange(PLACES, device=vertices.device).expand(*mask.shape[:-1], PLACES)
    order = torch.where(place == count, order[..., :1], order[..., :PLACES])
    return torch.where((place <= count) & (count >= 3), order, unused).int()


def repeated(points: Tensor, mask: Tensor) -> Tensor:
    """(..., K) whether an earlier valid point of `points` (..., K, 2) is at the same place."""
    extent = points.abs().amax((-1, -2))[..., None, None]
    apart = (points[..., :, None, :] - points[..., None, :, :]).abs().amax(-1)
    same = (apart <= SAME_PLACE * extent) & mask[..., :, None] & mask[..., None, :]
    return same.tril(diagonal=-1).any(-1)
