"""Overlap of rotated boxes and their suppression.

The intersection of two rectangles is a convex polygon, bounded by the parts of each one's edges
that lie inside the other.  By Green's theorem its area is the sum of what the ray from any fixed
point sweeps along these parts, so that no corner has to be computed or sorted.  All pairs of boxes
are computed at once, in float64.
"""

import torch
from torch import Tensor

from ..boxes.suppression import suppressed_by_overlap

UNION, FIRST_BOX = 0, 1

# Pairs that are compared together, and pairs whose polygons are computed together: each about
# 100 MiB.
PAIRS_AT_ONCE = 2**20
POLYGONS_AT_ONCE = 2**17

# Radians between edges that count as parallel; also the relative error that this may bring.
TOLERANCE = 1e-8


def box_iou_rotated(
    boxes1: Tensor, boxes2: Tensor, ious: Tensor, mode_flag: int, aligned: bool
) -> None:
    """Fill `ious` with the overlap of boxes centre x, centre y, width, height, angle in radians.

    Args:
        boxes1, boxes2: (N, 5) and (M, 5); N = M if `aligned`.
        ious: (N * M,) with M running fastest, or (N,) if `aligned`, which pairs the boxes.
        mode_flag: divide the intersection by 0: the union, 1: the area of the box of `boxes1`.
    """
    first, second = box_pairs(boxes1, boxes2, aligned)
    ious.copy_(overlap(boxes1, boxes2, first, second, mode=mode_flag))


def box_pairs(boxes1: Tensor, boxes2: Tensor, aligned: bool) -> tuple[Tensor, Tensor]:
    """Which box of each set is in each pair: row by row if `aligned`, else each with each.

    >>> box_pairs(torch.zeros(2, 5), torch.zeros(3, 5), aligned=False)[1].tolist()
    [0, 1, 2, 0, 1, 2]
    """
    first = torch.arange(len(boxes1), device=boxes1.device)
    if aligned:
        return first, first
    second = torch.arange(len(boxes2), device=boxes1.device)
    return first.repeat_interleave(len(boxes2)), second.repeat(len(boxes1))


def nms_rotated(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    labels: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Indices of the boxes that no better-scored kept box overlaps too much.

    As in compiled MMCV, a box with an IoU of exactly `iou_threshold` is suppressed on the CPU and
    kept on CUDA devices.

    Args:
        dets: (N, 5), or (N, 6) with a label, which compiled MMCV ignores too.
        order, dets_sorted, labels, multi_label: what MMCV prepares for other devices; unused.

    Returns:
        (K,) int64 by descending score.
    """
    return suppressed_by_overlap(dets[:, :5], scores, iou_threshold, overlap)


def overlap(
    boxes1: Tensor, boxes2: Tensor, first: Tensor, second: Tensor, *, mode: int = UNION
) -> Tensor:
    """(P,) float64: overlap of boxes `boxes1[first]` with `boxes2[second]`."""
    boxes1, boxes2 = boxes1.double(), boxes2.double()
    parts = [
        overlap_of_pairs(boxes1[some], boxes2[others], mode)
        for some, others in zip(
            first.split(PAIRS_AT_ONCE), second.split(PAIRS_AT_ONCE), strict=True
        )
    ]
    return torch.cat(parts) if parts else boxes1.new_zeros(0)


def overlap_of_pairs(boxes1: Tensor, boxes2: Tensor, mode: int) -> Tensor:
    """(P,) overlap of boxes (P, 5) with boxes (P, 5), pair by pair."""
    area1, area2 = (boxes[:, 2] * boxes[:, 3] for boxes in (boxes1, boxes2))
    common = torch.zeros_like(area1)
    near = within_reach(boxes1, boxes2).nonzero().flatten()
    for part in near.split(POLYGONS_AT_ONCE):
        common[part] = common_area(boxes1[part], boxes2[part])
    # Boxes this thin overlap nothing, in MMCV as here.
    exists = (area1 >= 1e-14) & (area2 >= 1e-14)
    whole = area1 + area2 - common if mode == UNION else area1
    return torch.where(exists, common / whole, 0.0)


def within_reach(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Whether the circumscribed circles of two boxes meet; most pairs of an image do not."""
    reach = (boxes1[:, 2:4].norm(dim=1) + boxes2[:, 2:4].norm(dim=1)) / 2
    distance = (boxes1[:, :2] - boxes2[:, :2]).norm(dim=1)
    return distance <= reach * (1 + TOLERANCE)


def common_area(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """(P,) area of the intersection of boxes (P, 5) and (P, 5), pair by pair."""
    turn = boxes1[:, 4] - boxes2[:, 4]
    half1, half2 = boxes1[:, None, 2:4] / 2, boxes2[:, None, 2:4] / 2
    # Seen from the second box, which then has its edges along the axes; its corners also as seen
    # from the first.
    shift = rotated(boxes1[:, None, :2] - boxes2[:, None, :2], -boxes2[:, 4])
    square = boxes1.new_tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    corners1, corners2 = rotated(square * half1, turn) + shift, square * half2
    swept = (
        area_swept(corners1) * part_inside(corners1, half2)
        + area_swept(corners2) * part_inside(rotated(corners2 - shift, -turn), half1)
    ).sum(1)

    # Parallel edges may coincide, which leaves undefined which one is inside; but then the
    # intersection is a rectangle.
    upright = turn.cos().abs() < TOLERANCE
    parallel = upright | (turn.sin().abs() < TOLERANCE)
    half1 = torch.where(upright[:, None, None], half1.flip(-1), half1)
    extent = torch.minimum(shift + half1, half2) - torch.maximum(shift - half1, -half2)
    return torch.where(parallel, extent.clamp(min=0).prod(-1)[:, 0], swept.clamp(min=0))


def rotated(points: Tensor, angle: Tensor) -> Tensor:
    """Points (P, K, 2) turned by angles (P,) from x towards y."""
    cosine, sine = angle.cos()[:, None], angle.sin()[:, None]
    x, y = points.unbind(-1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], -1)


def area_swept(corners: Tensor) -> Tensor:
    """(P, 4) area that the ray from the origin sweeps along each edge of polygons (P, 4, 2)."""
    following = corners.roll(-1, dims=1)
    return (corners[..., 0] * following[..., 1] - corners[..., 1] * following[..., 0]) / 2


def part_inside(corners: Tensor, half: Tensor) -> Tensor:
    """(P, 4) part, 0 to 1, of each edge of polygons (P, 4, 2) that lies in a rectangle.

    The rectangle lies around the origin; `half` (P, 1, 2) is half of its width and height.
    """
    along = corners.roll(-1, dims=1) - corners
    one_side, other_side = (-half - corners) / along, (half - corners) / along
    enters = torch.minimum(one_side, other_side).amax(-1).clamp(min=0)
    leaves = torch.maximum(one_side, other_side).amin(-1).clamp(max=1)
    return (leaves - enters).clamp(min=0)
