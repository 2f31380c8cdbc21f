"""Objects drawn over an image: boxes with labels, masks with outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from ..data.images.fonts import font_for
from .colours import Colour, readable_on
from .placement import Place, place_labels

MASK_OPACITY = 0.45
#: Boxes with shorter sides get a ring around them, in pixels of the drawing.
SMALLEST_BOX, RING = 6, 9
PAPER, INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True)
class Outline:
    """An object to draw.

    Attributes:
        box: x1 y1 x2 y2 in pixels of the image.
        colour: RGB.
        text: the label; empty for none.
        mask: ``(H, W)``, bool, or None; or the part of one that begins at ``corner``.
        corner: top and left of the part; None if the mask is whole.
        dashed: whether the box is drawn with gaps.
    """

    box: tuple[float, float, float, float]
    colour: Colour
    text: str = ""
    mask: np.ndarray | None = None
    corner: tuple[int, int] | None = None
    dashed: bool = False


def draw_outlines(
    image: Image.Image,
    outlines: Sequence[Outline],
    *,
    size: tuple[int, int] | None = None,
    note: str = "",
) -> Image.Image:
    """A copy of an image with objects drawn over it.

    Labels never hide each other: the first objects have theirs nearest to their boxes, and a line
    leads to a label that found room only further away. Where an image has no room for all, a note
    tells how many are left out.

    Args:
        image: RGB.
        outlines: the objects, the most important first.
        size: width and height of the drawing; default: those of the image.
        note: written into a corner.
    """
    width, height = size or image.size
    scale = (width / image.width, height / image.height)
    drawn = image.resize((width, height), Image.Resampling.LANCZOS) if size else image.copy()
    drawn = _with_masks(drawn, outlines, scale)
    draw = ImageDraw.Draw(drawn)
    line = max(2, round(min(drawn.size) / 300))
    points = max(12, round(min(drawn.size) / 45))
    boxes = [_scaled(one.box, scale) for one in outlines]
    # The first are drawn last, over the others.
    for one, box in reversed(list(zip(outlines, boxes, strict=True))):
        _draw_box(draw, box, one, line)
    sizes = [_text_size(one.text, points) for one in outlines]
    corner = _corner_of(note, points, drawn.size, boxes)
    places = _place(outlines, boxes, sizes, drawn.size, corner)
    left_out = sum(bool(one.text) for one in outlines) - sum(map(bool, places))
    if left_out:
        note += f"{'; ' if note else ''}no room for {left_out} labels"
        corner = _corner_of(note, points, drawn.size, boxes)
        places = _place(outlines, boxes, sizes, drawn.size, corner)
    for one, box, place in zip(outlines, boxes, places, strict=True):
        if place is not None and not place.beside:
            _draw_leader(draw, box, place, one.colour)
    for one, place in zip(outlines, places, strict=True):
        if place is not None:
            _draw_text(draw, one.text, place, one.colour, points)
    if corner is not None:
        _draw_text(draw, note, corner, PAPER, points)
    return drawn


def _place(
    outlines: Sequence[Outline],
    boxes: Sequence[Sequence[float]],
    sizes: Sequence[tuple[int, int]],
    canvas: tuple[int, int],
    corner: Place | None,
) -> list[Place | None]:
    """A place for each label; None for objects without a text too."""
    taken = []
    if corner is not None:
        left, top, width, height, _ = corner
        taken = [(left, top, left + width, top + height)]
    named = [index for index, one in enumerate(outlines) if one.text]
    found = place_labels(
        [boxes[index] for index in named], [sizes[index] for index in named], canvas, taken=taken
    )
    places: list[Place | None] = [None] * len(outlines)
    for index, place in zip(named, found, strict=True):
        places[index] = place
    return places


def _scaled(box: Sequence[float], scale: tuple[float, float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(value) for value in box)
    x1, x2 = sorted((x1 * scale[0], x2 * scale[0]))
    y1, y2 = sorted((y1 * scale[1], y2 * scale[1]))
    return x1, y1, x2, y2


def _draw_box(draw: ImageDraw.ImageDraw, box: Sequence[float], one: Outline, line: int) -> None:
    x1, y1, x2, y2 = box
    if max(x2 - x1, y2 - y1) < SMALLEST_BOX:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        draw.ellipse((x - RING, y - RING, x + RING, y + RING), outline=one.colour, width=2)
    if not one.dashed:
        draw.rectangle((x1, y1, x2, y2), None, one.colour, line)
        return
    dash = 4 * line
    for start in range(round(x1), round(x2), 2 * dash):
        for y in (y1, y2):
            draw.line((start, y, min(start + dash, x2), y), one.colour, line)
    for start in range(round(y1), round(y2), 2 * dash):
        for x in (x1, x2):
            draw.line((x, start, x, min(start + dash, y2)), one.colour, line)


def _draw_leader(
    draw: ImageDraw.ImageDraw, box: Sequence[float], place: Place, colour: Colour
) -> None:
    """A line from a label to the nearest point of its box."""
    x, y = place.left + place.width / 2, place.top + place.height / 2
    end = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
    draw.line((x, y, *end), colour, 1)


def _text_size(text: str, points: int) -> tuple[int, int]:
    font = font_for([text], points)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    return round(right - left) + 6, ascent + descent + 2


def _draw_text(
    draw: ImageDraw.ImageDraw, text: str, place: Place, colour: Colour, points: int
) -> None:
    font = font_for([text], points)
    left, top, width, height, _ = place
    draw.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)
    start = font.getbbox(text)[0]
    draw.text((left + 3 - start, top + 1), text, fill=readable_on(colour), font=font)


def _corner_of(
    note: str, points: int, canvas: tuple[int, int], boxes: Sequence[Sequence[float]]
) -> Place | None:
    """The corner for a note: the one that hides the fewest boxes."""
    if not note:
        return None
    width, height = _text_size(note, points)
    right, bottom = canvas[0] - width, canvas[1] - height
    if right < 0 or bottom < 0:
        return None
    corners = [(0, bottom), (right, bottom), (right, 0), (0, 0)]

    def hidden(corner: tuple[int, int]) -> int:
        left, top = corner
        return sum(
            left < x2 and x1 < left + width and top < y2 and y1 < top + height
            for x1, y1, x2, y2 in boxes
        )

    left, top = min(corners, key=hidden)
    return Place(left, top, width, height)


def _with_masks(
    image: Image.Image, outlines: Sequence[Outline], scale: tuple[float, float]
) -> Image.Image:
    if all(one.mask is None for one in outlines):
        return image
    pixels = np.array(image)
    for one in reversed(outlines):
        if one.mask is None or not one.mask.size:
            continue
        mask = Image.fromarray(np.asarray(one.mask, bool))
        if one.corner is None:
            whole = np.asarray(mask.resize(image.size, Image.Resampling.NEAREST))
            _blend_mask(pixels, whole, one.colour)
            continue
        top, left = (round(one.corner[axis] * scale[1 - axis]) for axis in (0, 1))
        height, width = (
            max(1, round(length * scale[1 - axis])) for axis, length in enumerate(one.mask.shape)
        )
        scaled = np.asarray(mask.resize((width, height), Image.Resampling.NEAREST))
        # With a pixel around it, so that its border is drawn on all sides.
        framed = np.pad(scaled, 1)
        above, before = max(0, 1 - top), max(0, 1 - left)
        part = pixels[max(0, top - 1) : top + height + 1, max(0, left - 1) : left + width + 1]
        framed = framed[above : above + part.shape[0], before : before + part.shape[1]]
        _blend_mask(part, framed, one.colour)
    return Image.fromarray(pixels)


def _blend_mask(pixels: np.ndarray, mask: np.ndarray, colour: Colour) -> None:
    """Blend a mask's pixels with a colour, in place, and draw its border opaque."""
    tint = np.array(colour)
    blended = (1 - MASK_OPACITY) * pixels[mask] + MASK_OPACITY * tint
    pixels[mask] = np.rint(blended).astype(np.uint8)
    inside = mask.copy()
    inside[1:] &= mask[:-1]
    inside[:-1] &= mask[1:]
    inside[:, 1:] &= mask[:, :-1]
    inside[:, :-1] &= mask[:, 1:]
    pixels[mask & ~inside] = tint
