"""Precision, recall and F1 of each class over the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .matching import FALSE, IGNORED, Matching
from .results import ImageResult

#: COCO's points of recall.
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Curve:
    """A class over the score: all arrays have a value for each of its predictions, highest first.

    Attributes:
        scores: of the predictions.
        precision, recall: of all predictions with at least this score.
        positives: number of annotated objects.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    positives: int

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / np.maximum(self.precision + self.recall, 1e-12)

    @property
    def average_precision(self) -> float:
        """COCO's: the mean of the best precision at 101 points of recall; NaN without objects."""
        return average_precision(self.precision, self.recall) if self.positives else float("nan")

    def best(self) -> Best | None:
        """The score threshold with the highest F1; None where nothing was found."""
        if not len(self.scores) or not self.positives:
            return None
        # Predictions of the same score come together, so only the last of them is a choice.
        last = np.append(self.scores[1:] != self.scores[:-1], True)
        index = int(np.where(last, self.f1, -1).argmax())
        is_lowest = index == len(self.scores) - 1
        low = self.scores[index] if is_lowest else self.scores[index + 1]
        return Best(
            threshold=float((self.scores[index] + low) / 2),
            f1=float(self.f1[index]),
            precision=float(self.precision[index]),
            recall=float(self.recall[index]),
            is_lowest=is_lowest,
        )


@dataclass(frozen=True)
class Best:
    """A score threshold, and what it gives.

    Attributes:
        threshold: half-way between the lowest score that is kept and the next one.
        f1, precision, recall: there.
        is_lowest: all predictions are kept: lower scores, if there were any, might be better.
    """

    threshold: float
    f1: float
    precision: float
    recall: float
    is_lowest: bool


def curve_of(scores: np.ndarray, correct: np.ndarray, positives: int) -> Curve:
    """The curve of predictions in any order.

    >>> curve = curve_of(np.array([0.9, 0.5, 0.7]), np.array([True, True, False]), 2)
    >>> curve.precision.round(2).tolist(), curve.recall.tolist()
    ([1.0, 0.5, 0.67], [0.5, 0.5, 1.0])
    >>> best = curve.best()
    >>> best.threshold, round(best.f1, 3), best.is_lowest
    (0.5, 0.8, True)
    """
    order = np.argsort(-scores, kind="stable")
    true = np.cumsum(correct[order])
    return Curve(
        scores[order], true / np.arange(1, len(order) + 1), true / max(1, positives), positives
    )


def average_precision(precision: np.ndarray, recall: np.ndarray) -> float:
    """COCO's average precision of a curve.

    >>> average_precision(np.array([1.0]), np.array([1.0]))
    1.0
    """
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[places].mean())


def curves(
    results: Sequence[ImageResult], matchings: Sequence[Matching], classes: int
) -> list[Curve]:
    """The curve of each class, over all images."""
    scores, labels, correct = flat(results, matchings)
    positives = np.bincount(
        np.concatenate([one.truth.labels[one.counted] for one in results]), minlength=classes
    )
    return [
        curve_of(scores[labels == label], correct[labels == label], int(positives[label]))
        for label in range(classes)
    ]


def flat(
    results: Sequence[ImageResult], matchings: Sequence[Matching]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and correctness of all predictions but those in ignored regions."""
    scores, labels, correct = [], [], []
    for result, matching in zip(results, matchings, strict=True):
        kept = matching.of_found != IGNORED
        assert result.found.scores is not None
        scores.append(result.found.scores[kept])
        labels.append(result.found.labels[kept])
        correct.append(matching.of_found[kept] != FALSE)
    return np.concatenate(scores), np.concatenate(labels), np.concatenate(correct)


def best_for_all(results: Sequence[ImageResult], matchings: Sequence[Matching]) -> Best | None:
    """The one threshold with the highest F1 of all classes together."""
    scores, _, correct = flat(results, matchings)
    return curve_of(scores, correct, sum(len(one.counted) for one in results)).best()
