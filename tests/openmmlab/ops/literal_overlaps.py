"""Slow formulas for overlapping boxes, pair by pair, from the operators' definitions.

They share no code with the package: no vectorisation, no torchvision.
"""

import math
from collections.abc import Callable, Sequence

Box = Sequence[float]
Overlap = Callable[[Box, Box], float]


def common_over(a: Box, b: Box, mode: str, offset: int = 0) -> float:
    """Common area of two boxes x1, y1, x2, y2, over the union ("iou") or over `a` ("iof")."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + offset)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + offset)
    area_a, area_b = ((c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b))
    whole = area_a if mode == "iof" else area_a + area_b - width * height
    return width * height / whole if whole else math.nan


def soft_suppression(
    boxes: list[Box],
    scores: list[float],
    overlap: Overlap,
    threshold: float,
    sigma: float,
    min_score: float,
    method: str,
) -> list[tuple[int, float]]:
    """(index, lowered score) in the order in which boxes are taken; no two scores may be equal."""
    left = dict(enumerate(scores))
    taken = []
    while left:
        best = max(left, key=lambda i: left[i])
        taken.append((best, left.pop(best)))
        for i in list(left):
            o = overlap(boxes[best], boxes[i])
            if method == "gaussian":
                left[i] *= math.exp(-(o**2) / sigma)
            elif o >= threshold:
                left[i] *= 1 - o if method == "linear" else 0
            if left[i] < min_score:
                del left[i]
    return taken


def suppression_groups(
    boxes: list[Box], scores: list[float], overlap: Overlap, threshold: float
) -> list[list[int]]:
    """Each kept box with those that it suppresses, from an overlap of exactly the threshold on."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    groups = []
    while left:
        best = left[0]
        group = [best] + [i for i in left[1:] if overlap(boxes[best], boxes[i]) >= threshold]
        left = [i for i in left if i not in group]
        groups.append(group)
    return groups


def corners_of_rotated(box: Box) -> list[tuple[float, float]]:
    """The four corners, in order, of centre x, centre y, width, height, angle from x to y."""
    x, y, width, height, angle = box
    cosine, sine = math.cos(angle), math.sin(angle)
    return [
        (x + i * width / 2 * cosine - j * height / 2 * sine,
         y + i * width / 2 * sine + j * height / 2 * cosine)
        for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]  # fmt: skip


def rotated_common_over(a: Box, b: Box, mode: str = "iou") -> float:
    """Common area of two rotated boxes: one cut by each side of the other in turn."""
    polygon, knife = corners_of_rotated(a), corners_of_rotated(b)
    for (x1, y1), (x2, y2) in zip(knife, knife[1:] + knife[:1], strict=True):
        sides = [(x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) for x, y in polygon]
        rest = []
        for i, ((x, y), side) in enumerate(zip(polygon, sides, strict=True)):
            (next_x, next_y), next_side = polygon[i - len(polygon) + 1], sides[i - len(sides) + 1]
            if side >= 0:
                rest.append((x, y))
            if (side >= 0) != (next_side >= 0):
                part = side / (side - next_side)
                rest.append((x + part * (next_x - x), y + part * (next_y - y)))
        polygon = rest
    area = sum(
        polygon[i - 1][0] * polygon[i][1] - polygon[i][0] * polygon[i - 1][1]
        for i in range(len(polygon))
    )
    area_a, area_b, common = a[2] * a[3], b[2] * b[3], abs(area) / 2
    return common / (area_a if mode == "iof" else area_a + area_b - common)
