"""Point sets of oriented detectors through mmcv.ops, against plain geometry and OpenCV."""

import cv2
import pytest
import torch
from literal_rotated import generalised_overlap, hull_of, overlap_of_polygons, smallest_rectangle
from mmcv.ops import convex_giou, convex_iou, min_area_polygons

from resblock_backbones.openmmlab.ops.rotated import point_sets
from resblock_backbones.openmmlab.ops.rotated.polygons import hull

# The second of these sets is one of MMCV's own test, with the numbers of its CUDA kernel.
SET = [1.5, 1.5, 2.5, 2.5, 1.5, 2.5, 2.5, 1.5, 1.5, 3.5, 3.5, 1.5, 2.5, 3.5, 3.5, 2.5, 2, 2]
SQUARE = [1.0, 1, 1, 3, 3, 3, 3, 1]


def sets(count: int, seed: int) -> torch.Tensor:
    """(N, 18), some with points at one place and on one line."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(count, 18, generator=generator, dtype=torch.float64) * 10
    points[::3] = points[::3].round()
    points[1::3, 4:6] = points[1::3, :2]
    return points


def quadrilaterals(count: int, seed: int) -> torch.Tensor:
    """(N, 8): rectangles and others that are convex, in either order of corners."""
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand(count, 6, generator=generator, dtype=torch.float64)
    x, y, right, down = (random[:, k] * 6 for k in range(4))
    slant_x, slant_y = random[:, 4], random[:, 5]
    corners = [
        x,
        y,
        x + right + 1,
        y + slant_y,
        x + right + 2 + slant_x,
        y + down + 3,
        x,
        y + down + 2,
    ]
    boxes = torch.stack(corners, 1)
    boxes[1::2] = boxes[1::2].view(-1, 4, 2).flip(1).flatten(1)
    return boxes


def pairs_of(numbers: torch.Tensor) -> list[list[list[float]]]:
    return numbers.unflatten(1, (-1, 2)).tolist()


def test_hulls_are_those_of_the_definition_and_of_opencv():
    points = sets(30, seed=0)
    indices, count = hull(points.view(-1, 9, 2))
    for row, (found, number) in enumerate(zip(indices.tolist(), count.tolist(), strict=True)):
        corners = [tuple(points[row].view(9, 2)[i].tolist()) for i in found[:number]]
        expected = hull_of(points[row].view(9, 2).tolist())
        assert sorted(corners) == sorted(expected)
        assert set(found[number:]) <= {found[0]}
        assert len(cv2.convexHull(points[row].view(9, 2).float().numpy())) == number


def test_a_set_of_one_place_is_a_hull_of_one_corner():
    indices, count = hull(torch.ones(1, 9, 2))
    assert indices.tolist() == [[0] * 9] and count.tolist() == [1]
    line = torch.arange(9.0)[None, :, None].expand(1, 9, 2)
    indices, count = hull(line)
    assert indices[0, :2].tolist() == [0, 8] and count.tolist() == [2]


def test_overlaps_follow_the_definition():
    points, boxes = sets(12, seed=1), quadrilaterals(9, seed=2)
    expected = [
        [overlap_of_polygons(hull_of(a), b) for b in pairs_of(boxes)] for a in pairs_of(points)
    ]
    result = convex_iou(points, boxes)
    torch.testing.assert_close(result, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)
    assert convex_iou(points, boxes[:0]).shape == (12, 0)
    assert convex_iou(points[:0], boxes).shape == (0, 9)


def test_generalised_overlaps_follow_the_definition():
    points, boxes = sets(24, seed=3), quadrilaterals(24, seed=4)
    expected = [
        generalised_overlap(a, b) for a, b in zip(pairs_of(points), pairs_of(boxes), strict=True)
    ]
    result, _ = convex_giou(points, boxes)
    torch.testing.assert_close(result, torch.tensor(expected).double(), rtol=1e-6, atol=1e-9)


def test_gradients_are_those_of_finite_differences():
    generator = torch.Generator().manual_seed(5)
    points = torch.rand(12, 18, generator=generator, dtype=torch.float64) * 10
    boxes = quadrilaterals(12, seed=6)
    _, gradient = convex_giou(points, boxes)
    step = 1e-6
    for k in range(18):
        up, down = points.clone(), points.clone()
        up[:, k] += step
        down[:, k] -= step
        slope = (convex_giou(up, boxes)[0] - convex_giou(down, boxes)[0]) / (2 * step)
        torch.testing.assert_close(gradient[:, k], slope, rtol=1e-5, atol=1e-8)


def test_numbers_that_compiled_mmcv_gives():
    points, boxes = torch.tensor([SET]), torch.tensor([SQUARE])
    assert convex_iou(points, boxes).item() == pytest.approx(0.4286, abs=1e-4)
    value, gradient = convex_giou(points, boxes)
    assert value.item() == pytest.approx(0.3831, abs=1e-4)
    expected = [-0.1848, -0.1848, 0, 0, 0, 0, 0, 0, -0.1076, -0.0801, -0.0801, -0.1076]
    expected += [-0.0367, -0.0734, -0.0734, -0.0367, 0, 0]
    torch.testing.assert_close(gradient[0], torch.tensor(expected), atol=1e-4, rtol=0)


def test_results_do_not_depend_on_how_many_pairs_are_looked_at_together(monkeypatch):
    points, boxes = sets(6, seed=7), quadrilaterals(5, seed=8)
    whole = convex_iou(points, boxes)
    monkeypatch.setattr(point_sets, "PAIRS_AT_ONCE", 4)
    assert torch.equal(convex_iou(points, boxes), whole)


def test_the_smallest_rectangle_holds_all_points_and_has_the_area_of_the_definition():
    points = sets(40, seed=9)
    result = min_area_polygons(points)
    for row, rectangle in zip(pairs_of(points), result.view(-1, 4, 2), strict=True):
        bottom_right, bottom_left, top_left, top_right = rectangle
        along, up = bottom_right - bottom_left, top_left - bottom_left
        torch.testing.assert_close(top_right, bottom_right + up)
        assert (along @ up).abs() <= 1e-9 * along.norm() * up.norm()
        assert along.norm() * up.norm() == pytest.approx(smallest_rectangle(row), rel=1e-9)
        _, size, _ = cv2.minAreaRect(torch.tensor(row).float().numpy())
        assert along.norm() * up.norm() == pytest.approx(size[0] * size[1], rel=1e-4)
        seen = torch.tensor(row, dtype=torch.float64) - bottom_left
        for axis in (along, up):
            part = seen @ axis / axis.square().sum()
            assert part.min() > -1e-9 and part.max() < 1 + 1e-9


def test_rectangles_that_compiled_mmcv_gives():
    points = torch.tensor(
        [[1.0, 1, 2, 2, 1, 2, 2, 1, 1, 3, 3, 1, 2, 3, 3, 2, 1.5, 1.5],
         [1.0, 1, 8, 8, 1, 2, 2, 1, 1, 3, 3, 1, 2, 3, 3, 2, 1.5, 1.5]]
    )  # fmt: skip
    expected = torch.tensor(
        [[3.0, 1, 1, 1, 1, 3, 3, 3], [8, 8, 2.3243, 0.0541, 0.0541, 1.6757, 5.7297, 9.6216]]
    )
    torch.testing.assert_close(min_area_polygons(points), expected, atol=1e-4, rtol=0)


def test_points_on_a_line_or_at_one_place_give_a_flat_rectangle():
    line = torch.arange(9.0)[None, :, None].repeat(1, 1, 2).flatten(1)
    expected = torch.tensor([[8.0, 8, 0, 0, 0, 0, 8, 8]])
    torch.testing.assert_close(min_area_polygons(line), expected, atol=1e-6, rtol=0)
    assert min_area_polygons(torch.full((1, 18), 3.0)).tolist() == [[3.0] * 8]
    assert min_area_polygons(torch.zeros(0, 18)).shape == (0, 8)
