"""Overlap of axis-aligned boxes, and the suppression that returns groups of matching boxes."""

import torch
from torch import Tensor

from ..kernel import in_working_dtype, working_dtype
from .suppression import by_descending_score, suppress

UNION, FIRST_BOX = 0, 1

# Pairs that are computed together; their float32 numbers stay in the CPU's cache.
PAIRS_AT_ONCE = 2**17


def bbox_overlaps(
    bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Fill `ious` with the overlap of boxes x1, y1, x2, y2.

    Args:
        bboxes1, bboxes2: (N, 4) and (M, 4); N = M if `aligned`.
        ious: (N, M), or (N,) if `aligned`, which pairs the boxes one by one.
        mode: divide the intersection by 0: the union, 1: the area of the box of `bboxes1`.
        offset: a width is x2 - x1 + offset.
    """
    first, second = in_working_dtype(bboxes1, bboxes2)
    if not aligned:
        first = first[:, None]
    ious.copy_(overlap(first, second, mode=mode, offset=offset))


def overlap(first: Tensor, second: Tensor, *, mode: int = UNION, offset: int = 0) -> Tensor:
    """Overlap of boxes (..., 4) with boxes (..., 4); the leading dimensions broadcast."""
    extent = torch.minimum(first[..., 2:], second[..., 2:])
    extent = (extent - torch.maximum(first[..., :2], second[..., :2]) + offset).clamp(min=0)
    common = extent[..., 0] * extent[..., 1]
    whole = area(first, offset)
    if mode == UNION:
        whole = whole + area(second, offset) - common
    return common / whole


def area(boxes: Tensor, offset: int) -> Tensor:
    """Area of boxes (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0] + offset) * (boxes[..., 3] - boxes[..., 1] + offset)


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of boxes: a kept one, then those it suppressed, by descending score.

    Args:
        dets: (N, 5) as x1, y1, x2, y2, score.
        iou_threshold: a box is suppressed when its IoU is this or greater.
    """
    if dets.numel() == 0:
        return []
    dets = dets.to(working_dtype(dets))
    order = by_descending_score(dets[:, 4])
    boxes = dets[order, :4]
    count = len(boxes)
    rows = max(1, PAIRS_AT_ONCE // count)
    pairs = []
    for start in range(0, count, rows):
        # Only those that come later in score order can be suppressed.
        later = overlap(boxes[start : start + rows, None], boxes[start:])
        better, worse = (later >= iou_threshold).triu(diagonal=1).nonzero().unbind(1)
        pairs.append((better + start, worse + start))
    better, worse = (torch.cat(side) for side in zip(*pairs, strict=True))
    indices = order.tolist()
    return [[indices[i] for i in group] for group in suppress(better, worse, count)]
