"""BorderAlign through mmcv.ops, against its definition and finite differences."""

import pytest
import torch
from literal_pooling import border_align as literal
from mmcv.ops import BorderAlign, border_align


def features(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 8, 7, 9, generator=generator, dtype=torch.float64).to(dtype)


def boxes(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Some stick out of the map, one is outside, one has no extent."""
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(2, 6, 2, generator=generator, dtype=torch.float64) * 8 - 2
    size = torch.rand(2, 6, 2, generator=generator, dtype=torch.float64) * 7
    corner[0, 0] = 20
    size[1, 0] = 0
    return torch.cat([corner, corner + size], -1).to(dtype)


@pytest.mark.parametrize("pool_size", [1, 3, 10])
def test_it_follows_the_definition(pool_size):
    result = border_align(features(), boxes(), pool_size)
    expected = literal(features(), boxes(), pool_size)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("pool_size", [1, 4])
def test_gradients_are_those_of_finite_differences(pool_size):
    torch.autograd.gradcheck(
        lambda maps: border_align(maps, boxes(), pool_size),
        features().requires_grad_(),
        fast_mode=True,
    )


def test_of_equal_points_the_first_gets_the_gradient():
    maps = torch.zeros(1, 4, 5, 5, requires_grad=True)
    border_align(maps, torch.tensor([[[1.0, 1, 3, 3]]]), 2).sum().backward()
    rows = [plane.nonzero().tolist() for plane in maps.grad[0]]
    assert rows == [[[1, 1]], [[1, 1]], [[3, 3]], [[3, 3]]]  # top, left, bottom, right


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(dtype):
    maps = features(dtype).requires_grad_()
    result = border_align(maps, boxes(dtype), 4)
    expected = border_align(maps.detach().float(), boxes(dtype).float(), 4).to(dtype)
    assert torch.equal(result, expected)
    result.sum().backward()
    assert maps.grad.dtype == dtype


def test_no_boxes_give_an_empty_output_and_a_zero_gradient():
    maps = features(torch.float32).requires_grad_()
    result = BorderAlign(3)(maps, torch.zeros(2, 0, 4))
    assert result.shape == (2, 2, 0, 4)
    result.sum().backward()
    assert not maps.grad.any()
