"""Slow formulas for rotated boxes, quadrilaterals and point sets, one Python loop per index.

They share no code with the package: no vectorisation, no torchvision.
"""

import math
from collections.abc import Sequence

import torch
from literal_formulas import read_bilinear
from torch import Tensor

Polygon = Sequence[Sequence[float]]


def rotated_region_align(
    features: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    scale: float,
    sampling_ratio: int,
    aligned: bool,
    clockwise: bool,
) -> Tensor:
    """RoIAlign of a box turned around its centre: the mean of the points of each bin."""
    channels = features.shape[1]
    output = torch.zeros(len(rois), channels, *size, dtype=torch.float64)
    for r, (image, x, y, width, height, angle) in enumerate(rois.tolist()):
        x, y = (v * scale - (0.5 if aligned else 0) for v in (x, y))
        width, height = (v * scale if aligned else max(v * scale, 1) for v in (width, height))
        angle = angle if clockwise else -angle
        bin_height, bin_width = height / size[0], width / size[1]
        count_y = sampling_ratio or math.ceil(bin_height)
        count_x = sampling_ratio or math.ceil(bin_width)
        for c, i, j in indices(channels, *size):
            values = []
            for a, b in indices(count_y, count_x):
                down = (i + (a + 0.5) / count_y) * bin_height - height / 2
                right = (j + (b + 0.5) / count_x) * bin_width - width / 2
                point_x = x + right * math.cos(angle) - down * math.sin(angle)
                point_y = y + right * math.sin(angle) + down * math.cos(angle)
                values.append(read_bilinear(features[int(image), c], point_y, point_x))
            output[r, c, i, j] = sum(values) / len(values) if values else 0
    return output


def indices(*sizes: int) -> list[list[int]]:
    return torch.cartesian_prod(*(torch.arange(n) for n in sizes)).view(-1, len(sizes)).tolist()


def shoelace(polygon: Polygon) -> float:
    """Area of a polygon whose corners are in order, either way round."""
    return abs(sum(turn((0, 0), polygon[i - 1], polygon[i]) for i in range(len(polygon)))) / 2


def turn(o: Sequence[float], a: Sequence[float], b: Sequence[float]) -> float:
    """Cross product of the ways from `o` to `a` and to `b`: positive to the left."""
    return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])


def contains(polygon: Polygon, point: Sequence[float]) -> bool:
    """Whether a point is in a convex polygon, or on its border up to rounding."""
    turns = [turn(polygon[i - 1], polygon[i], point) for i in range(len(polygon))]
    return max(turns) <= 1e-9 or min(turns) >= -1e-9


def common_area(first: Polygon, second: Polygon) -> float:
    """Area in both of two convex polygons: their corners inside and crossings, sorted by angle."""
    corners = [list(p) for p in first if contains(second, p)]
    corners += [list(p) for p in second if contains(first, p)]
    for i in range(len(first)):
        for j in range(len(second)):
            (a, b), (c, d) = (first[i - 1], first[i]), (second[j - 1], second[j])
            before, after = turn(c, d, a), turn(c, d, b)
            if before * after < 0 and turn(a, b, c) * turn(a, b, d) < 0:
                part = before / (before - after)
                corners.append([a[k] + part * (b[k] - a[k]) for k in (0, 1)])
    if len(corners) < 3:
        return 0.0
    x, y = (sum(p[k] for p in corners) / len(corners) for k in (0, 1))
    return shoelace(sorted(corners, key=lambda p: math.atan2(p[1] - y, p[0] - x)))


def hull_of(points: Polygon) -> list[Sequence[float]]:
    """Corners of the convex hull, found by turning a line around it."""
    points = sorted({tuple(p) for p in points})
    hull = [points[0]]
    while True:
        best = next(p for p in points if p != hull[-1])
        for p in points:
            side = turn(hull[-1], best, p)
            farther = math.dist(hull[-1], p) > math.dist(hull[-1], best)
            if side < 0 or (side == 0 and farther):
                best = p
        if best == hull[0]:
            return hull
        hull.append(best)


def overlap_of_polygons(first: Polygon, second: Polygon, mode: str = "iou") -> float:
    common, area_a, area_b = common_area(first, second), shoelace(first), shoelace(second)
    return common / (area_a if mode == "iof" else area_a + area_b - common)


def generalised_overlap(points: Polygon, polygon: Polygon) -> float:
    """IoU of a hull and a polygon, less the part of the hull of both that neither covers."""
    hull = hull_of(points)
    common = common_area(hull, polygon)
    union = shoelace(hull) + shoelace(polygon) - common
    around = shoelace(hull_of([*points, *polygon]))
    return common / union - (around - union) / around


def smallest_rectangle(points: Polygon) -> float:
    """Area of the smallest rectangle around points: one of its sides lies on one of the hull's."""
    hull, areas = hull_of(points), []
    for i in range(len(hull)):
        angle = math.atan2(hull[i][1] - hull[i - 1][1], hull[i][0] - hull[i - 1][0])
        along = [x * math.cos(angle) + y * math.sin(angle) for x, y in hull]
        beside = [y * math.cos(angle) - x * math.sin(angle) for x, y in hull]
        areas.append((max(along) - min(along)) * (max(beside) - min(beside)))
    return min(areas)
