"""Boxes against the masks of the same objects: where they part, one of the two is written wrong.

A box of another order or unit loads without a word. Where its object has a mask, that tells what
was meant, also for the part of a file that came from another tool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..findings import Findings
from .masks import Outline

#: A box and the bounds of its mask that share less of their union are of two objects.
LEAST_OVERLAP = 0.5
#: So large a share of all objects is no slip of a few.
MANY, SOME = 0.5, 0.05
#: So many boxes have to be explained by one way of writing them before it is named.
FEWEST = 4

Box = Sequence[float]
#: Another way of writing boxes -> what x, y, width, height it stands for.
WAYS: dict[str, Callable[[Box], Box]] = {
    "x1 y1 x2 y2": lambda b: (b[0], b[1], b[2] - b[0], b[3] - b[1]),
    "y x height width": lambda b: (b[1], b[0], b[3], b[2]),
    "y1 x1 y2 x2": lambda b: (b[1], b[0], b[3] - b[1], b[2] - b[0]),
    "centre x, centre y, width, height": lambda b: (b[0] - b[2] / 2, b[1] - b[3] / 2, b[2], b[3]),
}


@dataclass
class Comparison:
    """What the boxes and masks of a file have in common.

    Attributes:
        findings: receives what is wrong.
        masks: whether masks are read, and not only tell of the boxes.
        compared: how many objects have both.
        empty: places of those whose mask covers nothing.
        apart: place, box and bounds of the mask of those that lie elsewhere.
    """

    findings: Findings
    masks: bool
    compared: int = 0
    empty: list[str] = field(default_factory=list)
    apart: list[tuple[str, Box, Box]] = field(default_factory=list)

    def add(self, place: str, box: Box, found: Outline | None) -> None:
        """Compare the box of an object with the bounds of its mask."""
        self.compared += 1
        if found is None or found.area <= 0:
            self.empty.append(place)
            return
        left, top, right, bottom = found.box
        bounds = (left, top, right - left, bottom - top)
        # One pixel more or less is a matter of how pixels are counted.
        if _slack(box, bounds) > 2 and _overlap(box, bounds) < LEAST_OVERLAP:
            self.apart.append((place, box, bounds))

    def tell(self) -> None:
        """Put what all objects together tell among the findings."""
        if self.masks:
            self._tell_empty()
        if not self.apart:
            return
        place, box, bounds = self.apart[0]
        many = f"{len(self.apart)} of {self.compared} boxes"
        told = f"{place}: {_told(box, bounds)}"
        way = self._way()
        if way is not None:
            message = f"look like {way}, as their masks show; COCO's are [x, y, width, height]"
            self.findings.error("way", "", f"{many} {message}; {told}")
        elif len(self.apart) > MANY * self.compared:
            message = "lie elsewhere than their masks: is one of the two in another unit?"
            self.findings.error("elsewhere", "", f"{many} {message} {told}")
        else:
            for place, box, bounds in self.apart:
                self.findings.warning("mask and box", place, _told(box, bounds))

    def _tell_empty(self) -> None:
        if len(self.empty) > MANY * self.compared:
            message = (
                f"{len(self.empty)} of {self.compared} masks cover no pixel, the first that of "
                f"{self.empty[0]}: fractions of the image, or outlines without an inside?"
            )
            self.findings.error("empty masks", "", message)
            return
        for place in self.empty:
            self.findings.warning("empty mask", place, "its 'segmentation' covers no pixel")

    def _way(self) -> str | None:
        """The way of writing boxes that explains nearly all that lie elsewhere."""
        if len(self.apart) < max(FEWEST, SOME * self.compared):
            return None
        for name, read in WAYS.items():
            good = sum(_overlap(read(box), bounds) > 0.8 for _, box, bounds in self.apart)
            if good > 0.9 * len(self.apart):
                return name
        return None


def _told(box: Box, bounds: Box) -> str:
    return f"its 'bbox' is {list(box)}, that of its mask {[round(one, 1) for one in bounds]}"


def _slack(box: Box, other: Box) -> float:
    ends = (box[0] + box[2] - other[0] - other[2], box[1] + box[3] - other[1] - other[3])
    return max(abs(box[0] - other[0]), abs(box[1] - other[1]), *map(abs, ends))


def _overlap(box: Box, other: Box) -> float:
    """Intersection over union of two boxes [x, y, width, height]."""
    across = max(0.0, min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0]))
    down = max(0.0, min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1]))
    both = box[2] * box[3] + other[2] * other[3] - across * down
    return across * down / both if both > 0 else 0.0
