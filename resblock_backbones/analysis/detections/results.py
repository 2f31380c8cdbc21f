"""The objects of an image that are annotated, beside those that a model has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...prediction.prediction import Prediction
from ...prediction.run_lengths import mask_of, run_lengths
from ..ground_truth import GroundTruth


@dataclass(frozen=True)
class Objects:
    """Objects of an image, annotated or found; masks as run lengths, as all images' would not fit.

    Attributes:
        boxes: ``(N, 4)``, x1 y1 x2 y2 in pixels.
        labels: ``(N,)``, class indices.
        scores: ``(N,)``; of annotations None.
        ignored: ``(N,)``, bool: regions in which nothing is counted; of predictions empty.
        masks: COCO's run lengths of each, or None.
        areas: ``(N,)``, in pixels, as COCO sorts objects by size; None: those of the boxes.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None
    ignored: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    masks: Sequence[dict[str, Any]] | None = None
    areas: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.boxes)

    def only(self, kept: np.ndarray) -> Objects:
        """Some of them, by indices."""
        return Objects(
            self.boxes[kept],
            self.labels[kept],
            None if self.scores is None else self.scores[kept],
            self.ignored[kept] if len(self.ignored) else self.ignored,
            None if self.masks is None else [self.masks[one] for one in kept],
            None if self.areas is None else self.areas[kept],
        )

    def decoded(self, size: tuple[int, int]) -> np.ndarray | None:
        """The masks, ``(N, H, W)``, of an image of this width and height."""
        if self.masks is None:
            return None
        found = [mask_of(one, size[1], size[0]) for one in self.masks]
        return np.array(found, bool).reshape(len(self), size[1], size[0])


@dataclass(frozen=True)
class ImageResult:
    """An image's annotations and predictions.

    Attributes:
        number: of the image in its data set.
        name: for people.
        size: width and height, in pixels.
        truth: the annotated objects.
        found: the predicted ones, the highest scores first.
    """

    number: int
    name: str
    size: tuple[int, int]
    truth: Objects
    found: Objects

    @property
    def has_masks(self) -> bool:
        """Whether both sides have masks, which are compared in place of boxes then."""
        return self.truth.masks is not None and self.found.masks is not None

    @cached_property
    def overlaps(self) -> np.ndarray:
        """IoU of each prediction with each annotation, ``(P, T)``.

        With a region that is ignored it is the share of the prediction that lies in it, as in COCO.

        >>> truth = Objects(np.array([[0.0, 0, 4, 4], [0, 0, 8, 8]]), np.zeros(2, int),
        ...                 ignored=np.array([False, True]))
        >>> found = Objects(np.array([[0.0, 0, 4, 8]]), np.zeros(1, int), np.array([0.9]))
        >>> ImageResult(0, "a.jpg", (8, 8), truth, found).overlaps.tolist()
        [[0.5, 1.0]]
        """
        if not len(self.truth) or not len(self.found):
            return np.zeros((len(self.found), len(self.truth)))
        from pycocotools import mask as coco_mask

        ignored = self.truth.ignored if len(self.truth.ignored) else np.zeros(len(self.truth))
        crowds = ignored.astype(np.uint8).tolist()
        if self.has_masks:
            return np.asarray(coco_mask.iou(self.found.masks, self.truth.masks, crowds))
        return np.asarray(
            coco_mask.iou(
                corner_and_size(self.found.boxes), corner_and_size(self.truth.boxes), crowds
            )
        )

    @property
    def counted(self) -> np.ndarray:
        """Indices of the annotations that are not ignored."""
        if not len(self.truth.ignored):
            return np.arange(len(self.truth))
        return np.flatnonzero(~self.truth.ignored)

    def above(self, score: float) -> ImageResult:
        """The same with the predictions of at least this score."""
        assert self.found.scores is not None
        kept = np.flatnonzero(self.found.scores >= score)
        return ImageResult(self.number, self.name, self.size, self.truth, self.found.only(kept))


def image_result(
    number: int, truth: GroundTruth, prediction: Prediction, areas: np.ndarray | None = None
) -> ImageResult:
    """Put annotations and predictions of an image side by side.

    Args:
        number: of the image.
        truth: with masks if predictions have them.
        prediction: its labels are those of the data set.
        areas: of the annotated objects, in pixels, where the file tells them.
    """
    assert truth.boxes is not None and truth.labels is not None
    assert prediction.boxes is not None
    assert prediction.labels is not None and prediction.scores is not None
    order = np.argsort(-prediction.scores, kind="stable")
    if areas is None and truth.masks is not None:
        areas = truth.masks.sum((1, 2)).astype(float)
    masks = truth.masks
    if masks is None and not len(truth.boxes):
        masks = np.zeros((0, truth.size[1], truth.size[0]), bool)
    of_truth = of_found = None
    if masks is not None and prediction.masks is not None:
        of_truth = [run_lengths(one) for one in masks]
        of_found = [run_lengths(prediction.masks[one]) for one in order]
    return ImageResult(
        number,
        truth.name,
        truth.size,
        Objects(truth.boxes, truth.labels, None, truth.ignored, of_truth, areas),
        Objects(
            prediction.boxes[order].astype(float),
            prediction.labels[order].astype(int),
            prediction.scores[order].astype(float),
            masks=of_found,
        ),
    )


def corner_and_size(boxes: np.ndarray) -> np.ndarray:
    """Boxes as COCO writes them: x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).astype(float)
