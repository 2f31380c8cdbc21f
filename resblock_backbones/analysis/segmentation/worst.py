"""The images with the lowest IoU, drawn: annotation, prediction, and where they differ."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...drawing.annotated import draw_annotated
from ...drawing.label_maps import ColourOf, NameOf
from ..ground_truth import GroundTruth
from ..report import Report
from .counts import ImagePixels

#: The longer side of a drawn image, in pixels.
SIDE = 420
WRONG = (226, 26, 28)
#: How much of an image shows through where the prediction is right.
DIMMED = 0.45


def add_image(
    report: Report,
    pixels: ImagePixels,
    image: Image.Image,
    truth: np.ndarray,
    predicted: np.ndarray,
    name_of: NameOf,
    colour_of: ColourOf,
    classes: int,
) -> None:
    """Add an image three times: with its annotation, its prediction, and the wrong pixels.

    Args:
        report: receives them.
        pixels: of the image.
        image: RGB.
        truth, predicted: ``(H, W)``, class indices.
        name_of, colour_of: functions of a label.
        classes: how many there are.
    """
    report.heading(f"{pixels.name}: mean IoU {pixels.mean_iou:.3f}")
    labels = np.unique(np.concatenate([np.unique(truth), np.unique(predicted)]))
    report.legend(
        [(name_of(one), colour_of(one) if 0 <= one < classes else None) for one in labels.tolist()]
    )
    row = []
    for name, label_map in (("truth", truth), ("prediction", predicted)):
        shown = GroundTruth(pixels.name, image.size, label_map=label_map)
        drawn = draw_annotated(image, shown, name_of, colour_of, classes=classes, longest=SIDE)
        caption = {"truth": "ground truth", "prediction": "prediction"}[name]
        row.append((f"images/{pixels.number:06d}_{name}", drawn, caption))
    known = (truth >= 0) & (truth < classes)
    wrong = draw_wrong(image, known & (truth != predicted))
    share = 1 - pixels.accuracy
    row.append((f"images/{pixels.number:06d}_wrong", wrong, f"red: the {share:.1%} wrong pixels"))
    report.images(row)


def draw_wrong(image: Image.Image, wrong: np.ndarray) -> Image.Image:
    """An image in grey with its wrong pixels in red.

    Args:
        image: RGB.
        wrong: ``(H, W)``, bool.
    """
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    grey = np.asarray(image.convert("L").convert("RGB").resize(size, Image.Resampling.LANCZOS))
    light = (255 - DIMMED * (255 - grey.astype(float))).astype(np.uint8)
    mask = Image.fromarray(wrong).resize(size, Image.Resampling.NEAREST)
    return Image.fromarray(np.where(np.asarray(mask)[..., None], np.array(WRONG, np.uint8), light))
