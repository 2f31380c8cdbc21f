"""The objects of an image from those of its slices.

An object in the overlap of two slices is found twice, and one that a slice's side cuts is found in
parts. What a slice tells of a box ends at the sides that cut it, so two boxes are compared in the
part of the plane that both know: there the boxes of one object agree.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.placed_masks import PlacedMasks
from .prediction import Prediction

#: Intersection over union, or over the part of a cut box, from which two boxes are of one object.
SAME = 0.5
#: A box is cut by a side of its slice that is nearer than this part of the slice, or these pixels.
NEAR, NEAR_PIXELS = 0.02, 4.0


@dataclass(frozen=True)
class Window:
    """A slice of an image.

    Attributes:
        top, left, height, width: in pixels of the image.
    """

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """Where it ends."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.left + self.width


def merged_objects(
    answers: Sequence[tuple[Window, Prediction]], shape: tuple[int, int], told: Mapping[str, Any]
) -> Prediction:
    """The objects of all slices, each once.

    Of the boxes of one object that is kept which lies furthest inside its slice, with its score and
    mask; where all slices cut it, the boxes and masks are joined, and the highest score is kept.
    Two objects of one slice stay two.

    Args:
        answers: each slice with its objects.
        shape: height and width of the image.
        told: classes and palette.
    """
    found = _Found(answers, shape)
    objects = _without_rests(found, [_Object(found, group) for group in found.groups()])
    objects.sort(key=lambda one: -one.score)
    masks = None
    if found.masks is not None:
        masks = PlacedMasks([found.masks.joined(one.kept) for one in objects], shape)
    return Prediction(
        boxes=np.array([one.box for one in objects], np.float32).reshape(-1, 4),
        labels=np.array([one.label for one in objects], np.int64),
        scores=np.array([one.score for one in objects], np.float32),
        masks=masks,
        **told,
    )


class _Found:
    """The objects of all slices in one list.

    Attributes:
        boxes: `(M, 4)`, in pixels of the image.
        labels, scores: `(M,)`.
        slices: `(M,)`, the number of each object's slice.
        known: `(M, 4)`, the part of the plane in which the slice knows the box.
        margins: `(M,)`, how far inside its slice a box lies; 0 if the slice cuts it.
        masks: None without masks.
    """

    def __init__(
        self, answers: Sequence[tuple[Window, Prediction]], shape: tuple[int, int]
    ) -> None:
        boxes, labels, scores, slices, known, margins = [], [], [], [], [], []
        parts: list[tuple[int, int, np.ndarray]] | None = None
        for number, (window, one) in enumerate(answers):
            assert one.boxes is not None and one.labels is not None and one.scores is not None
            moved = one.boxes.astype(np.float64) + [window.left, window.top] * 2
            boxes.append(moved)
            labels.append(one.labels)
            scores.append(one.scores)
            slices.append(np.full(len(moved), number))
            reach, margin = _known(moved, window, shape)
            known.append(reach)
            margins.append(margin)
            if one.masks is not None:
                placed = PlacedMasks.of(one.masks, window.top, window.left, shape)
                parts = (parts or []) + placed.parts
        self.boxes, self.known = np.concatenate(boxes), np.concatenate(known)
        self.labels, self.scores = np.concatenate(labels), np.concatenate(scores)
        self.slices, self.margins = np.concatenate(slices), np.concatenate(margins)
        self.masks = None if parts is None else PlacedMasks(parts, shape)
        self.windows = [window for window, _ in answers]

    def groups(self) -> list[list[int]]:
        """The numbers of the boxes of each object."""
        pairs = []
        for first, second in self._neighbours():
            agree = self.overlap(first, second)
            agree[self.labels[first][:, None] != self.labels[second]] = 0
            for one, other in np.argwhere(agree >= SAME):
                pairs.append((agree[one, other], first[one], second[other]))
        group_of = {index: [index] for index in range(len(self.boxes))}
        for _, one, other in sorted(pairs, key=lambda pair: -pair[0]):
            here, there = group_of[one], group_of[other]
            slices = self.slices[[*here, *there]]
            if here is not there and len(set(slices.tolist())) == len(slices):
                here += there
                group_of.update(dict.fromkeys(there, here))
        return list({id(group): group for group in group_of.values()}.values())

    def overlap(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Intersection over union of boxes in the part of the plane where both are known."""
        reach = _common(self.known[first], self.known[second])
        here = _clipped(self.boxes[first][:, None], reach)
        there = _clipped(self.boxes[second][None], reach)
        shared = _area(_common(here, there, paired=True))
        return shared / np.maximum(_area(here) + _area(there) - shared, 1e-9)

    def _neighbours(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The boxes of two slices that overlap, of all such pairs of slices with boxes."""
        order = np.argsort(self.slices, kind="stable")
        numbers, begins = np.unique(self.slices[order], return_index=True)
        indices = dict(zip(numbers.tolist(), np.split(order, begins[1:]), strict=False))
        pairs = []
        for place, first in enumerate(numbers):
            for second in numbers[place + 1 :]:
                one, other = self.windows[first], self.windows[second]
                if other.top >= one.bottom:
                    break  # slices come row by row
                if one.left < other.right and other.left < one.right:
                    pairs.append((indices[first], indices[second]))
        return pairs


class _Object:
    """An object of the image.

    Attributes:
        members: numbers of its boxes.
        cut: whether every slice cuts it.
        kept: numbers of the boxes that it is made of.
        label, score, box: of it.
    """

    def __init__(self, found: _Found, members: Sequence[int]) -> None:
        self.members = list(members)
        best = max(members, key=lambda index: (found.margins[index], found.scores[index]))
        self.cut = bool(found.margins[best] == 0)
        self.kept = self.members if self.cut else [best]
        self.label, self.score = int(found.labels[best]), float(found.scores[self.kept].max())
        corners = found.boxes[self.kept]
        self.box = np.concatenate([corners[:, :2].min(0), corners[:, 2:].max(0)])
        self.slices = set(found.slices[self.members].tolist())


def _without_rests(found: _Found, objects: list[_Object]) -> list[_Object]:
    """The objects without what is only the rest of one that other slices see better.

    The tip of a round object is no such box as the rest of the object's box; and a slice gives a
    part of an object two boxes, or takes it for another class. The neighbour sees more of it. What
    is inside an object that all slices cut is a part of that.
    """
    objects = sorted(objects, key=lambda one: (not one.cut, float(_area(one.box))))
    places = _Places(max(max(one.height, one.width) for one in found.windows))
    for place, one in enumerate(objects):
        places.add(place, one.box)
    for place, one in enumerate(objects):
        if not one.cut:
            break
        home = None
        for number in _containing(one.box, place, places):
            other = objects[number]
            if other.slices <= one.slices:
                continue
            if other.label == one.label or (not other.cut and _alike(found, one, other)):
                home = number if home is None or other.label == one.label else home
        if home is None:
            continue
        if objects[home].cut:
            objects[home] = _Object(found, [*objects[home].members, *one.members])
            places.add(home, objects[home].box)
        one.kept = []
    return [one for one in objects if one.kept]


class _Places:
    """Numbered boxes in a grid, to find those near a box among many.

    Args:
        cell: side of a cell, in pixels.

    Example:
        >>> places = _Places(10)
        >>> for number, left in enumerate([3.0, 18.0, 40.0]):
        ...     places.add(number, np.array([left, 0.0, left + 5, 5.0]))
        >>> places.around(np.array([0.0, 0.0, 12.0, 4.0]))
        [0, 1]
    """

    def __init__(self, cell: int) -> None:
        self.cell = cell
        self.boxes: dict[int, np.ndarray] = {}
        self._numbers: dict[tuple[int, int], set[int]] = defaultdict(set)

    def add(self, number: int, box: np.ndarray) -> None:
        """Add a box, or replace the one of this number by a larger one."""
        self.boxes[number] = box
        for one in self._cells(box):
            self._numbers[one].add(number)

    def around(self, box: np.ndarray) -> list[int]:
        """The numbers of the boxes that have a cell in common with this one, ascending."""
        return sorted(set().union(*(self._numbers.get(one, ()) for one in self._cells(box))))

    def _cells(self, box: np.ndarray) -> Iterator[tuple[int, int]]:
        left, top, right, bottom = (box // self.cell).astype(int).tolist()
        return itertools.product(range(top, bottom + 1), range(left, right + 1))


def _containing(box: np.ndarray, number: int, places: _Places) -> list[int]:
    """The boxes after this number that have at least the part ``SAME`` of this box in them."""
    later = [one for one in places.around(box) if one > number]
    if not later:
        return []
    common = _common(box[None], np.array([places.boxes[one] for one in later]))[0]
    # A box without area has no part anywhere: it is in those that it touches.
    inside = (common[:, :2] <= common[:, 2:]).all(1) & (_area(common) >= SAME * _area(box))
    return [later[index] for index in np.flatnonzero(inside)]


def _alike(found: _Found, one: _Object, other: _Object) -> bool:
    """Whether every slice of one object shows it where the other is."""
    return bool((found.overlap(np.array(one.members), np.array(other.kept)) >= SAME).all())


def _known(
    boxes: np.ndarray, window: Window, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where a slice knows each box, and how far inside of it the box lies."""
    sides = np.array([window.left, window.top, window.right, window.bottom], float)
    beyond = [window.left, window.top, shape[1] - window.right, shape[0] - window.bottom]
    inner = np.array(beyond) > 0
    near = np.maximum(NEAR * np.array([window.width, window.height] * 2), NEAR_PIXELS)
    gaps = np.abs(boxes - sides)
    cut = inner & (gaps <= near)
    far = np.array([-np.inf, -np.inf, np.inf, np.inf])
    # Further inside than this, no box is better than another.
    margins = np.where(inner, np.clip(gaps, 0, 3 * near), 3 * near).min(1)
    return np.where(cut, sides, far), np.where(cut.any(1), 0.0, margins)


def _common(first: np.ndarray, second: np.ndarray, *, paired: bool = False) -> np.ndarray:
    """The intersections of rectangles: of each with each, or of pairs."""
    one, other = (first, second) if paired else (first[:, None], second[None])
    low = np.maximum(one[..., :2], other[..., :2])
    return np.concatenate([low, np.minimum(one[..., 2:], other[..., 2:])], -1)


def _clipped(boxes: np.ndarray, reach: np.ndarray) -> np.ndarray:
    boxes, reach = np.broadcast_arrays(boxes, reach)
    return _common(boxes, reach, paired=True)


def _area(boxes: np.ndarray) -> np.ndarray:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]
