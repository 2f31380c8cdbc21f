"""The page about a detector's results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...console.progress import Progress
from ...drawing.colours import Colour
from ..heatmap import counts_as_rows, heatmap
from ..report import Report
from .coco import COLUMNS, evaluate
from .confusion import confusion, most_confused
from .curves import Best, Curve, best_for_all, curves
from .errors import KINDS, MEANING, ImageErrors, costs, errors_of
from .matching import MISSED, Matching, match
from .plots import error_bars, f1_over_score, precision_recall
from .results import ImageResult
from .worst import Drawing, add_image, worst_first

#: A class of which so many objects, and at least so many, are taken for another is a finding.
CONFUSED_SHARE, CONFUSED_LEAST = 0.2, 3
#: Predictions whose lowest score is above this are cut: curves and AP lack what lies below.
CUT = 0.01
#: Cut above this, the average precision itself is too low.
CUT_FAR = 0.1
#: The threshold where nothing tells a better one.
DEFAULT_THRESHOLD = 0.3


@dataclass(frozen=True)
class Choices:
    """What the caller chooses.

    Attributes:
        worst: how many images are drawn.
        threshold: predictions with lower scores are no objects in the confusion matrix and the
            drawings; None: that with the best F1 of all classes.
        cut_at: scores below this were left out of the predictions, as far as is known.
        cut_by: what left them out, for people.
        evaluation: in place of pycocotools' `COCOeval`.
        progress: whether it is shown.
    """

    worst: int = 20
    threshold: float | None = None
    cut_at: float = 0.0
    cut_by: str = ""
    evaluation: type | None = None
    progress: bool = True


def add_detections(
    report: Report,
    results: Sequence[ImageResult],
    classes: Sequence[str],
    colours: Sequence[Colour],
    drawing: Drawing,
    choices: Choices,
) -> dict[str, float]:
    """Add all sections about detections.

    Args:
        report: receives them.
        results: of all images; at least one has an object.
        classes: names by label.
        colours: by label.
        drawing: how the worst images are drawn.
        choices: of the caller.

    Returns:
        Some of the numbers: those of COCO, and the threshold.
    """
    matchings = [match(one) for one in results]
    of_classes = curves(results, matchings, len(classes))
    together = best_for_all(results, matchings)
    threshold = choices.threshold
    if threshold is None:
        threshold = DEFAULT_THRESHOLD if together is None else together.threshold
    kept = [one.above(threshold) for one in results]
    kept_matchings = [match(one) for one in kept]
    _tell(report, of_classes, classes, kept, choices)
    numbers = _add_precision(report, results, classes, of_classes, choices)
    _add_curves(report, of_classes, classes, colours, together, choices)
    _add_confusion(report, kept, classes, threshold, choices)
    _add_errors(report, results, matchings, kept, kept_matchings, classes, threshold)
    _add_worst(report, kept, kept_matchings, drawing, threshold, choices)
    return {**numbers, "threshold": threshold}


def _tell(
    report: Report,
    of_classes: Sequence[Curve],
    classes: Sequence[str],
    kept: Sequence[ImageResult],
    choices: Choices,
) -> None:
    """The findings that need no further counting."""
    if choices.cut_at > CUT:
        report.finding(
            "warning" if choices.cut_at > CUT_FAR else "note",
            f"scores below {choices.cut_at:.3g} are left out {choices.cut_by}: precision-recall "
            "curves end there, and average precision is lower than without this",
        )
    if not any(len(curve.scores) for curve in of_classes):
        report.finding("error", "nothing is predicted in any image")
        return
    without = [name for name, curve in zip(classes, of_classes, strict=True) if not curve.positives]
    if without:
        report.finding(
            "note", f"no objects in these images, so there is nothing to measure: {_some(without)}"
        )
    found = set(np.concatenate([one.found.labels for one in kept]).tolist())
    unseen = [
        name
        for label, (name, curve) in enumerate(zip(classes, of_classes, strict=True))
        if curve.positives and label not in found
    ]
    if unseen:
        report.finding("warning", f"never predicted at the score threshold: {_some(unseen)}")


def _add_precision(
    report: Report,
    results: Sequence[ImageResult],
    classes: Sequence[str],
    of_classes: Sequence[Curve],
    choices: Choices,
) -> dict[str, float]:
    report.section(
        "Average precision",
        "COCO's: AP is the mean over IoUs of 0.50 to 0.95, AR the recall of at most 100 objects an "
        "image. Objects are small below 32 x 32 pixels and large from 96 x 96 on.",
    )
    kinds = ["bbox", "segm"] if all(one.has_masks for one in results) else ["bbox"]
    all_numbers: dict[str, float] = {}
    tables = {}
    for kind in kinds:
        numbers, tables[kind] = evaluate(results, len(classes), kind, choices.evaluation)
        all_numbers |= {f"{kind} {name}": value for name, value in numbers.items()}
    names = [name.partition(" ")[2] for name in all_numbers if name.startswith("bbox ")]
    rows = [
        [
            {"bbox": "boxes", "segm": "masks"}[kind],
            *(all_numbers[f"{kind} {name}"] for name in names),
        ]
        for kind in kinds
    ]
    report.table("average_precision", ["of", *names], rows)
    for kind, table in tables.items():
        of_class = [
            [name, curve.positives, *map(float, values)]
            for name, curve, values in zip(classes, of_classes, table, strict=True)
        ]
        title = {"bbox": "boxes of each class", "segm": "masks of each class"}[kind]
        header = ["class", "objects", *COLUMNS]
        report.table(f"average_precision_{kind}", header, of_class, title)
    return all_numbers


def _add_curves(
    report: Report,
    of_classes: Sequence[Curve],
    classes: Sequence[str],
    colours: Sequence[Colour],
    together: Best | None,
    choices: Choices,
) -> None:
    cut = (
        f" Scores below {choices.cut_at:.3g} are left out {choices.cut_by}: the curves end there."
        if choices.cut_at > CUT
        else ""
    )
    report.section(
        "Precision and recall",
        "At an IoU of 0.5. A curve begins with the highest scores; where it ends, all predictions "
        "are kept. In brackets: average precision at this IoU." + cut,
    )
    figure = precision_recall(of_classes, classes, colours)
    report.plot("precision_recall", figure, "precision and recall of each class")
    report.heading("Score thresholds")
    report.text(
        "F1 is the harmonic mean of precision and recall. In brackets, and in the table: the "
        "threshold where it is highest."
    )
    figure = f1_over_score(of_classes, classes, colours, together)
    report.plot("f1", figure, "F1 of each class over the score threshold")
    rows: list[list[Any]] = []
    lowest = []
    bests = [*zip(classes, (curve.best() for curve in of_classes), strict=True)]
    for name, best in [*bests, ("(all together)", together)]:
        if best is None:
            rows.append([name, None, None, None, None])
            continue
        rows.append([name, best.threshold, best.f1, best.precision, best.recall])
        if best.is_lowest and choices.cut_at > CUT and name != "(all together)":
            lowest.append(name)
    header = ["class", "best threshold", "F1", "precision", "recall"]
    report.table("score_thresholds", header, rows)
    if lowest:
        report.finding(
            "note",
            f"the best score threshold may lie below {choices.cut_at:.3g}, where predictions are "
            f"left out: {_some(lowest)}",
        )


def _add_confusion(
    report: Report,
    kept: Sequence[ImageResult],
    classes: Sequence[str],
    threshold: float,
    choices: Choices,
) -> None:
    chosen = (
        "the one with the best F1 of all classes" if choices.threshold is None else "as was asked"
    )
    report.section(
        "Confusion matrix",
        f"Predictions with a score of at least {threshold:.3g}, {chosen}, and an IoU of 0.5 with "
        "an object of any class. Numbers are % of the row; the last column is missed objects, the "
        "last row predictions where there is no object.",
    )
    table = confusion(kept, len(classes))
    names = [*classes, "(background)"]
    report.plot(
        "confusion_matrix",
        heatmap(table, names, names, "predicted class", "true class"),
        "true classes and the classes that they are taken for",
    )
    header = ["true class", *names]
    report.table("confusion_matrix", header, counts_as_rows(table, names), "counts")
    for one, other, share in most_confused(table, CONFUSED_SHARE, CONFUSED_LEAST)[:5]:
        report.finding(
            "warning",
            f"{share:.0%} of the objects of {classes[one]!r} are taken for {classes[other]!r}",
        )


def _add_errors(
    report: Report,
    results: Sequence[ImageResult],
    matchings: Sequence[Matching],
    kept: Sequence[ImageResult],
    kept_matchings: Sequence[Matching],
    classes: Sequence[str],
    threshold: float,
) -> None:
    errors = [errors_of(*pair) for pair in zip(results, matchings, strict=True)]
    kept_errors = [errors_of(*pair) for pair in zip(kept, kept_matchings, strict=True)]
    now, won = costs(results, matchings, errors, len(classes))
    counts = np.sum([one.counts() for one in errors], 0)
    kept_counts = np.sum([one.counts() for one in kept_errors], 0)
    report.section(
        "Kinds of errors",
        "As TIDE counts them (Bolya et al., 2020): each false prediction is of one kind. The cost "
        f"is what AP50, {now:.3f} now, would gain if errors of this kind alone were repaired.",
    )
    report.plot("errors", error_bars(won, counts.tolist()), "cost of each kind, and their number")
    at = f"score ≥ {threshold:.3g}"
    rows = [
        [kind, won[kind], int(counts[place]), int(kept_counts[place])]
        for place, kind in enumerate(KINDS)
    ]
    report.table("errors", ["kind", "cost (AP50)", "number", at], rows)
    report.text("; ".join(f"{kind}: {meaning}" for kind, meaning in MEANING.items()) + ".")
    table = _by_class(kept, kept_matchings, kept_errors, len(classes))
    header = ["class", "right", "missed in all", *KINDS[:-1]]
    rows = [[name, *row] for name, row in zip(classes, table.tolist(), strict=True)]
    report.table("errors_by_class", header, rows, f"by the predicted class, with a {at}")
    if max(won.values()) > 0:
        kind = max(won, key=lambda one: won[one])
        report.finding(
            "note",
            f"the most costly errors are of the kind {kind!r} ({MEANING[kind]}): repairing them "
            f"alone would raise AP50 from {now:.3f} to {now + won[kind]:.3f}",
        )


def _by_class(
    results: Sequence[ImageResult],
    matchings: Sequence[Matching],
    errors: Sequence[ImageErrors],
    classes: int,
) -> np.ndarray:
    """For each class: right predictions, missed objects, and false predictions of each kind."""
    table = np.zeros((classes, 1 + len(KINDS)), int)
    for result, matching, found in zip(results, matchings, errors, strict=True):
        right = result.found.labels[matching.of_found >= 0]
        counted = result.counted
        missed = result.truth.labels[counted][matching.of_truth[counted] == MISSED]
        table[:, 0] += np.bincount(right, minlength=classes)
        table[:, 1] += np.bincount(missed, minlength=classes)
        wrong = found.kinds >= 0
        np.add.at(table, (result.found.labels[wrong], 2 + found.kinds[wrong]), 1)
    return table


def _add_worst(
    report: Report,
    kept: Sequence[ImageResult],
    matchings: Sequence[Matching],
    drawing: Drawing,
    threshold: float,
    choices: Choices,
) -> None:
    order = worst_first(kept, matchings)
    report.section(
        "Images with most errors",
        f"{len(order)} of {len(kept)} images have a false prediction or a missed object at a score "
        f"threshold of {threshold:.3g}.",
    )
    rows = [
        [kept[place].name, false, missed, len(kept[place].counted), len(kept[place].found)]
        for place, false, missed in order
    ]
    shown = order[: choices.worst]
    with Progress(
        total=max(1, len(shown)), title="images drawn", show=choices.progress
    ) as progress:
        for place, _, _ in shown:
            errors = errors_of(kept[place], matchings[place])
            note = f"score ≥ {threshold:.2g}"
            add_image(report, kept[place], matchings[place], errors, drawing, note)
            progress.step()
    report.data("images", ["image", "false", "missed", "objects", "predictions"], rows)


def _some(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more
