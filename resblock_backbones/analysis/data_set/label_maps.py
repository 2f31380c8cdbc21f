"""The page of a data set of label maps: shares of the classes, and what the pipeline leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ground_truth import GroundTruth
from ..report import Report
from .plots import bars

#: A class that the pipeline leaves in fewer of its images than this is a finding.
FEW_LEFT = 0.5


def pixel_counts(truth: GroundTruth, classes: int) -> np.ndarray:
    """Pixels of each class, and last those of none: ``(classes + 1,)``.

    >>> truth = GroundTruth("a.png", (2, 2), label_map=np.array([[0, 1], [1, 255]]))
    >>> pixel_counts(truth, 2).tolist()
    [1, 2, 1]
    """
    assert truth.label_map is not None
    known = (truth.label_map >= 0) & (truth.label_map < classes)
    return np.bincount(np.where(known, truth.label_map, classes).ravel(), minlength=classes + 1)


def add_label_maps(
    report: Report,
    before: Sequence[np.ndarray],
    after: Sequence[tuple[int, np.ndarray]],
    classes: Sequence[str],
    images: Sequence[str],
    total: int,
) -> None:
    """Add tables, plots and findings of a set of label maps.

    Args:
        report: receives them.
        before: `pixel_counts` of images as they are annotated.
        after: of some images as the model is given them, with their numbers in `before`.
        classes: names by label.
        images: their names.
        total: how many the whole set has.
    """
    counts = np.array(before).reshape(-1, len(classes) + 1)
    shares = counts.sum(0) / max(1, counts.sum())
    seen = (counts > 0).sum(0)
    report.section("The whole set", f"{len(counts)} of {total} images, before the pipeline.")
    names = [*classes, "(ignored)"]
    report.plot("classes", bars(names, 100 * shares, "% of the pixels"), "pixels of each class")
    header = ["class", "share of pixels", "images"]
    rows = [[name, float(shares[one]), int(seen[one])] for one, name in enumerate(names)]
    if after:
        drawn = [number for number, _ in after]
        there = (counts[drawn, :-1] > 0).sum(0)
        left = (np.array([one for _, one in after])[:, :-1] > 0).sum(0)
        header += ["in draws before", "in draws after the pipeline"]
        for label in range(len(classes)):
            rows[label] += [int(there[label]), int(left[label])]
            if left[label] < FEW_LEFT * there[label]:
                report.finding(
                    "warning",
                    f"{classes[label]!r} is in {there[label]} draws before the pipeline and in "
                    f"{left[label]} after it: it is cut away, or too small for the size",
                )
        rows[-1] += [None, None]
    report.table("classes", header, rows)
    empty = [images[number] for number in np.flatnonzero(counts[:, :-1].sum(1) == 0)]
    if empty:
        some = ", ".join(empty[:3]) + (", ..." if len(empty) > 3 else "")
        report.finding(
            "error" if len(empty) == len(counts) else "warning",
            f"{len(empty)} of {len(counts)} label maps hold no class at all: {some}",
        )
