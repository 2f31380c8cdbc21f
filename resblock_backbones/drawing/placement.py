"""Places for the labels of boxes: none hides another one, none leaves the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np


class Place(NamedTuple):
    """A label's rectangle, in pixels of the canvas.

    Attributes:
        left, top, width, height: of the rectangle.
        beside: whether it touches its box; a line has to lead to the box where it does not.
    """

    left: float
    top: float
    width: float
    height: float
    beside: bool = True


def place_labels(
    boxes: Sequence[Sequence[float]],
    sizes: Sequence[tuple[float, float]],
    canvas: tuple[int, int],
    *,
    taken: Sequence[Sequence[float]] = (),
) -> list[Place | None]:
    """Find a place for the label of each box: at the box if there is room, else as near as can be.

    Args:
        boxes: ``(N, 4)``, x1 y1 x2 y2 in pixels; the first boxes choose first.
        sizes: width and height of each label.
        canvas: width and height of the image.
        taken: rectangles x1 y1 x2 y2 that have to stay free.

    Returns:
        A place for each box; None where the image has no room left for the label.

    >>> [one.top for one in place_labels([[5, 20, 40, 50]] * 2, [(30, 10)] * 2, (64, 64))]
    [10, 20]
    """
    across, down = canvas
    occupied = [tuple(map(float, one)) for one in taken]
    places: list[Place | None] = []
    # Sizes that found no room: no larger label will, as places are only ever taken.
    too_large: list[tuple[float, float]] = []
    for box, (width, height) in zip(boxes, sizes, strict=True):
        place = None
        fits = width <= across and height <= down
        if fits and not any(width >= one and height >= other for one, other in too_large):
            place = _at_box(box, width, height, canvas, occupied) or _nearest(
                box, width, height, canvas, occupied
            )
            if place is None:
                too_large.append((width, height))
        places.append(place)
        if place is not None:
            left, top = place.left, place.top
            occupied.append((left, top, left + width, top + height))
    return places


def _at_box(
    box: Sequence[float],
    width: float,
    height: float,
    canvas: tuple[int, int],
    occupied: Sequence[Sequence[float]],
) -> Place | None:
    for left, top in _corners(box, width, height):
        left = min(max(left, 0), canvas[0] - width)
        top = min(max(top, 0), canvas[1] - height)
        if not _hits(np.array([[left, top]]), width, height, occupied)[0]:
            return Place(left, top, width, height)
    return None


def _corners(box: Sequence[float], width: float, height: float) -> Iterator[tuple[float, float]]:
    """Places that touch a box, the most familiar first."""
    x1, y1, x2, y2 = box
    yield from [(x1, y1 - height), (x1, y1), (x1, y2), (x2 - width, y1 - height)]
    yield from [(x2 - width, y1), (x1, y2 - height), (x2 - width, y2 - height), (x2 - width, y2)]
    yield from [(x2, y1), (x1 - width, y1), (x2, y2 - height), (x1 - width, y2 - height)]


def _nearest(
    box: Sequence[float],
    width: float,
    height: float,
    canvas: tuple[int, int],
    occupied: Sequence[Sequence[float]],
) -> Place | None:
    """The free place of a grid over the whole canvas that is nearest to a box."""
    step = max(4.0, height / 2)
    lefts = np.append(np.arange(0, canvas[0] - width, step), canvas[0] - width)
    tops = np.append(np.arange(0, canvas[1] - height, step), canvas[1] - height)
    corners = np.stack(np.meshgrid(lefts, tops), -1).reshape(-1, 2)
    free = corners[~_hits(corners, width, height, occupied)]
    if not len(free):
        return None
    x1, y1, x2, y2 = box
    gap_x = np.maximum(np.maximum(x1 - (free[:, 0] + width), free[:, 0] - x2), 0)
    gap_y = np.maximum(np.maximum(y1 - (free[:, 1] + height), free[:, 1] - y2), 0)
    gaps = np.hypot(gap_x, gap_y)
    best = int(gaps.argmin())
    left, top = free[best].tolist()
    return Place(left, top, width, height, beside=bool(gaps[best] <= 1))


def _hits(
    corners: np.ndarray, width: float, height: float, occupied: Sequence[Sequence[float]]
) -> np.ndarray:
    """Whether a rectangle at each of these corners ``(N, 2)`` overlaps any that is occupied."""
    if not occupied:
        return np.zeros(len(corners), bool)
    x1, y1, x2, y2 = np.asarray(occupied, float).T[:, None]
    left, top = corners[:, :1], corners[:, 1:]
    apart = (left + width <= x1) | (x2 <= left) | (top + height <= y1) | (y2 <= top)
    return ~apart.all(1)
