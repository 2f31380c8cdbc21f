"""Which classes a detector takes for which, and what it misses and invents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .matching import IGNORED, POSITIVE, match
from .results import ImageResult


def confusion(
    results: Sequence[ImageResult], classes: int, positive: float = POSITIVE
) -> np.ndarray:
    """Objects by their class and the class that they are taken for.

    An object and a prediction of any class belong together from an IoU on. Each has one partner at
    most: pairs of the same class come first, then those with the highest IoU.

    Args:
        results: with the predictions that are kept.
        classes: how many there are.
        positive: the IoU from which on.

    Returns:
        ``(classes + 1, classes + 1)``: a row for each true class, a column for each predicted one.
        The last row is predictions without an object, the last column objects without a prediction.
    """
    table = np.zeros((classes + 1, classes + 1), int)
    for result in results:
        _add(table, result, positive)
    return table


def _add(table: np.ndarray, result: ImageResult, positive: float) -> None:
    background = len(table) - 1
    truth, found = result.truth.labels, result.found.labels
    free = np.zeros(len(truth), bool)
    free[result.counted] = True
    unpaired = match(result, positive).of_found != IGNORED
    overlaps = np.where(free[None], result.overlaps, 0.0)
    first, second = np.nonzero(overlaps >= positive)
    different = found[first] != truth[second]
    for index in np.lexsort((-overlaps[first, second], different)):
        prediction, annotation = first[index], second[index]
        if unpaired[prediction] and free[annotation]:
            table[truth[annotation], found[prediction]] += 1
            unpaired[prediction] = free[annotation] = False
    np.add.at(table, (truth[free], background), 1)
    np.add.at(table, (background, found[unpaired]), 1)


def most_confused(table: np.ndarray, share: float, least: int) -> list[tuple[int, int, float]]:
    """Classes that are often taken for another one.

    Args:
        table: of `confusion`.
        share: of the objects of the class, from which on.
        least: number of objects, from which on.

    Returns:
        The class, the other one, and the share; the largest first.

    >>> most_confused(np.array([[6, 4, 0], [0, 5, 0], [1, 1, 0]]), 0.2, 3)
    [(0, 1, 0.4)]
    """
    objects = table[:-1].sum(1)
    shares = table[:-1, :-1] / np.maximum(objects, 1)[:, None]
    pairs = [
        (int(one), int(other), float(shares[one, other]))
        for one, other in np.argwhere((shares >= share) & (table[:-1, :-1] >= least))
        if one != other
    ]
    return sorted(pairs, key=lambda pair: -pair[2])
