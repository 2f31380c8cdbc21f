"""Chamfer distance through mmcv.ops, against its definition and finite differences."""

import math

import torch
from mmcv.ops import chamfer_distance


def sets(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(2, count, 2, generator=generator, dtype=torch.float64).to(dtype)
        for count in (7, 5)
    )


def test_it_is_the_square_of_the_way_to_the_nearest_point():
    first, second = sets()
    ways = chamfer_distance(first, second)
    for points, others, squares, nearest in (
        (first, second, ways[0], ways[2]),
        (second, first, ways[1], ways[3]),
    ):
        for b in range(2):
            for i, point in enumerate(points[b].tolist()):
                distances = [math.dist(point, other) ** 2 for other in others[b].tolist()]
                torch.testing.assert_close(squares[b, i].item(), min(distances))
                assert nearest[b, i] == distances.index(min(distances))
    assert ways[2].dtype == torch.int32


def test_gradients_are_those_of_finite_differences():
    first, second = (points.requires_grad_() for points in sets())
    assert torch.autograd.gradcheck(lambda a, b: chamfer_distance(a, b)[:2], (first, second))


def test_points_far_away_lose_no_digits():
    first, second = sets(torch.float32)
    near = chamfer_distance(first.round(), second.round())[0]
    far = chamfer_distance(first.round() + 2**16, second.round() + 2**16)[0]
    assert torch.equal(near, far)


def test_half_precision_is_the_rounded_float32_result():
    first, second = sets(torch.float16)
    result = chamfer_distance(first.requires_grad_(), second)
    expected = chamfer_distance(first.detach().float(), second.float())[0].half()
    assert torch.equal(result[0], expected)
    result[0].sum().backward()
    assert first.grad.dtype == torch.float16
