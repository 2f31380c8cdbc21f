"""Convex quadrilaterals (N, 8), as x, y of four corners in one order or the other."""

import torch
from torch import Tensor

from ..boxes.suppression import suppressed_by_overlap
from .polygons import area, counter_clockwise, intersection
from .rotated_boxes import box_pairs

UNION, FIRST_BOX = 0, 1

# Pairs whose polygons are computed together: about 200 MiB.
PAIRS_AT_ONCE = 2**17


def box_iou_quadri(
    boxes1: Tensor, boxes2: Tensor, ious: Tensor, mode_flag: int, aligned: bool
) -> None:
    """Fill `ious` with the overlap of convex quadrilaterals.

    Compiled MMCV looks for corners of one inside of the other as if they were rectangles, and is
    wrong where they are none; here they need only be convex.

    Args:
        boxes1, boxes2: (N, 8) and (M, 8); N = M if `aligned`.
        ious: (N * M,) with M running fastest, or (N,) if `aligned`, which pairs the boxes.
        mode_flag: divide the intersection by 0: the union, 1: the area of the box of `boxes1`.
    """
    first, second = box_pairs(boxes1, boxes2, aligned)
    ious.copy_(overlap(boxes1, boxes2, first, second, mode=mode_flag))


def nms_quadri(
    dets: Tensor,
    scores: Tensor,
    order: Tensor,
    dets_sorted: Tensor,
    iou_threshold: float,
    multi_label: bool,
) -> Tensor:
    """Indices of the quadrilaterals that no better-scored kept one overlaps too much.

    As in compiled MMCV, one with an IoU of exactly `iou_threshold` is suppressed on the CPU and
    kept on CUDA devices, and labels are not looked at.

    Args:
        dets: (N, 8), or (N, 9) with a label.
        order, dets_sorted, multi_label: what MMCV prepares for its own code; unused.

    Returns:
        (K,) int64 by descending score.
    """
    return suppressed_by_overlap(dets[:, :8], scores, iou_threshold, overlap)


def overlap(
    boxes1: Tensor, boxes2: Tensor, first: Tensor, second: Tensor, *, mode: int = UNION
) -> Tensor:
    """(P,) float64: overlap of quadrilaterals `boxes1[first]` with `boxes2[second]`."""
    corners1, corners2 = (
        counter_clockwise(boxes.double().view(-1, 4, 2)) for boxes in (boxes1, boxes2)
    )
    parts = [
        overlap_of_pairs(corners1[some], corners2[others], mode)
        for some, others in zip(
            first.split(PAIRS_AT_ONCE), second.split(PAIRS_AT_ONCE), strict=True
        )
    ]
    return torch.cat(parts) if parts else corners1.new_zeros(0)


def overlap_of_pairs(corners1: Tensor, corners2: Tensor, mode: int) -> Tensor:
    """(P,) overlap of quadrilaterals (P, 4, 2) with others, pair by pair."""
    area1, area2 = area(corners1), area(corners2)
    common = torch.zeros_like(area1)
    near = boxes_meet(corners1, corners2).nonzero().flatten()
    common[near] = area(intersection(corners1[near], corners2[near])).clamp(min=0)
    # Boxes this thin overlap nothing, in MMCV as here.
    exists = (area1 >= 1e-14) & (area2 >= 1e-14)
    whole = area1 + area2 - common if mode == UNION else area1
    return torch.where(exists, common / whole, 0.0)


def boxes_meet(corners1: Tensor, corners2: Tensor) -> Tensor:
    """Whether the axis-aligned boxes around polygons meet; most pairs of an image do not."""
    low = torch.maximum(corners1.amin(1), corners2.amin(1))
    high = torch.minimum(corners1.amax(1), corners2.amax(1))
    return (low <= high).all(1)


def points_in_polygons_forward(points: Tensor, polygons: Tensor, output: Tensor) -> None:
    """Fill `output` (N, M) with 1 where points (N, 2) lie in quadrilaterals (M, 8), else 0.

    By the number of sides to the right of a point, so that the quadrilateral may be of any shape. A
    point on its border counts as inside or outside, depending on the side, as in compiled MMCV.
    """
    x, y = points.float()[:, None].unbind(-1)  # in float32, as in MMCV
    corners = polygons.float().view(-1, 4, 2)
    crossed = torch.zeros_like(output, dtype=torch.bool)
    on_border = torch.zeros_like(crossed)
    for i in range(4):
        (start_x, start_y), (end_x, end_y) = corners[:, i].unbind(1), corners[:, i - 1].unbind(1)
        crosses = (start_y < y) != (end_y < y)
        where = start_x + (y - start_y) * (end_x - start_x) / (end_y - start_y)
        # MMCV stops at the first side that a point lies on, with what it has counted till then.
        on_border |= ((start_x == x) & (start_y == y)) | ((end_x == x) & (end_y == y))
        on_border |= crosses & (where == x)
        crossed ^= crosses & (where > x) & ~on_border
    output.copy_(crossed)
