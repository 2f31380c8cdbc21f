"""Results of a segmentor on a data set: its label maps beside those that are annotated."""

from __future__ import annotations

import numpy as np

from ...analysis.report import Report
from ...analysis.segmentation.counts import ImagePixels, image_pixels
from ...analysis.segmentation.page import add_label_maps, worst_first
from ...analysis.segmentation.worst import add_image
from ...console.progress import Progress
from ...options.errors import ConfigError
from .predictions import Predictions
from .samples import Samples


def add_map_results(
    samples: Samples, found: Predictions, report: Report, *, worst: int, progress: bool
) -> dict[str, float]:
    """Add the sections about a segmentor.

    Args:
        samples: the data set.
        found: the predictions.
        report: receives the sections.
        worst: images that are drawn.
        progress: whether it is shown.

    Raises:
        ConfigError: predictions are not of these label maps.
    """
    classes = len(samples.classes)
    images: list[ImagePixels] = []
    with Progress(total=len(found.numbers), title="images", show=progress) as bar:
        for number in sorted(found.numbers):
            truth, predicted = _pair(samples, found, number)
            images.append(
                image_pixels(number, samples.file_name(number), truth, predicted, classes)
            )
            bar.step()
    if not any(one.table.sum() for one in images):
        raise ConfigError("no pixel of any label map is of a class: there is nothing to compare")
    numbers = add_label_maps(report, images, samples.classes)
    shown = worst_first(images)[:worst]
    if shown:
        report.section(
            "Images with the lowest IoU",
            "Striped: pixels of no class, which are not counted.",
        )
    with Progress(total=max(1, len(shown)), title="images drawn", show=progress) as bar:
        for one in shown:
            image, _ = samples.raw(one.number)
            pair = _pair(samples, found, one.number)
            add_image(report, one, image, *pair, samples.name_of, samples.colour_of, classes)
            bar.step()
    return numbers


def _pair(samples: Samples, found: Predictions, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The label map of an image that is annotated, and the one that is predicted."""
    predicted = found.of(number).label_map
    if predicted is None:
        raise ConfigError(
            "predictions are objects, and the data set has label maps: they are of another config"
        )
    truth = samples.label_map(number)
    if truth.shape != predicted.shape:
        sizes = [f"{one.shape[1]}x{one.shape[0]}" for one in (predicted, truth)]
        raise ConfigError(
            f"{samples.file_name(number)}: its predicted label map has {sizes[0]} pixels, and the "
            f"annotated one {sizes[1]}"
        )
    return truth, predicted
