"""Images of predictions beside the ground truth: boxes, masks or label maps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...data.images.fonts import font_for, legible
from ...drawing.annotated import outlines_of
from ...drawing.colours import Colour
from ...drawing.outlines import draw_outlines
from ...files.whole import write_whole

MARGIN, HEADER, SWATCH = 8, 22, 14
BACKGROUND, INK = (255, 255, 255), (40, 40, 40)

Palette = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Objects:
    """Objects in an image.

    Attributes:
        boxes: ``(N, 4)``, x1 y1 x2 y2 in pixels of the image.
        labels: ``(N,)``, class indices.
        scores: ``(N,)``, or None for the ground truth.
        masks: ``(N, H, W)``, true where the object is visible, or None if there are only boxes.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None
    masks: np.ndarray | None = None
    label_map = None


@dataclass(frozen=True)
class LabelMap:
    """The class of each pixel of an image.

    Attributes:
        labels: ``(H, W)``, class indices; pixels of other numbers are drawn white.
    """

    labels: np.ndarray


def draw_comparison(
    images: Sequence[Image.Image],
    ground_truths: Sequence[Objects | LabelMap],
    predictions: Sequence[Objects | LabelMap],
    classes: Sequence[str],
    palette: Palette,
    file: Path,
    *,
    columns: int = 2,
    side: int = 256,
) -> None:
    """Write one image of all pairs: the ground truth on the left, the prediction on the right.

    Objects are drawn into the image with their names. Label maps are drawn beside it, with a legend
    of their classes.

    Args:
        images, ground_truths, predictions: one of each per image.
        classes, palette: names and colours (RGB, 0 to 255), by label.
        file: PNG to write.
        columns: images in a row.
        side: the longer side of a drawn image, in pixels.
    """
    titles = ["ground truth", "prediction"]
    maps = [one for one in (*ground_truths, *predictions) if isinstance(one, LabelMap)]
    if maps:
        titles.insert(0, "image")
    groups = []
    for image, ground_truth, prediction in zip(images, ground_truths, predictions, strict=True):
        factor = side / max(image.size)
        size = (round(image.width * factor), round(image.height * factor))
        rgb = image.convert("RGB")
        large = rgb.resize(size, Image.Resampling.LANCZOS)
        cells = [_cell(rgb, one, size, classes, palette) for one in (ground_truth, prediction)]
        groups.append([large, *cells] if maps else cells)
    canvas = _grid(groups, titles, columns, side)
    if maps:
        canvas = _with_legend(canvas, _names_in(maps, classes), palette)
    _save(canvas, file)


def _grid(
    groups: Sequence[Sequence[Image.Image]], titles: Sequence[str], columns: int, side: int
) -> Image.Image:
    """Groups of cells in rows, under the titles of their columns."""
    step = side + MARGIN
    across = min(len(groups), columns)
    rows = -(-len(groups) // columns)
    size = (across * len(titles) * step + MARGIN, rows * step + HEADER + MARGIN)
    canvas = Image.new("RGB", size, BACKGROUND)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for column in range(across * len(titles)):
        title = titles[column % len(titles)]
        draw.text((MARGIN + column * step, 4), title, fill=INK, font=font)
    for number, cells in enumerate(groups):
        row, group = divmod(number, columns)
        for place, cell in enumerate(cells, start=group * len(titles)):
            canvas.paste(cell, (MARGIN + place * step, HEADER + row * step))
    return canvas


def _cell(
    image: Image.Image,
    annotated: Objects | LabelMap,
    size: tuple[int, int],
    classes: Sequence[str],
    palette: Palette,
) -> Image.Image:
    if isinstance(annotated, LabelMap):
        return _coloured(annotated.labels, len(classes), palette).resize(size, 0)
    outlines = outlines_of(
        annotated,
        lambda label: classes[label] if label < len(classes) else str(label),
        lambda label: _colour(palette, label),
    )
    return draw_outlines(image, outlines, size=size)


def _colour(palette: Palette, label: int) -> Colour:
    red, green, blue = palette[label % len(palette)]
    return red, green, blue


def _coloured(labels: np.ndarray, classes: int, palette: Palette) -> Image.Image:
    """A label map in the colours of its classes."""
    colours = np.full((classes + 1, 3), BACKGROUND, dtype=np.uint8)
    colours[:classes] = [palette[label % len(palette)] for label in range(classes)]
    known = (labels >= 0) & (labels < classes)
    return Image.fromarray(colours[np.where(known, labels, classes)])


def _names_in(maps: Sequence[LabelMap], classes: Sequence[str]) -> dict[int, str]:
    """The classes that occur in any of the label maps."""
    labels = np.unique(np.concatenate([np.unique(one.labels) for one in maps]))
    return {int(label): classes[label] for label in labels if 0 <= label < len(classes)}


def _with_legend(canvas: Image.Image, names: dict[int, str], palette: Palette) -> Image.Image:
    """The canvas with a legend below it: colour and name of each class."""
    font = font_for(names.values(), 14)
    names = {label: legible(name, label, font) for label, name in names.items()}
    places, x, y = [], MARGIN, canvas.height
    for label, name in names.items():
        width = SWATCH + 4 + round(font.getlength(name)) + 2 * MARGIN
        if x + width > canvas.width and x > MARGIN:
            x, y = MARGIN, y + HEADER
        places.append((x, y, label, name))
        x += width
    whole = Image.new("RGB", (canvas.width, y + HEADER + MARGIN), BACKGROUND)
    whole.paste(canvas)
    draw = ImageDraw.Draw(whole)
    for x, y, label, name in places:
        colour = tuple(palette[label % len(palette)])
        draw.rectangle((x, y, x + SWATCH, y + SWATCH), fill=colour, outline=INK)
        draw.text((x + SWATCH + 4, y - 1), name, fill=INK, font=font)
    return whole


def _save(image: Image.Image, file: Path) -> None:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    write_whole(file, buffer.getvalue())
