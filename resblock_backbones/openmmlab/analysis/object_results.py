"""Results of a detector on a data set: annotations and predictions of each image, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...analysis.detections.page import Choices, add_detections
from ...analysis.detections.results import ImageResult, image_result
from ...analysis.detections.worst import Drawing
from ...analysis.report import Report
from ...console.progress import Progress
from ...options.errors import ConfigError
from .annotations import annotations_of
from .areas import areas_of_file
from .predictions import Predictions
from .samples import Samples


def add_object_results(
    samples: Samples,
    infos: Mapping[int, Mapping[str, Any]],
    found: Predictions,
    report: Report,
    *,
    worst: int,
    threshold: float | None,
    progress: bool,
) -> dict[str, float]:
    """Add the sections about a detector.

    Args:
        samples: the data set.
        infos: of its images, by number.
        found: the predictions.
        report: receives the sections.
        worst: images that are drawn.
        threshold: of the confusion matrix and the drawings; None: that with the best F1.
        progress: whether it is shown.

    Raises:
        ConfigError: predictions are not of these objects.
    """
    choices = Choices(
        worst=worst,
        threshold=threshold,
        cut_at=found.cut_at,
        cut_by=found.cut_by,
        evaluation=_faster_evaluation(),
        progress=progress,
    )
    drawing = Drawing(lambda number: samples.raw(number)[0], samples.name_of, samples.colour_of)
    areas = areas_of_file(samples.dataset)
    results = []
    with Progress(total=len(found.numbers), title="images", show=progress) as bar:
        for number in sorted(found.numbers):
            results.append(_result(number, infos[number], found, areas, len(samples.classes)))
            bar.step()
    return add_detections(report, results, samples.classes, samples.palette, drawing, choices)


def _result(
    number: int,
    info: Mapping[str, Any],
    found: Predictions,
    areas: Mapping[Any, float],
    classes: int,
) -> ImageResult:
    prediction = found.of(number)
    if prediction.boxes is None or prediction.labels is None:
        raise ConfigError(
            "predictions are label maps, and the data set has objects: they are of another config"
        )
    if prediction.labels.max(initial=-1) >= classes:
        raise ConfigError(
            f"predictions have the label {prediction.labels.max()}, and the data set has {classes} "
            "classes: they are of another config"
        )
    scores = np.zeros(0) if prediction.scores is None else prediction.scores
    if not (np.isfinite(prediction.boxes).all() and np.isfinite(scores).all()):
        raise ConfigError(
            f"predictions of {info['img_path']} have a box or a score that is NaN or infinite: the "
            "weights of the model, or the file of predictions, are damaged"
        )
    size = (info["width"], info["height"])
    truth = annotations_of(info, size if prediction.masks is not None else None)
    assert truth.boxes is not None and truth.labels is not None
    keys = [
        (info.get("img_id"), *box, label)
        for box, label in zip(truth.boxes.tolist(), truth.labels.tolist(), strict=True)
    ]
    told = [areas[key] for key in keys if key in areas]
    known = np.array(told, float) if len(told) == len(keys) else None
    return image_result(number, truth, prediction, known)


def _faster_evaluation() -> type | None:
    """COCO's evaluation in C++, where it is installed; the numbers are the same."""
    if find_spec("faster_coco_eval") is None:
        return None
    from ..training.evaluation.faster_coco import FasterEvaluation

    return FasterEvaluation
