"""Label maps drawn over an image, with a legend of their classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from ..data.images.fonts import font_for, legible
from .colours import Colour
from .outlines import INK, PAPER

MAP_OPACITY = 0.55
#: Width of the stripes on ignored pixels.
STRIPE = 4
#: Width of the line inside each region, which has its colour alone: where a tinted photograph
#: could be of two classes.
BORDER = 2

NameOf = Callable[[int], str]
ColourOf = Callable[[int], Colour]


def draw_label_map(
    image: Image.Image,
    label_map: np.ndarray,
    name_of: NameOf,
    colour_of: ColourOf,
    *,
    legend: int = 0,
    classes: int | None = None,
) -> Image.Image:
    """A copy of an image with a label map drawn over it, and a line of its colour in each region.

    Args:
        image: RGB.
        label_map: ``(H, W)``, class indices.
        name_of, colour_of: functions of a label.
        legend: width of the legend beside it, in pixels; see :func:`legend_width`.
        classes: pixels of other labels than 0 to this are striped: they are ignored.
    """
    labels, counts = np.unique(label_map, return_counts=True)
    known = (label_map >= 0) & (True if classes is None else label_map < classes)
    colours = np.zeros((int(max(labels.max(), 0)) + 1, 3), np.uint8)
    for label in labels:
        if label >= 0 and (classes is None or label < classes):
            colours[label] = colour_of(int(label))
    tinted = Image.fromarray(colours[np.where(known, label_map, 0)])
    tint = tinted.resize(image.size, Image.Resampling.NEAREST)
    drawn = Image.blend(image, tint, MAP_OPACITY)
    drawn.paste(tint, mask=Image.fromarray(_borders(np.asarray(tint))))
    if not known.all():
        ignored = Image.fromarray((~known).astype(np.uint8) * 255)
        ignored = ignored.resize(image.size, Image.Resampling.NEAREST)
        drawn = Image.composite(_stripes(image.size), drawn, ignored)
    if not legend:
        return drawn
    canvas = Image.new("RGB", (image.width + legend, image.height), PAPER)
    canvas.paste(drawn, (0, 0))
    rows = [
        (int(label), count / label_map.size)
        for label, count in sorted(zip(labels, counts, strict=True), key=lambda one: -one[1])
    ]
    _draw_legend(canvas, rows, image.width + 8, name_of, colour_of, classes)
    return canvas


def legend_width(names: list[str]) -> int:
    """Width that a legend of these classes needs, in pixels."""
    texts = [f"{name} 100.0 %" for name in names]
    return 40 + max((int(font_for([one], 14).getlength(one)) for one in texts), default=80)


def _draw_legend(
    canvas: Image.Image,
    shares: list[tuple[int, float]],
    left: int,
    name_of: NameOf,
    colour_of: ColourOf,
    classes: int | None,
) -> None:
    draw = ImageDraw.Draw(canvas)
    rows = max(1, (canvas.height - 8) // 22)
    for row, (label, share) in enumerate(shares[:rows]):
        top = 8 + 22 * row
        if row == rows - 1 and len(shares) > rows:
            text, font = f"and {len(shares) - row} more", font_for([], 14)
        else:
            if label < 0 or (classes is not None and label >= classes):
                canvas.paste(_stripes((14, 14)), (left, top))
                draw.rectangle((left, top, left + 14, top + 14), None, INK)
            else:
                draw.rectangle((left, top, left + 14, top + 14), colour_of(label), INK)
            font = font_for([name_of(label)], 14)
            text = f"{legible(name_of(label), label, font)} {100 * share:.1f} %"
        draw.text((left + 22, top - 2), text, fill=INK, font=font)


def _borders(colours: np.ndarray) -> np.ndarray:
    """``(H, W)``, bool: pixels with another colour up to `BORDER` pixels beside or above them."""
    borders = np.zeros(colours.shape[:2], bool)
    for step in range(1, BORDER + 1):
        down = (colours[step:] != colours[:-step]).any(-1)
        across = (colours[:, step:] != colours[:, :-step]).any(-1)
        borders[step:] |= down
        borders[:-step] |= down
        borders[:, step:] |= across
        borders[:, :-step] |= across
    return borders


def _stripes(size: tuple[int, int]) -> Image.Image:
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    light = (across + down) // STRIPE % 2 == 0
    return Image.fromarray(np.where(light, 235, 60).astype(np.uint8)).convert("RGB")
