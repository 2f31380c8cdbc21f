"""Overlap, NMS and points of quadrilaterals through mmcv.ops, against plain geometry."""

import math

import cv2
import numpy as np
import pytest
import torch
from literal_overlaps import suppression_groups
from literal_rotated import contains, overlap_of_polygons
from mmcv.ops import batched_nms, box_iou_quadri, box_iou_rotated, nms_quadri, points_in_polygons

from resblock_backbones.openmmlab.ops.boxes import suppression
from resblock_backbones.openmmlab.ops.rotated import quadrilaterals


def some(count: int, seed: int) -> torch.Tensor:
    """Convex quadrilaterals (N, 8) in either order of corners, every third a rectangle."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(count, 8, generator=generator, dtype=torch.float64)
    centre, half = random[:, None, :2] * 12, random[:, None, 2:4] * 5 + 1
    angle = (torch.arange(4) + 0.2 + 0.6 * random[:, 4:]) * (math.pi / 2)
    angle[::3] = math.pi / 4 + torch.arange(4) * (math.pi / 2)
    corners = centre + half * torch.stack([angle.cos(), angle.sin()], -1)
    corners[1::2] = corners[1::2].flip(1)
    return corners.flatten(1)


def corners_of(boxes: torch.Tensor) -> list[list[list[float]]]:
    return boxes.view(-1, 4, 2).tolist()


@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_overlaps_follow_the_definition(mode):
    first, second = some(20, seed=0), some(15, seed=1)
    expected = [
        [overlap_of_polygons(a, b, mode) for b in corners_of(second)] for a in corners_of(first)
    ]
    result = box_iou_quadri(first, second, mode)
    torch.testing.assert_close(result, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)
    aligned = box_iou_quadri(first[:15], second, mode, aligned=True)
    torch.testing.assert_close(aligned, result[:15].diagonal())


def test_intersections_are_those_of_opencv():
    first, second = some(30, seed=2).float(), some(30, seed=3).float()
    result = box_iou_quadri(first, second, aligned=True)
    for a, b, overlap in zip(first, second, result.tolist(), strict=True):
        a, b = a.view(4, 2).numpy(), b.view(4, 2).numpy()
        common, _ = cv2.intersectConvexConvex(a, b)
        whole = cv2.contourArea(a) + cv2.contourArea(b) - common
        assert overlap == pytest.approx(common / whole, abs=1e-4)


def test_rectangles_overlap_as_rotated_boxes_do():
    generator = torch.Generator().manual_seed(4)
    rotated = torch.rand(40, 5, generator=generator, dtype=torch.float64) * 8 + 0.5
    x, y, width, height, angle = rotated.unbind(1)
    right = torch.stack([angle.cos(), angle.sin()], 1) * width[:, None] / 2
    down = torch.stack([-angle.sin(), angle.cos()], 1) * height[:, None] / 2
    centre = torch.stack([x, y], 1)
    ends = (right + down, right - down, -right - down, -right + down)
    quadri = torch.cat([centre + end for end in ends], 1)
    torch.testing.assert_close(
        box_iou_quadri(quadri, quadri), box_iou_rotated(rotated, rotated), rtol=1e-6, atol=1e-8
    )


def test_boxes_that_touch_or_coincide():
    square = torch.tensor([[0.0, 0, 2, 0, 2, 2, 0, 2]])
    beside, corner = square + torch.tensor([2.0, 0] * 4), square + 2
    start_elsewhere = square.roll(2, 1)
    others = torch.cat([square, start_elsewhere, beside, corner])
    assert box_iou_quadri(square, others).tolist() == [[1, 1, 0, 0]]
    far = torch.cat([square + 1e6, square + 1e6 + 1]).double()
    torch.testing.assert_close(box_iou_quadri(far[:1], far), torch.tensor([[1, 1 / 7]]).double())


def test_it_suppresses_what_the_definition_does():
    boxes, scores = some(40, seed=5), torch.linspace(0, 1, 40).roll(7)
    groups = suppression_groups(corners_of(boxes), scores.tolist(), overlap_of_polygons, 0.3)
    dets, kept = nms_quadri(boxes, scores, 0.3)
    assert kept.tolist() == [group[0] for group in groups]
    torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], 1)[kept])
    assert nms_quadri(boxes, scores, 0.3, torch.arange(40.0))[1].tolist() == kept.tolist()


def test_numbers_that_compiled_mmcv_gives():
    boxes = torch.tensor(
        [[1.0, 1, 3, 4, 4, 4, 4, 1], [2, 2, 3, 4, 4, 2, 3, 1], [7, 7, 8, 8, 9, 7, 8, 6],
         [0, 0, 0, 2, 2, 2, 2, 0]]
    )  # fmt: skip
    scores, classes = torch.tensor([0.7, 0.8, 0.5, 0.9]), torch.tensor([1, 0, 1, 0])
    assert nms_quadri(boxes, scores, 0.3)[1].tolist() == [3, 1, 2]
    settings = {"type": "nms_quadri", "iou_threshold": 0.3}
    assert batched_nms(boxes, scores, classes, settings)[1].tolist() == [3, 1, 0, 2]
    _, kept = batched_nms(boxes, scores, classes, settings, class_agnostic=True)
    assert kept.tolist() == [3, 1, 2]


def test_no_boxes_have_no_overlaps():
    none, one = torch.zeros(0, 8), some(1, seed=6).float()
    assert box_iou_quadri(none, one).shape == (0, 1)
    assert box_iou_quadri(one, none).shape == (1, 0)
    assert nms_quadri(none, torch.zeros(0), 0.5)[0].shape == (0, 8)


def test_results_do_not_depend_on_how_many_pairs_are_looked_at_together(monkeypatch):
    boxes, scores = some(20, seed=7), torch.linspace(0, 1, 20)
    overlaps, kept = box_iou_quadri(boxes, boxes), nms_quadri(boxes, scores, 0.3)[1]
    monkeypatch.setattr(suppression, "PAIRS_AT_ONCE", 50)
    monkeypatch.setattr(quadrilaterals, "PAIRS_AT_ONCE", 7)
    assert torch.equal(box_iou_quadri(boxes, boxes), overlaps)
    assert torch.equal(nms_quadri(boxes, scores, 0.3)[1], kept)


def test_points_in_polygons_are_those_that_the_definition_and_opencv_find():
    polygons = some(12, seed=8).float()
    points = torch.rand(60, 2, generator=torch.Generator().manual_seed(9)) * 16 - 2
    result = points_in_polygons(points, polygons)
    expected = [[contains(p, point) for p in corners_of(polygons)] for point in points.tolist()]
    assert result.tolist() == torch.tensor(expected).float().tolist()
    assert result.sum() > 30
    for j, polygon in enumerate(polygons.view(-1, 4, 2).numpy()):
        for i, point in enumerate(np.float64(points)):
            assert (cv2.pointPolygonTest(polygon, point.tolist(), False) > 0) == result[i, j]


def test_a_point_in_the_dent_of_a_polygon_is_outside():
    arrow = torch.tensor([[0.0, 0, 4, 4, 8, 0, 4, 8]])
    points = torch.tensor([[4.0, 1.0], [4.0, 5.0]])
    assert points_in_polygons(points, arrow).tolist() == [[0], [1]]
