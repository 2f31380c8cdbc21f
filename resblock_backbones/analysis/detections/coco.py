"""COCO's numbers of predictions, for all classes and for each, by pycocotools or its like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...console.quietly import quietly
from .results import ImageResult, Objects, corner_and_size

#: The twelve numbers, in the order of pycocotools.
NUMBERS = (
    "AP",
    "AP50",
    "AP75",
    "AP small",
    "AP medium",
    "AP large",
    "AR of 1",
    "AR of 10",
    "AR",
    "AR small",
    "AR medium",
    "AR large",
)
#: Columns of the table of classes, and where they are in COCO's arrays: IoU and area.
COLUMNS = {
    "AP": (None, 0),
    "AP50": (0.5, 0),
    "AP75": (0.75, 0),
    "small": (None, 1),
    "medium": (None, 2),
    "large": (None, 3),
}


def evaluate(
    results: Sequence[ImageResult], classes: int, kind: str, evaluation: type | None = None
) -> tuple[dict[str, float], np.ndarray]:
    """COCO's evaluation.

    Args:
        results: of all images.
        classes: how many there are.
        kind: `bbox` or `segm`.
        evaluation: pycocotools' `COCOeval`, the default, or a class that works like it.

    Returns:
        The twelve numbers, and `(classes, 6)`, the `COLUMNS` of each class. NaN where there are no
        objects.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with quietly():
        sides = []
        for side in ("truth", "found"):
            api = COCO()
            api.dataset = _document(results, side, classes, kind)
            api.createIndex()
            sides.append(api)
        done = (evaluation or COCOeval)(*sides, kind)
        done.evaluate()
        done.accumulate()
        done.summarize()
    numbers = [float(one) if one >= 0 else float("nan") for one in done.stats]
    thresholds = done.params.iouThrs
    precision = done.eval["precision"][..., -1]  # (IoU, recall, class, area)
    table = np.full((classes, len(COLUMNS)), np.nan)
    for column, (threshold, area) in enumerate(COLUMNS.values()):
        chosen = precision if threshold is None else precision[np.isclose(thresholds, threshold)]
        for label in range(classes):
            values = chosen[:, :, label, area]
            if (values > -1).any():
                table[label, column] = values[values > -1].mean()
    return dict(zip(NUMBERS, numbers, strict=True)), table


def _document(results: Sequence[ImageResult], side: str, classes: int, kind: str) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for result in results:
        width, height = result.size
        images.append({"id": result.number, "width": width, "height": height})
        objects: Objects = getattr(result, side)
        boxes = corner_and_size(objects.boxes)
        areas = objects.areas
        if areas is None and kind == "segm" and objects.masks:
            areas = _areas(objects.masks)
        elif areas is None:
            areas = boxes[:, 2] * boxes[:, 3]
        for index, box in enumerate(boxes.tolist()):
            one = {
                "id": len(annotations) + 1,
                "image_id": result.number,
                "category_id": int(objects.labels[index]),
                "bbox": box,
                "area": float(areas[index]),
                "iscrowd": int(objects.ignored[index]) if len(objects.ignored) else 0,
            }
            if objects.scores is not None:
                one["score"] = float(objects.scores[index])
            if kind == "segm" and objects.masks is not None:
                one["segmentation"] = objects.masks[index]
            annotations.append(one)
    categories = [{"id": label, "name": str(label)} for label in range(classes)]
    return {"images": images, "categories": categories, "annotations": annotations}


def _areas(masks: Sequence[dict[str, Any]]) -> np.ndarray:
    from pycocotools import mask as coco_mask

    return np.asarray(coco_mask.area(list(masks)), float).reshape(-1)
