"""One image of the ``shapes`` data set: a textured background and forms that cover each other.

Forms are drawn from the distance of every pixel centre to their outline, which gives edges
anti-aliased at any size from a few lines of arithmetic, and the same pixels on every machine:
nothing here calls a rasteriser or a transcendental function on an array.
"""

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]

# Sizes are shares of the image's side: 24 to 72 pixels in an image of 160.
SMALLEST, LARGEST = 0.15, 0.45
MOST_OBJECTS = 6
# A form of which less than this would show (covered, or cut by the border) is put elsewhere.
LEAST_VISIBLE = 0.5
PLACES_TRIED = 12
# Levels of 255 between the colours of two objects, and of an object and the background.
LEAST_CONTRAST = 80.0


@dataclass(frozen=True)
class Scene:
    """An image and its annotations.

    Attributes:
        pixels: RGB, uint8, shape (H, W, 3).
        owner: index of the visible object at each pixel, -1 for the background;
            int8, shape (H, W).
        labels: the class of each object, an index into ``tuple(FORMS)``.
    """

    pixels: NDArray[np.uint8]
    owner: NDArray[np.int8]
    labels: tuple[int, ...]


def draw_image(rng: np.random.Generator, size: int) -> Scene:
    """Draw one image of ``size`` x ``size`` pixels with one to six objects.

    Example:
        >>> image = draw_image(np.random.default_rng(0), 96)
        >>> image.pixels.shape, image.owner.max() + 1 == len(image.labels)
        ((96, 96, 3), np.True_)
    """
    canvas = _background(rng, size)
    owner = np.full((size, size), -1, dtype=np.int8)
    colours = [canvas.mean(axis=(0, 1))]
    whole_areas: list[int] = []
    labels: list[int] = []
    for _ in range(int(rng.integers(1, MOST_OBJECTS + 1))):
        label = int(rng.integers(len(FORMS)))
        scale = size * float(rng.uniform(SMALLEST, LARGEST))
        turn = float(rng.uniform(0.0, 2.0 * math.pi))
        for _ in range(PLACES_TRIED):
            margin = 0.3 * scale
            centre = rng.uniform(margin, size - margin, size=2)
            distance, area, window = _place(tuple(FORMS.values())[label], centre, scale, turn, size)
            if _leaves_enough(owner[window], distance < 0, area, owner, whole_areas):
                colour = _contrasting_colour(rng, colours)
                _paint(rng, canvas[window], distance, colour, scale)
                owner[window][distance < 0] = len(labels)
                colours.append(colour)
                whole_areas.append(area)
                labels.append(label)
                break
    # Noise over the whole image, so that no surface has a constant colour.
    canvas += rng.integers(-3, 4, size=(size, size, 1)).astype(np.float32)
    pixels = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return Scene(pixels=pixels, owner=owner, labels=tuple(labels))


# --- forms: signed distance to the outline, negative inside; x and y in pixels from the centre ---


def _circle(x: Floats, y: Floats, scale: float, turn: float) -> Floats:
    return np.sqrt(x * x + y * y) - np.float32(0.5 * scale)


def _ring(x: Floats, y: Floats, scale: float, turn: float) -> Floats:
    from_middle = np.abs(np.sqrt(x * x + y * y) - np.float32(0.39 * scale))
    return from_middle - np.float32(0.11 * scale)


def _square(x: Floats, y: Floats, scale: float, turn: float) -> Floats:
    return _sides(x, y, 4, 0.44 * scale, turn).max(axis=0)


def _triangle(x: Floats, y: Floats, scale: float, turn: float) -> Floats:
    return _sides(x, y, 3, 0.31 * scale, turn).max(axis=0)


def _star(x: Floats, y: Floats, scale: float, turn: float) -> Floats:
    # A pentagram is what lies beyond at most one of the five lines through its points: beyond
    # none is the pentagon in the middle, beyond one an arm.
    return np.sort(_sides(x, y, 5, 0.19 * scale, turn), axis=0)[-2]


def _sides(x: Floats, y: Floats, count: int, apothem: float, turn: float) -> Floats:
    """Signed distances to the lines through a regular polygon's sides, shape (count, h, w)."""
    angles = [turn + 2.0 * math.pi * k / count for k in range(count)]
    return np.stack(
        [
            x * np.float32(math.cos(a)) + y * np.float32(math.sin(a)) - np.float32(apothem)
            for a in angles
        ]
    )


Form = Callable[[Floats, Floats, float, float], Floats]
# The order is the order of the classes.
FORMS: dict[str, Form] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
}


# --- where an object goes ---


def _place(
    form: Form, centre: NDArray[np.float64], scale: float, turn: float, size: int
) -> tuple[Floats, int, tuple[slice, slice]]:
    """Place a form: its distances within the image, its area, and the window they fill.

    The area, in pixels, includes the part outside of the image.
    """
    cx, cy = float(centre[0]), float(centre[1])
    reach = 0.65 * scale + 1.0
    left, top = math.floor(cx - reach), math.floor(cy - reach)
    right, bottom = math.ceil(cx + reach), math.ceil(cy + reach)
    x = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - cx))[None, :]
    y = (np.arange(top, bottom, dtype=np.float32) + np.float32(0.5 - cy))[:, None]
    distance = form(x, y, scale, turn)
    area = int((distance < 0).sum())
    rows = slice(max(top, 0), min(bottom, size))
    columns = slice(max(left, 0), min(right, size))
    inside = distance[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return inside, area, (rows, columns)


def _leaves_enough(
    below: NDArray[np.int8],
    covers: NDArray[np.bool_],
    area: int,
    owner: NDArray[np.int8],
    whole_areas: list[int],
) -> bool:
    """Whether enough of the new form is visible, and of all forms that it covers."""
    if covers.sum() < LEAST_VISIBLE * area:
        return False
    bins = len(whole_areas) + 1
    seen = np.bincount(owner.ravel() + 1, minlength=bins)
    seen -= np.bincount(below[covers] + 1, minlength=bins)
    return bool(np.all(seen[1:] >= LEAST_VISIBLE * np.asarray(whole_areas)))


# --- colour and texture ---


def _background(rng: np.random.Generator, size: int) -> Floats:
    """A gradient between two muted colours under noise of several scales, often with stripes."""
    along = _ramp(rng, size, size)[..., None]
    first, second = _colour(rng, (0.05, 0.45), (0.2, 0.9)), _colour(rng, (0.05, 0.45), (0.2, 0.9))
    # A gradient across the whole range would leave no colour for objects to stand out with.
    canvas = first + (second - first) * np.float32(0.5) * along
    for cells in (3, 9, 27):
        amount = np.float32(rng.uniform(4.0, 16.0))
        canvas += _noise(rng, size, cells)[..., None] * (amount * _tint(rng))
    if rng.random() < 0.4:
        period = size * float(rng.uniform(0.04, 0.15))
        amount = np.float32(rng.uniform(6.0, 16.0))
        canvas += _stripes(rng, size, size, period)[..., None] * (amount * _tint(rng))
    return canvas.astype(np.float32)


def _paint(
    rng: np.random.Generator, canvas: Floats, distance: Floats, colour: Floats, scale: float
) -> None:
    """Blend an object into its window of the canvas, in place."""
    height, width = distance.shape
    shade = (_ramp(rng, height, width) - np.float32(0.5)) * np.float32(rng.uniform(0.0, 50.0))
    if rng.random() < 0.3:
        period = scale * float(rng.uniform(0.1, 0.3))
        shade += _stripes(rng, height, width, period) * np.float32(rng.uniform(6.0, 18.0))
    if rng.random() < 0.3:
        rim = np.clip(distance + np.float32(2.5), 0.0, 1.0)
        shade -= rim * np.float32(rng.uniform(20.0, 60.0))
    # Half a pixel either side of the outline goes from fully covered to not at all.
    cover = np.clip(np.float32(0.5) - distance, 0.0, 1.0)[..., None]
    canvas += (colour + shade[..., None] - canvas) * cover


def _contrasting_colour(rng: np.random.Generator, others: list[Floats]) -> Floats:
    """A colour away from all ``others``, drawn without regard to the class."""
    best, best_contrast = others[0], -1.0
    for _ in range(20):
        colour = _colour(rng, (0.3, 0.95), (0.25, 1.0))
        contrast = min(float(np.sqrt(((colour - other) ** 2).sum())) for other in others)
        if contrast > best_contrast:
            best, best_contrast = colour, contrast
        if best_contrast >= LEAST_CONTRAST:
            break
    return best


def _colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> Floats:
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return np.asarray(rgb, dtype=np.float32) * np.float32(255.0)


def _tint(rng: np.random.Generator) -> Floats:
    """Weights of the three channels near one, so that a texture is not quite grey."""
    return rng.uniform(0.6, 1.2, size=3).astype(np.float32)


def _noise(rng: np.random.Generator, size: int, cells: int) -> Floats:
    """Smooth noise of mean about 0 in about [-1, 1], with ``cells`` bumps along a side."""
    grid = rng.uniform(-1.0, 1.0, size=(cells + 1, cells + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def _ramp(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Rises from 0 to 1 across the window, in some direction."""
    along = _project(rng, height, width)
    low, high = along.min(), along.max()
    return (along - low) / (high - low)


def _stripes(rng: np.random.Generator, height: int, width: int, period: float) -> Floats:
    """Soft stripes in [-1, 1] in some direction, one every ``period`` pixels."""
    phase = _project(rng, height, width) / np.float32(period) + np.float32(rng.random())
    rise = np.abs(2.0 * (phase - np.floor(phase)) - 1.0)
    return 2.0 * rise * rise * (3.0 - 2.0 * rise) - 1.0


def _project(rng: np.random.Generator, height: int, width: int) -> Floats:
    angle = float(rng.uniform(0.0, 2.0 * math.pi))
    x = np.arange(width, dtype=np.float32)[None, :] * np.float32(math.cos(angle))
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(math.sin(angle))
    return x + y
