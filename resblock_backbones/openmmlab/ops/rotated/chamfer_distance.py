"""Chamfer distance: from each point of a set to the nearest one of another, in the plane."""

from torch import Tensor

from ..kernel import in_working_dtype


def chamfer_distance_forward(
    xyz1: Tensor, xyz2: Tensor, dist1: Tensor, dist2: Tensor, idx1: Tensor, idx2: Tensor
) -> None:
    """Fill in squared distances between sets (B, N, 2) and (B, M, 2), and which point is nearest.

    Args:
        xyz1, xyz2: the points as x, y.
        dist1, idx1: (B, N) for each point of `xyz1`; of points equally near the first.
        dist2, idx2: (B, M) for each point of `xyz2`.
    """
    first, second = in_working_dtype(xyz1, xyz2)
    # (B, N, M), by differences: products of coordinates would lose digits far from the origin.
    squares = (first[:, :, None] - second[:, None]).square().sum(-1)
    for distance, index, dim in ((dist1, idx1, 2), (dist2, idx2, 1)):
        nearest = squares.min(dim)
        distance.copy_(nearest.values)
        index.copy_(nearest.indices)


def chamfer_distance_backward(
    xyz1: Tensor,
    xyz2: Tensor,
    idx1: Tensor,
    idx2: Tensor,
    graddist1: Tensor,
    graddist2: Tensor,
    gradxyz1: Tensor,
    gradxyz2: Tensor,
) -> None:
    """Add the gradients of `chamfer_distance_forward` to `gradxyz1` and `gradxyz2`."""
    first, second, grad1, grad2 = in_working_dtype(xyz1, xyz2, graddist1, graddist2)
    for points, others, index, grad, of_points, of_others in (
        (first, second, idx1, grad1, gradxyz1, gradxyz2),
        (second, first, idx2, grad2, gradxyz2, gradxyz1),
    ):
        place = index.long()[..., None].expand(-1, -1, 2)
        pull = 2 * grad[..., None] * (points - others.gather(1, place))
        of_points.add_(pull)
        of_others.scatter_add_(1, place, -pull.to(of_others.dtype))
