"""The greedy selection of hard non-maximum suppression, given the pairs that overlap.

The overlaps are the costly part and are computed for many pairs at once, on any device; the
selection goes from box to box and reads only the pairs that overlap too much.
"""

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..kernel import working_dtype

# Pairs that are compared together: about 100 MiB.
PAIRS_AT_ONCE = 2**20


class Overlap(Protocol):
    """(P,) IoU of boxes `boxes1[first]` with `boxes2[second]`; `first` and `second` are (P,)."""

    def __call__(self, boxes1: Tensor, boxes2: Tensor, first: Tensor, second: Tensor) -> Tensor: ...


def suppressed_by_overlap(
    boxes: Tensor, scores: Tensor, iou_threshold: float, overlap: Overlap
) -> Tensor:
    """Indices of the boxes that no better-scored kept box overlaps too much, all pairs compared.

    A box with an IoU of exactly `iou_threshold` is suppressed on the CPU and kept on CUDA devices.

    Args:
        boxes: (N, K), of any shape that `overlap` takes.
        scores: (N,).

    Returns:
        (K,) int64 by descending score.
    """
    count = len(boxes)
    if count == 0:
        return torch.empty(0, dtype=torch.long, device=boxes.device)
    order = by_descending_score(scores)
    boxes = boxes[order]
    better, worse = [], []
    rows = max(1, PAIRS_AT_ONCE // count)
    for start in range(0, count, rows):
        stop = min(start + rows, count)
        pairs = torch.ones(stop - start, count, dtype=torch.bool, device=boxes.device)
        first, second = pairs.triu(diagonal=start + 1).nonzero().unbind(1)
        # In float32 as in MMCV, so that an overlap of exactly the threshold counts as such.
        overlaps = overlap(boxes, boxes, first + start, second).to(working_dtype(boxes))
        close = overlaps > iou_threshold if boxes.is_cuda else overlaps >= iou_threshold
        better.append(first[close] + start)
        worse.append(second[close])
    return keep(torch.cat(better), torch.cat(worse), order)


def by_descending_score(scores: Tensor) -> Tensor:
    """Indices that sort `scores`, the best first; equal scores stay in input order."""
    return scores.sort(dim=0, descending=True, stable=True)[1]


def suppress(better: Tensor, worse: Tensor, count: int) -> list[list[int]]:
    """Groups of boxes: one that is kept, then those that it suppresses, each by descending score.

    Args:
        better: (P,) positions, in score order and rising, of the first box of each pair ...
        worse: (P,) ... and of the second, lower-scored one, that overlaps it too much; rising
            within the pairs of one `better`.
        count: number of boxes.

    Returns:
        Positions in score order; every box is in exactly one group.
    """
    ends = torch.bincount(better, minlength=count).cumsum(0).tolist()
    worse_than = worse.cpu().numpy()
    alive = np.ones(count, dtype=bool)
    groups = []
    start = 0
    for position, end in enumerate(ends):
        if alive[position]:
            taken = worse_than[start:end]
            taken = taken[alive[taken]]
            alive[taken] = False
            groups.append([position, *taken.tolist()])
        start = end
    return groups


def keep(better: Tensor, worse: Tensor, order: Tensor) -> Tensor:
    """The kept boxes of `suppress`, as indices on the device of `order` (sorting by score)."""
    groups = suppress(better, worse, len(order))
    return order[torch.tensor([group[0] for group in groups], device=order.device)]
