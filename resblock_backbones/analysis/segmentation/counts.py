"""Pixels by their class and the class that is predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Pixels at most so far from a border are near to it.
NEAR = 4
#: Upper ends of the bands around borders, in pixels; the last band is beyond them.
BANDS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class ImagePixels:
    """The pixels of an image.

    Attributes:
        number: of the image in its data set.
        name: for people.
        table: ``(C, C + 1)``: a row for each true class, a column for each predicted one; the last
            is predictions of no class.
        near: the same of pixels near to a border.
        bands: ``(B, 2)``: pixels and wrong pixels in each of `BANDS`, and beyond.
    """

    number: int
    name: str
    table: np.ndarray
    near: np.ndarray
    bands: np.ndarray

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes that are annotated or predicted in it; NaN without any."""
        return nan_mean(iou(self.table))

    @property
    def accuracy(self) -> float:
        """The share of right pixels."""
        total = self.table.sum()
        return float(np.trace(self.table) / total) if total else float("nan")


def image_pixels(
    number: int, name: str, truth: np.ndarray, predicted: np.ndarray, classes: int
) -> ImagePixels:
    """Count the pixels of an image.

    Args:
        number, name: of the image.
        truth: ``(H, W)``, class indices; pixels of other values are left out.
        predicted: ``(H, W)``.
        classes: how many there are.
    """
    known = (truth >= 0) & (truth < classes)
    distances = border_distances(truth, known)
    table = _count(truth[known], predicted[known], classes)
    close = known & (distances <= NEAR)
    near = _count(truth[close], predicted[close], classes)
    wrong = truth != predicted
    bands = np.zeros((len(BANDS) + 1, 2), int)
    for place, end in enumerate([*BANDS, None]):
        begin = BANDS[place - 1] if place else 0
        inside = known & (distances > begin)
        if end is not None:
            inside &= distances <= end
        bands[place] = inside.sum(), (inside & wrong).sum()
    return ImagePixels(number, name, table, near, bands)


def _count(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    inside = (predicted >= 0) & (predicted < classes)
    columns = np.where(inside, predicted, classes)
    flat = np.bincount(truth * (classes + 1) + columns, minlength=classes * (classes + 1))
    return flat.reshape(classes, classes + 1)


def border_distances(truth: np.ndarray, known: np.ndarray, furthest: int = BANDS[-1]) -> np.ndarray:
    """The distance of each pixel to the nearest border between two classes.

    Both pixels beside a border are 1 from it. Steps go to the four neighbours. A border to pixels
    of no class is none.

    Args:
        truth: ``(H, W)``, class indices.
        known: ``(H, W)``, bool: pixels of a class.
        furthest: pixels further away have this + 1.

    >>> labels = np.array([[0, 0, 0, 1, 1]])
    >>> border_distances(labels, labels < 9, furthest=2).tolist()
    [[3, 2, 1, 1, 2]]
    """
    reached = np.zeros(truth.shape, bool)
    down = (truth[1:] != truth[:-1]) & known[1:] & known[:-1]
    across = (truth[:, 1:] != truth[:, :-1]) & known[:, 1:] & known[:, :-1]
    reached[1:] |= down
    reached[:-1] |= down
    reached[:, 1:] |= across
    reached[:, :-1] |= across
    distances = np.full(truth.shape, furthest + 1)
    for distance in range(1, furthest + 1):
        distances[reached & (distances > distance)] = distance
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        reached = grown
    return distances


def iou(table: np.ndarray) -> np.ndarray:
    """IoU of each class; NaN where a class is neither annotated nor predicted.

    >>> iou(np.array([[3, 1, 0], [0, 4, 0]])).tolist()
    [0.75, 0.8]
    """
    right = np.diagonal(table).astype(float)
    union = table.sum(1) + table[:, :-1].sum(0) - right
    return np.where(union > 0, right / np.maximum(union, 1), np.nan)


def shares(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of each class; NaN where it is not predicted, or not annotated."""
    right = np.diagonal(table).astype(float)
    predicted, annotated = table[:, :-1].sum(0), table.sum(1)
    precision = np.where(predicted > 0, right / np.maximum(predicted, 1), np.nan)
    recall = np.where(annotated > 0, right / np.maximum(annotated, 1), np.nan)
    return precision, recall


def nan_mean(values: np.ndarray) -> float:
    """The mean of what is a number; NaN where nothing is."""
    numbers = values[~np.isnan(values)]
    return float(numbers.mean()) if len(numbers) else float("nan")
