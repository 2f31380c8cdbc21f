"""MMCV's differentiable IoU of rotated boxes on this project's order of corners."""

import math

import pytest
import torch
from literal_overlaps import rotated_common_over
from mmcv.ops import diff_iou_rotated_2d, diff_iou_rotated_3d


def boxes(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    box = torch.rand(1, 60, 5, generator=generator, dtype=torch.float64) * 4 + 0.5
    return box - torch.tensor([0, 0, 0, 0, 2])


def expected_of(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    rows = zip(first[0].tolist(), second[0].tolist(), strict=True)
    return torch.tensor([[rotated_common_over(a, b) for a, b in rows]], dtype=torch.float64)


def test_it_is_the_overlap():
    first, second = boxes(0), boxes(1)
    torch.testing.assert_close(
        diff_iou_rotated_2d(first, second), expected_of(first, second), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_corners_and_sides_that_coincide(dtype):
    unit = [0.5, 0.5, 1, 1, 0]
    others = [unit, [0.5, 0.5, 1, 1, math.pi / 2], [0.5, 0.5, 1, 1, math.pi / 4], [1, 1, 1, 1, 0]]
    others += [
        [1.5, 1.5, 1, 1, 0],
        [1, 0.5, 2, 1, 0],
        [0.5, 0.25, 1, 0.5, 0],
        [0.75, 0.75, 0.5, 0.5, 0],
    ]
    first = torch.tensor([[unit] * len(others)], dtype=dtype)
    result = diff_iou_rotated_2d(first, torch.tensor([others], dtype=dtype))
    expected = [[1, 1, math.sqrt(2) - 1, 1 / 7, 0, 0.5, 0.5, 0.25]]
    expected[0][2] = 2 * (math.sqrt(2) - 1) / (2 - 2 * (math.sqrt(2) - 1))  # an octagon
    torch.testing.assert_close(result, torch.tensor(expected, dtype=dtype), atol=1e-5, rtol=0)


def test_boxes_apart_and_one_inside_the_other():
    first = torch.tensor([[[0.0, 0, 4, 4, 0.3], [0, 0, 1, 1, 0.3]]])
    second = torch.tensor([[[0.1, 0.2, 1, 2, 1.0], [9, 9, 1, 1, 0]]])
    torch.testing.assert_close(diff_iou_rotated_2d(first, second), torch.tensor([[2 / 16, 0]]))


def test_gradients_are_those_of_finite_differences():
    first, second = boxes(2)[:, :10].requires_grad_(), boxes(3)[:, :10].requires_grad_()
    # MMCV adds 1e-8 to the denominator of each crossing, and rounds its masks to float32.
    assert torch.autograd.gradcheck(diff_iou_rotated_2d, (first, second), atol=1e-4, rtol=1e-3)


def test_the_overlap_of_boxes_in_space():
    first = torch.tensor([[[0.5, 0.5, 0.5, 1, 1, 1, 0]] * 3])
    second = [
        [0.5, 0.5, 0.5, 1, 1, 1, 0],
        [0.5, 0.5, 0.5, 1, 1, 2, math.pi / 2],
        [1, 1, 1, 1, 1, 1, 0],
    ]
    result = diff_iou_rotated_3d(first, torch.tensor([second]))
    torch.testing.assert_close(result, torch.tensor([[1, 0.5, 1 / 15]]), atol=1e-5, rtol=0)
