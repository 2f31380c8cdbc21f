"""Which prediction is which annotated object, as COCO's evaluation decides it at one IoU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .results import ImageResult

#: An IoU from which on a prediction can be an object.
POSITIVE = 0.5
#: In place of an index: a false prediction, one in an ignored region; an object that was missed.
FALSE, IGNORED, MISSED = -1, -2, -1


@dataclass(frozen=True)
class Matching:
    """The pairs of an image.

    Attributes:
        of_found: ``(P,)``, the annotation that each prediction is, else `FALSE` or `IGNORED`.
        of_truth: ``(T,)``, the prediction that has each annotation, else `MISSED`.
    """

    of_found: np.ndarray
    of_truth: np.ndarray


def match(result: ImageResult, positive: float = POSITIVE) -> Matching:
    """Pair predictions with annotations of their class.

    In the order of their scores, predictions take the free object with the highest IoU. What has
    none and lies in an ignored region counts as nothing.

    Args:
        result: of an image.
        positive: the IoU from which on.
    """
    of_found = np.full(len(result.found), FALSE)
    of_truth = np.full(len(result.truth), MISSED)
    if not len(result.truth):
        return Matching(of_found, of_truth)
    same = result.found.labels[:, None] == result.truth.labels[None]
    overlaps = np.where(same, result.overlaps, 0.0)
    counted = np.zeros(len(result.truth), bool)
    counted[result.counted] = True
    free = counted.copy()
    for index, row in enumerate(overlaps):
        candidates = np.where(free, row, 0.0)
        best = int(candidates.argmax())
        if candidates[best] >= positive:
            of_found[index], of_truth[best] = best, index
            free[best] = False
        elif (row[~counted] >= positive).any():
            of_found[index] = IGNORED
    return Matching(of_found, of_truth)
