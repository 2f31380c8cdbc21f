"""Sets of nine points (N, 18), as RepPoints heads of oriented detectors predict them.

A set stands for its convex hull (Oriented RepPoints, arXiv 2105.11111).
All is computed in float64.
"""

import math

import torch
from torch import Tensor

from .polygons import area, counter_clockwise, hull, intersection

# Pairs of a set and a polygon that are computed together: about 400 MiB.
PAIRS_AT_ONCE = 2**17


def convex_iou(pointsets: Tensor, polygons: Tensor, ious: Tensor) -> None:
    """Fill `ious` (N, K) with the overlap of the hulls of `pointsets` and convex `polygons`.

    Args:
        pointsets: (N, 18) as x, y of nine points.
        polygons: (K, 8) as x, y of four corners in one order or the other.
    """
    hulls = hull_corners(pointsets.double().view(-1, 9, 2))
    boxes = counter_clockwise(polygons.double().view(-1, 4, 2))
    count = len(boxes)
    pairs = torch.arange(len(hulls) * count, device=hulls.device)
    parts = [
        overlap(hulls[part // count], boxes[part % count]) for part in pairs.split(PAIRS_AT_ONCE)
    ]
    if count:
        ious.copy_(torch.cat(parts).view_as(ious))


def overlap(first: Tensor, second: Tensor) -> Tensor:
    """(P,) IoU of convex polygons (P, K, 2) and (P, L, 2), pair by pair."""
    common = area(intersection(first, second))
    return common / (area(first) + area(second) - common)


def convex_giou(pointsets: Tensor, polygons: Tensor, output: Tensor) -> None:
    """Fill `output` (N, 19) with the gradient of the generalised IoU (18 numbers) and its value.

    The generalised IoU (arXiv 1902.09630) is the IoU less the part of the hull of both that neither
    covers; the gradient is with respect to the points.

    Args:
        pointsets: (N, 18) as x, y of nine points, of which the hull is taken.
        polygons: (N, 8), one for each set.
    """
    with torch.enable_grad():
        points = pointsets.detach().double().view(-1, 9, 2).requires_grad_()
        boxes = counter_clockwise(polygons.detach().double().view(-1, 4, 2))
        hulls = hull_corners(points)
        common, around = area(intersection(hulls, boxes)), area(hull_corners_of(hulls, boxes))
        union = area(hulls) + area(boxes) - common
        giou = common / union - (around - union) / around
        (grad,) = torch.autograd.grad(giou.sum(), points)
    output.copy_(torch.cat([grad.flatten(1), giou.detach()[:, None]], 1))


def hull_corners(points: Tensor) -> Tensor:
    """Convex hulls (P, N, 2) of points (P, N, 2)."""
    indices, _ = hull(points.detach())
    return points.gather(1, indices[..., None].expand(-1, -1, 2))


def hull_corners_of(first: Tensor, second: Tensor) -> Tensor:
    """Convex hulls of the corners of two polygons together; of equal corners that of `first`."""
    return hull_corners(torch.cat([first, second], 1))


def min_area_polygons(pointsets: Tensor, polygons: Tensor) -> None:
    """Fill `polygons` (N, 8) with the smallest rectangles around `pointsets` (N, 18).

    One side of it lies along a side of the hull. With the angle of that side in [0, pi / 2), the
    corners are, in the rectangle's own axes, bottom right, bottom left, top left, top right, if y
    points up.
    """
    points = pointsets.double().view(-1, 9, 2)
    corners = hull_corners(points)
    sides = corners.roll(-1, dims=1) - corners
    angle = torch.atan2(sides[..., 1], sides[..., 0]) % (math.pi / 2)  # (N, 9)
    axes = torch.stack([angle.cos(), angle.sin(), -angle.sin(), angle.cos()], -1)
    axes = axes.unflatten(-1, (2, 2))  # (N, 9, axis, x and y)
    seen = torch.einsum("nsax,npx->nspa", axes, corners)  # each corner along each side's axes
    low, high = seen.amin(2), seen.amax(2)  # (N, 9, 2)
    size = (high - low).prod(-1)
    # A corner that only fills up has no side; it would have the angle 0.
    exists = (sides != 0).any(-1)
    exists[:, 0] |= ~exists.any(1)
    best = torch.where(exists, size, torch.inf).argmin(1)
    row = torch.arange(len(points), device=points.device)
    low, high, axes = low[row, best], high[row, best], axes[row, best]
    ends = torch.stack([low, high], 1)  # (N, 2, axis)
    across, up = ends[:, [1, 0, 0, 1], 0], ends[:, [0, 0, 1, 1], 1]
    found = across[..., None] * axes[:, None, 0] + up[..., None] * axes[:, None, 1]
    polygons.copy_(found.flatten(1))
