"""The images with most errors, drawn: annotations on the left, predictions on the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...drawing.annotated import Drawable, draw_annotated
from ...drawing.label_maps import ColourOf, NameOf
from ...prediction.prediction import Prediction
from ..ground_truth import GroundTruth
from ..report import Report
from .errors import KINDS, ImageErrors
from .matching import FALSE, IGNORED, MISSED, Matching
from .results import ImageResult

#: The longer side of a drawn image, in pixels.
SIDE = 560


@dataclass(frozen=True)
class Drawing:
    """How images are drawn.

    Attributes:
        open_image: an image by its number, RGB.
        name_of, colour_of: functions of a label.
    """

    open_image: Callable[[int], Image.Image]
    name_of: NameOf
    colour_of: ColourOf


def error_counts(result: ImageResult, matching: Matching) -> tuple[int, int]:
    """False predictions and missed objects of an image."""
    missed = matching.of_truth[result.counted] == MISSED
    return int((matching.of_found == FALSE).sum()), int(missed.sum())


def worst_first(
    results: Sequence[ImageResult], matchings: Sequence[Matching]
) -> list[tuple[int, int, int]]:
    """Places of the images with errors, and their false and missed objects; the most first."""
    counted = [
        (place, *error_counts(result, matching))
        for place, (result, matching) in enumerate(zip(results, matchings, strict=True))
    ]
    wrong = [one for one in counted if one[1] + one[2]]
    return sorted(wrong, key=lambda one: -(one[1] + one[2]))


def add_image(
    report: Report,
    result: ImageResult,
    matching: Matching,
    errors: ImageErrors,
    drawing: Drawing,
    note: str,
) -> None:
    """Add an image with its annotations and one with its predictions."""
    image = drawing.open_image(result.number)
    false, missed = error_counts(result, matching)
    kinds = [
        f"{count} {kind}"
        for kind, count in zip(KINDS[:-1], errors.counts()[:-1], strict=True)
        if count
    ]
    told = f" ({', '.join(kinds)})" if kinds else ""
    report.heading(f"{result.name}: {false} false{told}, {missed} missed")
    views: list[tuple[str, Drawable, np.ndarray, str, str]] = []
    counted = result.counted
    truth = result.truth.only(counted)
    of_truth = GroundTruth(
        result.name, result.size, truth.boxes, truth.labels, truth.decoded(result.size)
    )
    dashed = matching.of_truth[counted] == MISSED
    text = f"ground truth: {len(counted)} objects; dashed: missed"
    views.append(("truth", of_truth, dashed, "", text))
    kept = np.flatnonzero(matching.of_found != IGNORED)
    found = result.found.only(kept)
    prediction = Prediction(found.boxes, found.labels, found.scores, found.decoded(result.size))
    dashed = matching.of_found[kept] == FALSE
    text = f"prediction: {len(kept)} objects; dashed: false"
    views.append(("prediction", prediction, dashed, note, text))
    row = []
    for name, objects, gaps, corner, caption in views:
        drawn = draw_annotated(
            image,
            objects,
            drawing.name_of,
            drawing.colour_of,
            longest=SIDE,
            dashed=gaps,
            note=corner,
        )
        row.append((f"images/{result.number:06d}_{name}", drawn, caption))
    report.images(row, width=420)
