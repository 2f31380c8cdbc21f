"""Predictions drawn over the image: boxes, masks, label maps with a legend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

from ..data.images.fonts import font_for, legible
from .colours import Colour

#: Smaller images are enlarged, so that the text at the boxes can be read.
SMALLEST_SIDE = 384
PAPER, INK = (255, 255, 255), (40, 40, 40)
MASK_OPACITY, MAP_OPACITY = 0.45, 0.55


class Drawable(Protocol):
    """What is drawn: a `Prediction`."""

    @property
    def boxes(self) -> np.ndarray | None: ...
    @property
    def labels(self) -> np.ndarray | None: ...
    @property
    def scores(self) -> np.ndarray | None: ...
    @property
    def masks(self) -> np.ndarray | None: ...
    @property
    def label_map(self) -> np.ndarray | None: ...


NameOf = Callable[[int], str]
ColourOf = Callable[[int], Colour]


def draw_prediction(
    image: Image.Image, prediction: Drawable, name_of: NameOf, colour_of: ColourOf, *, legend: int
) -> Image.Image:
    """A copy of an image with the prediction drawn over it.

    Args:
        image: RGB.
        prediction: for this image.
        name_of, colour_of: functions of a label.
        legend: width of the legend beside a label map, in pixels; see :func:`legend_width`.
    """
    scale = -(-SMALLEST_SIDE // max(image.size))
    size = (image.width * scale, image.height * scale)
    large = image.resize(size, Image.Resampling.LANCZOS) if scale > 1 else image.copy()
    if prediction.label_map is not None:
        return _with_label_map(large, prediction.label_map, name_of, colour_of, legend)
    return _with_objects(large, prediction, scale, name_of, colour_of)


def legend_width(names: list[str]) -> int:
    """Width that a legend of these classes needs, in pixels."""
    font = font_for(names, 14)
    return 40 + max((int(font.getlength(f"{name} 100.0 %")) for name in names), default=80)


def _with_objects(
    image: Image.Image, prediction: Drawable, scale: int, name_of: NameOf, colour_of: ColourOf
) -> Image.Image:
    boxes, labels, scores = prediction.boxes, prediction.labels, prediction.scores
    assert boxes is not None and labels is not None and scores is not None
    # The highest scores are drawn last, over the others.
    order = np.argsort(scores)
    if prediction.masks is not None:
        pixels = np.asarray(image, np.float32).copy()
        for index in order:
            _blend_mask(
                pixels,
                _enlarged(prediction.masks[index], scale),
                colour_of(int(labels[index])),
            )
        image = Image.fromarray(np.rint(pixels).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    line = max(2, round(min(image.size) / 300))
    names = {int(label): name_of(int(label)) for label in labels}
    font = font_for(names.values(), max(12, round(min(image.size) / 45)))
    for index in order:
        label = int(labels[index])
        x1, y1, x2, y2 = (float(value) * scale for value in boxes[index])
        colour = colour_of(label)
        draw.rectangle((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), None, colour, line)
        text = f"{legible(names[label], label, font)} {scores[index]:.2f}"
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        width, height = right - left + 6, bottom - top + 6
        x = max(0.0, min(x1, image.width - width))
        y = y1 - height if y1 >= height else y1
        draw.rectangle((x, y, x + width, y + height), fill=colour)
        draw.text((x + 3 - left, y + 3 - top), text, fill=_readable_on(colour), font=font)
    return image


def _blend_mask(pixels: np.ndarray, mask: np.ndarray, colour: Colour) -> None:
    """Blend a mask's pixels with its colour, in place, and draw its border opaque."""
    tint = np.array(colour, np.float32)
    pixels[mask] = (1 - MASK_OPACITY) * pixels[mask] + MASK_OPACITY * tint
    inside = mask.copy()
    inside[1:] &= mask[:-1]
    inside[:-1] &= mask[1:]
    inside[:, 1:] &= mask[:, :-1]
    inside[:, :-1] &= mask[:, 1:]
    pixels[mask & ~inside] = tint


def _with_label_map(
    image: Image.Image,
    label_map: np.ndarray,
    name_of: NameOf,
    colour_of: ColourOf,
    legend: int,
) -> Image.Image:
    labels, counts = np.unique(label_map, return_counts=True)
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    for label in labels:
        colours[label] = colour_of(int(label))
    tint = Image.fromarray(colours[label_map]).resize(image.size, Image.Resampling.NEAREST)
    canvas = Image.new("RGB", (image.width + legend, image.height), PAPER)
    canvas.paste(Image.blend(image, tint, MAP_OPACITY), (0, 0))
    names = {int(label): name_of(int(label)) for label in labels}
    draw, font = ImageDraw.Draw(canvas), font_for(names.values(), 14)
    shares = sorted(zip(counts / label_map.size, labels, strict=True), reverse=True)
    rows = max(1, (image.height - 8) // 22)
    for row, (share, label) in enumerate(shares[:rows]):
        left, top = image.width + 8, 8 + 22 * row
        if row == rows - 1 and len(shares) > rows:
            text = f"and {len(shares) - row} more"
            draw.text((left + 22, top - 2), text, fill=INK, font=font)
            break
        colour = colour_of(int(label))
        draw.rectangle((left, top, left + 14, top + 14), fill=colour, outline=INK)
        text = f"{legible(names[int(label)], int(label), font)} {100 * share:.1f} %"
        draw.text((left + 22, top - 2), text, fill=INK, font=font)
    return canvas


def _enlarged(mask: np.ndarray, scale: int) -> np.ndarray:
    return mask.repeat(scale, axis=0).repeat(scale, axis=1)


def _readable_on(colour: Colour) -> Colour:
    red, green, blue = colour
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else (255, 255, 255)
