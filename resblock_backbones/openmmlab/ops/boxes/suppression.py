"""The greedy selection of hard non-maximum suppression, given the pairs that overlap.

The overlaps are the costly part and are computed for many pairs at once, on any device; the
selection goes from box to box and reads only the pairs that overlap too much.
"""

import numpy as np
import torch
from torch import Tensor


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
