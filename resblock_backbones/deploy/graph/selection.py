"""Which boxes of a batch are objects: the best of each level, suppression, padding to one size."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor


class Candidates(NamedTuple):
    """Boxes of a batch in one list.

    Attributes:
        boxes: ``(P, 4)``, x1 y1 x2 y2.
        scores: ``(P,)``.
        labels: ``(P,)``.
        images: ``(P,)``, number of the image in the batch.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    images: Tensor


class Detections(NamedTuple):
    """Objects of each image, the surest first, padded with zeros.

    Attributes:
        boxes: ``(N, K, 4)``, x1 y1 x2 y2.
        scores: ``(N, K)``.
        labels: ``(N, K)``, int64.
        counts: ``(N,)``, int64: how many of an image's K are objects.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    counts: Tensor


def best(scores: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The ``most`` largest of each row, or all, in falling order; and where they stand.

    Args:
        scores: ``(N, M)``.
        most: negative for all.

    Example:
        >>> best(torch.tensor([[1.0, 3.0, 2.0]]), 2)[1]
        tensor([[1, 2]])
    """
    count = scores.shape[1]
    return scores.topk(count if most < 0 else torch.sym_min(most, count), dim=1)


def of_rows(values: Tensor, index: Tensor) -> Tensor:
    """``values`` ``(N, M, D)`` at ``index`` ``(N, K)``: ``(N, K, D)``."""
    return values.gather(1, index[:, :, None].expand(-1, -1, values.shape[2]))


def listed(boxes: Tensor, scores: Tensor, labels: Tensor, valid: Tensor) -> Candidates:
    """Boxes ``(N, M, 4)`` with scores and labels ``(N, M)``, where ``valid``, as one list."""
    image, place = valid.nonzero(as_tuple=True)
    return Candidates(boxes[image, place], scores[image, place], labels[image, place], image)


def suppress(
    found: Candidates, iou_threshold: float, *, classes: int, agnostic: bool = False
) -> Candidates:
    """The boxes that no surer box of the same image and label overlaps too much, surest first.

    One suppression serves all images and labels: each pair of them gets a place of its own in the
    plane. The places form a grid, since far from the origin float32 loses the digits that tell
    whether boxes overlap.

    Args:
        found: the boxes.
        iou_threshold: a box goes when its IoU is greater.
        classes: how many labels there are.
        agnostic: whether boxes of different labels suppress each other too.
    """
    boxes, scores, labels, images = found
    side = 1 if agnostic else math.ceil(math.sqrt(classes))
    # The one is for images without any box: nothing has no maximum.
    extent = torch.cat((boxes.abs().flatten(), boxes.new_ones(1))).max() * 2 + 1
    column, row = images * side, torch.zeros_like(images)
    if not agnostic:
        column, row = column + labels % side, labels // side
    moved = boxes + torch.stack((column, row, column, row), 1) * extent
    keep = torchvision.ops.nms(moved, scores, iou_threshold)
    return Candidates(boxes[keep], scores[keep], labels[keep], images[keep])


def padded(found: Candidates, batch: Tensor, most: int) -> Detections:
    """The first ``most`` of each image, in the order in which they stand.

    Args:
        found: the boxes, surest first.
        batch: any tensor with as many rows as there are images.
        most: K.
    """
    boxes, scores, labels, images = found
    number = batch.shape[0]
    mine = images[:, None] == torch.arange(number, device=images.device)
    place = (mine.cumsum(0) * mine).sum(1) - 1
    # What is too much goes to a row behind the last, which is cut off.
    row = torch.where(place < most, images * most + place, number * most)

    def spread(values: Tensor) -> Tensor:
        rows = values.new_zeros(number * most + 1, *values.shape[1:])
        rows = rows.index_put((row,), values)
        return rows[:-1].reshape(number, most, *values.shape[1:])

    counts = mine.sum(0).clamp(max=most)
    return Detections(spread(boxes), spread(scores), spread(labels), counts)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes ``(..., 4)`` cut off at the borders of an image."""
    width_, height_ = (torch.full((), size, dtype=boxes.dtype) for size in (width, height))
    return boxes.clamp(min=0).minimum(torch.stack((width_, height_, width_, height_)))
