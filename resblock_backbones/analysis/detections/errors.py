"""Kinds of errors of a detector, and what each costs: TIDE (Bolya et al., ECCV 2020).

https://arxiv.org/abs/2008.08115, section 2.2. A false prediction is of one kind, which follows
from its best overlap with objects of its class and of others. The cost of a kind is the mean
average precision at an IoU of 0.5 that would be won if an oracle repaired these errors alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .curves import average_precision, curve_of
from .matching import FALSE, IGNORED, MISSED, POSITIVE, Matching
from .results import ImageResult

#: A prediction that overlaps no object by this much lies on the background.
BACKGROUND = 0.1

KINDS = ("classification", "localisation", "both", "duplicate", "background", "missed")

MEANING = {
    "classification": "in place (IoU at least 0.5), as another class",
    "localisation": "the right class, out of place (IoU 0.1 to 0.5)",
    "both": "another class, and out of place (IoU 0.1 to 0.5)",
    "duplicate": "the object is found already, by a higher score",
    "background": "no object there (IoU below 0.1)",
    "missed": "objects that no prediction is near to, but for those of other kinds",
}


@dataclass(frozen=True)
class ImageErrors:
    """The errors in an image.

    Attributes:
        kinds: ``(P,)``, index in `KINDS` of each false prediction; -1 of the others.
        targets: ``(P,)``, the annotation that a prediction of wrong class or place would be; -1 if
            that has a prediction, or is the target of one with a higher score.
        missed: ``(T,)``, bool: annotations that no prediction has, and none would have if its
            class or place were right.
    """

    kinds: np.ndarray
    targets: np.ndarray
    missed: np.ndarray

    def counts(self) -> np.ndarray:
        """Errors of each kind, ``(6,)``."""
        counts = np.bincount(self.kinds[self.kinds >= 0], minlength=len(KINDS))
        counts[-1] = self.missed.sum()
        return counts


def errors_of(result: ImageResult, matching: Matching) -> ImageErrors:
    """The errors in an image."""
    kinds = np.full(len(result.found), -1)
    targets = np.full(len(result.found), -1)
    counted = np.zeros(len(result.truth), bool)
    counted[result.counted] = True
    for index in np.flatnonzero(matching.of_found == FALSE):
        kind, target = _kind(result, counted, int(index))
        kinds[index] = KINDS.index(kind)
        is_free = target >= 0 and matching.of_truth[target] == MISSED
        if is_free and target not in targets:
            targets[index] = target
    missed = counted & (matching.of_truth == MISSED)
    missed[targets[targets >= 0]] = False
    return ImageErrors(kinds, targets, missed)


def _kind(result: ImageResult, counted: np.ndarray, index: int) -> tuple[str, int]:
    """The kind of a false prediction, and the annotation that it would be."""
    if not counted.any():
        return "background", -1
    same = result.truth.labels == result.found.labels[index]
    own = np.where(counted & same, result.overlaps[index], 0.0)
    others = np.where(counted & ~same, result.overlaps[index], 0.0)
    if BACKGROUND <= own.max() < POSITIVE:
        return "localisation", int(own.argmax())
    if others.max() >= POSITIVE:
        return "classification", int(others.argmax())
    if own.max() >= POSITIVE:
        return "duplicate", -1
    if max(own.max(), others.max()) < BACKGROUND:
        return "background", -1
    return "both", -1


def costs(
    results: Sequence[ImageResult],
    matchings: Sequence[Matching],
    errors: Sequence[ImageErrors],
    classes: int,
) -> tuple[float, dict[str, float]]:
    """Mean average precision at an IoU of 0.5, and how much each kind of error takes from it.

    Returns:
        The mean over the classes that have objects; and what would be added to it, by kind.
    """
    positives = np.bincount(
        np.concatenate([one.truth.labels[one.counted] for one in results]), minlength=classes
    )
    now = _mean(*_predictions(results, matchings, errors, ""), positives)
    won = {}
    for kind in KINDS[:-1]:
        repaired = _mean(*_predictions(results, matchings, errors, kind), positives)
        won[kind] = max(0.0, repaired - now)
    unseen = np.bincount(
        np.concatenate(
            [one.truth.labels[found.missed] for one, found in zip(results, errors, strict=True)]
        ),
        minlength=classes,
    )
    all_found = _mean(*_predictions(results, matchings, errors, ""), positives - unseen)
    won["missed"] = max(0.0, all_found - now)
    return now, won


def _predictions(
    results: Sequence[ImageResult],
    matchings: Sequence[Matching],
    errors: Sequence[ImageErrors],
    repaired: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and correctness of all predictions after errors of a kind are repaired."""
    scores, labels, correct = [], [], []
    for result, matching, found in zip(results, matchings, errors, strict=True):
        assert result.found.scores is not None
        kept = matching.of_found != IGNORED
        right = matching.of_found >= 0
        classes = result.found.labels.copy()
        if repaired:
            wrong = found.kinds == KINDS.index(repaired)
            targeted = wrong & (found.targets >= 0)
            kept[wrong & ~targeted] = False
            right[targeted] = True
            classes[targeted] = result.truth.labels[found.targets[targeted]]
        scores.append(result.found.scores[kept])
        labels.append(classes[kept])
        correct.append(right[kept])
    return np.concatenate(scores), np.concatenate(labels), np.concatenate(correct)


def _mean(
    scores: np.ndarray, labels: np.ndarray, correct: np.ndarray, positives: np.ndarray
) -> float:
    found = []
    for label in np.flatnonzero(positives > 0):
        curve = curve_of(scores[labels == label], correct[labels == label], int(positives[label]))
        found.append(average_precision(curve.precision, curve.recall))
    return float(np.mean(found)) if found else 0.0
