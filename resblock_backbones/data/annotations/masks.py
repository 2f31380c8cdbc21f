"""Masks as COCO has them: polygons and run lengths, and what can be wrong with them.

pycocotools' loader and evaluator do not agree on broken masks: the one leaves an object out that
the other counts, or stops at. Here a broken mask is named before either sees it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..findings import shown
from .values import number_fault


@dataclass(frozen=True)
class Outline:
    """What a mask covers.

    Attributes:
        box: its bounds x1, y1, x2, y2 in pixels.
        area: in pixels; of several polygons the sum.
    """

    box: tuple[float, float, float, float]
    area: float


def mask_fault(mask: Any, height: int, width: int) -> str | None:
    """Why a value is no mask of an image ``(height, width)``; None where it is one.

    >>> mask_fault([[0, 0, 4, 4]], 10, 10)
    'polygon 0 has 2 points, fewer than 3'
    >>> mask_fault([0, 0, 4, 0, 4, 4], 10, 10)
    'is one flat list of numbers: write a list of polygons, [[x1, y1, x2, y2, ...]]'
    """
    if mask is None or mask == [] or mask == {}:
        return f"is {shown(mask)}"
    if isinstance(mask, list):
        if not any(isinstance(one, list | dict) for one in mask):
            return "is one flat list of numbers: write a list of polygons, [[x1, y1, x2, y2, ...]]"
        faults = (_polygon_fault(one, number) for number, one in enumerate(mask))
        return next((fault for fault in faults if fault is not None), None)
    if isinstance(mask, dict):
        return _runs_fault(mask, height, width)
    return f"is {shown(mask)}, neither polygons nor run lengths"


def outline(mask: Any) -> Outline | None:
    """The bounds and the area of a mask without a fault; None where it covers nothing.

    >>> outline([[1, 1, 5, 1, 5, 4, 1, 4]])
    Outline(box=(1.0, 1.0, 5.0, 4.0), area=12.0)
    >>> outline({"size": [3, 2], "counts": [3, 2, 1]})
    Outline(box=(1.0, 0.0, 2.0, 2.0), area=2.0)
    """
    if isinstance(mask, list):
        # Plain numbers: a polygon has too few points for NumPy to be faster.
        x = [float(value) for one in mask for value in one[0::2]]
        y = [float(value) for one in mask for value in one[1::2]]
        area = sum(_polygon_area(one[0::2], one[1::2]) for one in mask)
        return Outline((min(x), min(y), max(x), max(y)), area)
    return _outline_of_runs(run_counts(mask["counts"]), mask["size"][0])


def run_counts(counts: Any) -> np.ndarray:
    """The lengths of the runs of a mask, from a list or from COCO's text.

    The text has six bits a character: five of a number, lowest first, and one that says that more
    follow; from the fourth number on it is the difference to the one before the last.

    >>> run_counts("0120").tolist()
    [0, 1, 2, 1]
    """
    if isinstance(counts, list):
        return np.asarray(counts, np.int64)
    codes = np.frombuffer(counts.encode("latin-1"), np.uint8).astype(np.int64) - 48
    last = (codes & 32) == 0
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1]).astype(int)
    place = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    values = np.add.reduceat((codes & 31) << (5 * place), starts)
    negative = (codes[last] & 16) != 0
    values = values - (negative << (5 * (place[last] + 1)))
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def _polygon_fault(polygon: Any, number: int) -> str | None:
    if not isinstance(polygon, list):
        return f"polygon {number} is {shown(polygon)}, no list"
    for value in polygon:
        fault = number_fault(value)
        if fault is not None and isinstance(value, list):
            return f"polygon {number} has points in lists of their own: write [x1, y1, x2, y2, ...]"
        if fault is not None:
            return f"polygon {number}: a coordinate {fault}"
    if len(polygon) % 2:
        return f"polygon {number} has {len(polygon)} numbers, an odd count"
    if len(polygon) < 6:
        return f"polygon {number} has {len(polygon) // 2} points, fewer than 3"
    return None


def _runs_fault(mask: dict[str, Any], height: int, width: int) -> str | None:
    size, counts = mask.get("size"), mask.get("counts")
    if not isinstance(size, list) or len(size) != 2 or any(number_fault(one) for one in size):
        return f"has the 'size' {shown(size)}, not [height, width]"
    if list(size) != [height, width]:
        return f"has the size {size} (height, width), its image {[height, width]}"
    if not isinstance(counts, list | str) or not counts:
        return f"has the 'counts' {shown(counts)}, neither a list nor text"
    try:
        if isinstance(counts, list) and any(type(one) is not int for one in counts):
            return "has 'counts' that are no whole numbers"
        if isinstance(counts, str) and not all(48 <= ord(one) < 112 for one in counts):
            return "has 'counts' with characters that no run lengths have"
        runs = run_counts(counts)
    except (ValueError, OverflowError):
        return "has 'counts' that are no run lengths"
    if (runs < 0).any() or int(runs.sum()) != height * width:
        return f"has run lengths of {int(runs.sum())} pixels, its image {height * width}"
    return None


def _outline_of_runs(runs: np.ndarray, height: int) -> Outline | None:
    ends = np.cumsum(runs)
    begin, end = (ends - runs)[1::2], ends[1::2]
    begin, end = begin[end > begin], end[end > begin]
    if not len(begin):
        return None
    first, last = begin // height, (end - 1) // height
    whole = bool((first != last).any())
    top = 0 if whole else int((begin % height).min())
    bottom = height if whole else int(((end - 1) % height).max()) + 1
    box = (float(first.min()), float(top), float(last.max()) + 1, float(bottom))
    return Outline(box, float((end - begin).sum()))


def _polygon_area(x: list[float], y: list[float]) -> float:
    following = zip(x, y, [*x[1:], x[0]], [*y[1:], y[0]], strict=True)
    return 0.5 * abs(sum(a * d - b * c for a, b, c, d in following))
