"""Annotations or predictions of an image drawn over it: boxes, masks, or a label map."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from PIL import Image

from ..data.images.fonts import font_for, legible
from ..data.placed_masks import PlacedMasks
from .label_maps import ColourOf, NameOf, draw_label_map
from .outlines import Outline, draw_outlines

#: Smaller images are enlarged, so that the text at the boxes can be read.
SMALLEST_SIDE = 384


class Drawable(Protocol):
    """What is drawn: a `Prediction`, or annotations, which have no scores."""

    @property
    def boxes(self) -> np.ndarray | None: ...
    @property
    def labels(self) -> np.ndarray | None: ...
    @property
    def scores(self) -> np.ndarray | None: ...
    @property
    def masks(self) -> np.ndarray | PlacedMasks | None: ...
    @property
    def label_map(self) -> np.ndarray | None: ...


def draw_annotated(
    image: Image.Image,
    annotated: Drawable,
    name_of: NameOf,
    colour_of: ColourOf,
    *,
    legend: int = 0,
    classes: int | None = None,
    note: str = "",
    longest: int | None = None,
    dashed: np.ndarray | None = None,
) -> Image.Image:
    """A copy of an image with its objects or its label map drawn over it; small images enlarged.

    Args:
        image: RGB.
        annotated: objects or a label map of this image.
        name_of, colour_of: functions of a label.
        legend: width of the legend beside a label map, in pixels; see `legend_width`.
        classes: number of classes; pixels of other labels are striped. None: all are classes.
        note: written into a corner of an image with objects.
        longest: the drawing's longer side, in pixels; None keeps that of large images.
        dashed: ``(N,)``, bool: objects whose boxes have gaps.
    """
    scale: float = -(-SMALLEST_SIDE // max(image.size))
    if longest is not None:
        scale = longest / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if annotated.label_map is not None:
        large = image.resize(size, Image.Resampling.LANCZOS) if scale != 1 else image
        return draw_label_map(
            large, annotated.label_map, name_of, colour_of, legend=legend, classes=classes
        )
    outlines = outlines_of(annotated, name_of, colour_of, dashed)
    return draw_outlines(image, outlines, size=None if scale == 1 else size, note=note)


def outlines_of(
    objects: Drawable,
    name_of: NameOf,
    colour_of: ColourOf,
    dashed: np.ndarray | None = None,
) -> list[Outline]:
    """Objects as they are drawn: the highest scores first; without scores, small ones first."""
    boxes, labels, scores, masks = objects.boxes, objects.labels, objects.scores, objects.masks
    assert boxes is not None and labels is not None
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(areas if scores is None else -scores, kind="stable")
    outlines = []
    for index in order:
        label = int(labels[index])
        name = name_of(label)
        text = legible(name, label, font_for([name], 12))
        if scores is not None:
            text += f" {scores[index]:.2f}"
        x1, y1, x2, y2 = (float(value) for value in boxes[index])
        mask, corner = None, None
        if isinstance(masks, PlacedMasks):
            top, left, mask = masks.parts[index]
            corner = (top, left)
        elif masks is not None:
            mask = masks[index]
        gaps = dashed is not None and bool(dashed[index])
        outlines.append(
            Outline((x1, y1, x2, y2), colour_of(label), text, mask, corner, dashed=gaps)
        )
    return outlines
