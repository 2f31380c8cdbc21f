"""Soft-NMS (arXiv 1704.04503): overlapping boxes lose score instead of being dropped."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..kernel import in_working_dtype

NAIVE, LINEAR, GAUSSIAN = 0, 1, 2
X1, Y1, X2, Y2, AREA, SCORE = range(6)

Array = np.ndarray[Any, np.dtype[Any]]


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Take the best box, lower the scores of the others by their overlap with it, and repeat.

    One step for each kept box, all others at once.  The others stay in the order of compiled MMCV,
    which moves boxes when it takes or drops one: the order decides which of two equal scores comes
    first.

    Args:
        boxes: (N, 4) as x1, y1, x2, y2.
        dets: (N, 5), of which the first K rows are filled with x1, y1, x2, y2, lowered score.
        iou_threshold: naive and linear lower a score only from this overlap on.
        sigma: of gaussian, whose factor is exp(-overlap ** 2 / sigma).
        min_score: a box whose lowered score is below is dropped.
        method: 0 naive (factor 0), 1 linear (1 - overlap), 2 gaussian.
        offset: a width is x2 - x1 + offset.

    Returns:
        (K,) int64 indices of the kept boxes, in the order in which they were taken.
    """
    corners, confidence = in_working_dtype(boxes, scores)
    areas = (corners[:, 2:] - corners[:, :2] + offset).prod(1)
    # One column a box.  In NumPy: the steps are many and small, and its calls have less overhead.
    left = torch.cat([corners.t(), areas[None], confidence[None]]).cpu().numpy()
    indices = np.arange(len(boxes))
    taken, count = 0, len(boxes)
    while taken < count:
        best = taken + int(left[SCORE, taken:count].argmax())
        swap = [best, taken]
        left[:, [taken, best]], indices[[taken, best]] = left[:, swap], indices[swap]
        rest, rest_indices = left[:, taken + 1 : count], indices[taken + 1 : count]
        overlaps = overlaps_with(left[:, taken], rest, offset)
        taken += 1

        rest[SCORE] *= score_factors(overlaps, iou_threshold, sigma, method)
        dropped = rest[SCORE] < min_score
        if dropped.any():
            gaps, movers = gaps_and_movers(dropped)
            rest[:, gaps], rest_indices[gaps] = rest[:, movers], rest_indices[movers]
            count -= int(dropped.sum())
    dets[:count].copy_(torch.from_numpy(left[[X1, Y1, X2, Y2, SCORE], :count].T))
    return torch.from_numpy(indices[:count]).to(boxes.device)


def overlaps_with(box: Array, others: Array, offset: int) -> Array:
    """(N,) IoU of a box (6,) with others (6, N)."""
    width = np.minimum(box[X2], others[X2]) - np.maximum(box[X1], others[X1]) + offset
    height = np.minimum(box[Y2], others[Y2]) - np.maximum(box[Y1], others[Y1]) + offset
    common = np.maximum(width, 0) * np.maximum(height, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Two boxes without area give NaN, which counts as no overlap.
        return common / (box[AREA] + others[AREA] - common)


def score_factors(overlaps: Array, iou_threshold: float, sigma: float, method: int) -> Array:
    """(N,) the factors by which boxes with these overlaps lose score."""
    if method == GAUSSIAN:
        return np.exp(-np.nan_to_num(overlaps * overlaps) / sigma)
    lowered = 1 - overlaps if method == LINEAR else np.zeros_like(overlaps)
    return np.where(overlaps >= iou_threshold, lowered, 1)


def gaps_and_movers(dropped: Array) -> tuple[Array, Array]:
    """Where boxes are `dropped` among the first that stay, and which ones fill those places.

    From the front, each dropped box is replaced by the last one that is left.
    """
    stay = len(dropped) - np.count_nonzero(dropped)
    return dropped[:stay].nonzero()[0], stay + (~dropped[stay:]).nonzero()[0][::-1]
