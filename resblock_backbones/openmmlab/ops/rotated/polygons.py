"""Convex polygons, many at once: areas, hulls, intersections; differentiable in their corners.

A polygon is a row of a tensor (P, K, 2): its corners as x, y, counter-clockwise where y points up.
One with fewer than K corners repeats one of them, which adds no area.
"""

import torch
from torch import Tensor


def cross(first: Tensor, second: Tensor) -> Tensor:
    """(...) cross product of vectors (..., 2)."""
    return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]


def area(corners: Tensor) -> Tensor:
    """(P,) area of polygons (P, K, 2), negative if the corners are in clockwise order."""
    # From a corner of its own, so that far away from the origin no digits are lost.
    corners = corners - corners[:, :1].detach()
    return cross(corners, corners.roll(-1, dims=1)).sum(1) / 2


def counter_clockwise(corners: Tensor) -> Tensor:
    """`corners` (P, K, 2), each polygon's in counter-clockwise order."""
    return torch.where((area(corners) < 0)[:, None, None], corners.flip(1), corners)


def intersection(first: Tensor, second: Tensor) -> Tensor:
    """Intersections of convex polygons (P, K, 2) and (P, L, 2), pair by pair: (P, K + L, 2)."""
    for i in range(second.shape[1]):
        start, end = second[:, i], second[:, (i + 1) % second.shape[1]]
        first = cut(first, start, end)
    return first


def cut(corners: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """What lies to the left of lines from `start` to `end` (P, 2): (P, K + 1, 2)."""
    side = cross((end - start)[:, None], corners - start[:, None])
    following = side.roll(-1, dims=1)
    # Each corner inside is kept, then comes the point where the side that begins there meets the
    # line. A corner on the line is such a point: moved off it, it would be one.
    inside = side > 0
    meets = inside != (following > 0)
    part = side / torch.where(meets, side - following, 1.0)
    met = corners + part[..., None] * (corners.roll(-1, dims=1) - corners)
    points = torch.stack([corners, met], 2).flatten(1, 2)  # (P, 2 K, 2)
    stays = torch.stack([inside, meets], 2).flatten(1)
    return compacted(points, stays, corners.shape[1] + 1)


def compacted(points: Tensor, stays: Tensor, count: int) -> Tensor:
    """The first `count` of those `points` (P, N, 2) that stay; the first of them in free places.

    None of a row stays: the row is a single point.
    """
    order = stays.int().argsort(dim=1, descending=True, stable=True)
    order = torch.where(stays.gather(1, order), order, order[:, :1])[:, :count]
    return points.gather(1, order[..., None].expand(-1, -1, 2))


def hull(points: Tensor) -> tuple[Tensor, Tensor]:
    """Corners of the convex hulls of points (P, N, 2), counter-clockwise, by monotone chains.

    Returns:
        (P, N) int64 indices from the lowest point on (the leftmost of equals), filled up with the
        first one; and (P,) the number of corners. Of points at one place it is the first.
    """
    rows, count = points.shape[:2]
    same = (points[:, :, None] == points[:, None]).all(-1)
    order = points[..., 0].argsort(dim=1, stable=True)
    order = order.gather(1, points[..., 1].gather(1, order).argsort(dim=1, stable=True))
    chain = points.new_zeros(rows, 2 * count, dtype=torch.long)
    size = torch.zeros(rows, dtype=torch.long, device=points.device)
    keep = torch.ones_like(size)
    for step in range(2 * count - 1):  # up on the right side, then down on the left
        if step == count:
            keep = size
        new = order[:, step] if step < count else order[:, 2 * count - 2 - step]
        size = without_right_turns(points, chain, size, keep, new)
        chain.scatter_(1, size[:, None], new[:, None])
        size = size + 1
    # The last is the first again; points that are all at one place stay as two.
    number = torch.where(same.all(-1).all(-1), 1, size - 1)
    free = torch.arange(count, device=points.device) >= number[:, None]
    chain = torch.where(free, chain[:, :1], chain[:, :count])
    first_of_equals = same.int().argmax(2)
    return first_of_equals.gather(1, chain), number


def without_right_turns(
    points: Tensor, chain: Tensor, size: Tensor, keep: Tensor, new: Tensor
) -> Tensor:
    """(P,) sizes of chains (P, N) of indices, so that points `new` (P,) follow by left turns.

    Args:
        size: (P,) as yet.
        keep: (P,) the first corners that stay whatever follows.
    """

    def at(index: Tensor) -> Tensor:
        return points.gather(1, index[:, None, None].expand(-1, 1, 2))[:, 0]

    while True:
        last = at(chain.gather(1, (size - 1).clamp(min=0)[:, None])[:, 0])
        before = at(chain.gather(1, (size - 2).clamp(min=0)[:, None])[:, 0])
        turns_right = cross(last - before, at(new) - last) <= 0
        too_many = turns_right & (size > keep)
        if not too_many.any():
            return size
        size = size - too_many.long()
