"""The page of a data set of objects: tables, plots, and what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ground_truth import GroundTruth
from ..report import Report
from .anchors import AnchorLevel, best_overlaps
from .plots import bars, histogram, scatter

#: Above these shares something is worth a finding.
MANY_TINY, MANY_LOST, MANY_UNFIT = 0.05, 0.2, 0.1
#: COCO's limits of small and medium objects, sides in pixels.
SMALL, MEDIUM = 32, 96
#: Rows of tables of examples.
EXAMPLES = 12


@dataclass(frozen=True)
class ModelFacts:
    """What a model needs of the objects that it is given.

    Attributes:
        stride: of its finest feature map, in pixels; None if unknown.
        anchors: of its first stage; empty without anchors.
        negative: anchors with a lower IoU learn background.
    """

    stride: float | None = None
    anchors: tuple[AnchorLevel, ...] = ()
    negative: float = 0.3


def add_objects(
    report: Report,
    before: Sequence[GroundTruth],
    after: Sequence[tuple[int, GroundTruth]],
    classes: Sequence[str],
    model: ModelFacts,
) -> None:
    """Add tables, plots and findings of a set of objects.

    Args:
        report: receives them.
        before: of all images as they are annotated.
        after: of some images as the model is given them, with their numbers in `before`.
        classes: names by label.
        model: that will be trained.
    """
    report.section("The whole set", f"{len(before)} images, before the pipeline.")
    _add_classes(report, before, classes)
    _add_sizes(report, before)
    _add_empty(report, before)
    if not after:
        return
    images = len({number for number, _ in after})
    report.section(
        "As the model is given it", f"{len(after)} draws of {images} images through the pipeline."
    )
    _add_smallest(report, after, classes, model)
    _add_lost(report, before, after)
    if model.anchors:
        _add_anchors(report, after, model)


def _add_classes(report: Report, truths: Sequence[GroundTruth], classes: Sequence[str]) -> None:
    objects = np.zeros(len(classes), int)
    images = np.zeros(len(classes), int)
    for truth in truths:
        _, labels = truth.learnt
        counts = np.bincount(labels, minlength=len(classes))[: len(classes)]
        objects += counts
        images += counts > 0
    total = max(1, int(objects.sum()))
    rows = [
        [name, int(objects[label]), int(images[label]), float(objects[label] / total)]
        for label, name in enumerate(classes)
    ]
    report.plot("classes", bars(classes, objects, "objects"), "objects of each class")
    report.table("classes", ["class", "objects", "images", "share"], rows)


def _add_sizes(report: Report, truths: Sequence[GroundTruth]) -> None:
    boxes = np.concatenate([truth.learnt[0] for truth in truths] or [np.zeros((0, 4))])
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    counts = [len(truth.learnt[0]) for truth in truths]
    report.plot(
        "objects_per_image",
        histogram(counts, "objects in an image", whole=True),
        "objects an image",
    )
    if not len(boxes):
        return
    sizes = np.concatenate([np.tile(one.size, (len(one.learnt[0]), 1)) for one in truths])
    share = np.sqrt(widths * heights / np.maximum(sizes.prod(1), 1))
    report.plot(
        "relative_size",
        histogram(100 * share, "side of the object, % of the image's", logarithmic=True),
        "size of objects against their image: the square root of the ratio of areas",
    )
    report.plot(
        "sizes",
        scatter(
            {"objects": (widths, heights), "images": tuple(sizes.T)},
            "width (pixels)",
            "height (pixels)",
        ),
        "sizes of objects and of their images",
    )
    ratios = widths / np.maximum(heights, 1e-9)
    report.plot(
        "aspect_ratios",
        histogram(ratios[ratios > 0], "width / height", logarithmic=True, lines={"square": 1.0}),
        "aspect ratios of objects",
    )


def _add_empty(report: Report, truths: Sequence[GroundTruth]) -> None:
    empty = [truth.name for truth in truths if not len(truth.learnt[0])]
    if not empty:
        return
    some = ", ".join(empty[:3]) + (", ..." if len(empty) > 3 else "")
    level = "warning" if len(empty) > len(truths) / 2 else "note"
    report.finding(
        "error" if len(empty) == len(truths) else level,  # type: ignore[arg-type]
        f"{len(empty)} of {len(truths)} images have no object of the classes: {some}",
    )
    report.table(
        "images_without_objects",
        ["image"],
        [[name] for name in empty[:EXAMPLES]],
        f"images without objects ({len(empty)} in all)",
    )


def _add_smallest(
    report: Report,
    after: Sequence[tuple[int, GroundTruth]],
    classes: Sequence[str],
    model: ModelFacts,
) -> None:
    found: list[list[Any]] = []
    for _, truth in after:
        for box, label in zip(*truth.learnt, strict=True):
            width, height = float(box[2] - box[0]), float(box[3] - box[1])
            side = float(np.sqrt(max(width, 0) * max(height, 0)))
            size = f"{truth.size[0]}x{truth.size[1]}"
            name = classes[label] if label < len(classes) else str(label)
            found.append([truth.name, name, width, height, side, size])
    if not found:
        report.finding("error", "no draw through the pipeline has any object left")
        return
    sides = np.array([row[4] for row in found])
    lines = {"small": float(SMALL), "medium": float(MEDIUM)}
    if model.stride:
        lines["a cell of the finest map"] = model.stride
        tiny = float((sides < model.stride).mean())
        if tiny > MANY_TINY:
            report.finding(
                "warning",
                f"{tiny:.0%} of the objects are smaller than {model.stride:g} pixels after the "
                f"pipeline, less than a cell of the model's finest feature map (median "
                f"{np.median(sides):.1f} pixels): give Resize a larger scale, or cut the images",
            )
    report.plot(
        "sizes_after",
        histogram(sides, "side of the object (pixels)", logarithmic=True, lines=lines),
        "sizes as the model sees them: square roots of areas",
    )
    found.sort(key=lambda row: row[4])
    header = ["image", "class", "width", "height", "side", "image size"]
    report.table("smallest_objects", header, found[:EXAMPLES], "the smallest objects")


def _add_lost(
    report: Report, before: Sequence[GroundTruth], after: Sequence[tuple[int, GroundTruth]]
) -> None:
    given = sum(len(before[number].learnt[0]) for number, _ in after)
    left = sum(len(truth.learnt[0]) for _, truth in after)
    if given and left < (1 - MANY_LOST) * given:
        report.finding(
            "warning",
            f"the pipeline leaves {left} of {given} objects: the others are cut away, or filtered "
            "as too small",
        )


def _add_anchors(
    report: Report, after: Sequence[tuple[int, GroundTruth]], model: ModelFacts
) -> None:
    overlaps = np.concatenate(
        [best_overlaps(truth.learnt[0], truth.size, model.anchors) for _, truth in after]
    )
    if not len(overlaps):
        return
    report.plot(
        "anchors",
        histogram(overlaps, "best IoU", lines={"background below": model.negative}),
        "IoU of each object with the anchor that fits it best",
    )
    unfit = float((overlaps < model.negative).mean())
    if unfit > MANY_UNFIT:
        report.finding(
            "warning",
            f"no anchor has an IoU of {model.negative:g} with {unfit:.0%} of the objects (median "
            f"of the best: {np.median(overlaps):.2f}): fit the anchor generator's scales and "
            "ratios, or the scale of Resize",
        )
