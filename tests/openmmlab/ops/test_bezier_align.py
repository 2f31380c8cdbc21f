"""BezierAlign through mmcv.ops, against its definition and finite differences."""

import pytest
import torch
from literal_pooling import bezier_align as literal
from mmcv.ops import BezierAlign, bezier_align


def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 9, 12, generator=generator, dtype=torch.float64)


def curves() -> torch.Tensor:
    """An arc, one that leaves the map, and one of no height."""
    return torch.tensor(
        [
            [0, 2, 6, 6, 1, 14, 1, 18, 6, 18, 12, 14, 8, 6, 8, 2, 12],
            [1, -4, 3, 5, 9, 20, 2, 30, 4, 30, 9, 20, 7, 5, 14, -4, 8],
            [1, 3, 4, 6, 4, 9, 4, 12, 4, 12, 4, 9, 4, 6, 4, 3, 4],
        ],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_it_follows_the_definition(sampling_ratio, aligned):
    result = bezier_align(features(), curves(), (3, 5), 0.5, sampling_ratio, aligned)
    expected = literal(features(), curves(), (3, 5), 0.5, sampling_ratio, aligned)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_gradients_are_those_of_finite_differences(sampling_ratio):
    layer = BezierAlign((3, 5), 0.5, sampling_ratio)
    torch.autograd.gradcheck(
        lambda maps: layer(maps, curves()), features().requires_grad_(), fast_mode=True
    )


def test_the_numbers_that_compiled_mmcv_publishes():
    pixels = [[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]
    maps = torch.tensor(pixels, dtype=torch.float64)[None, None].requires_grad_()
    straight = [[0, 0, 0, 1, 0, 2, 0, 3, 0, 3, 3, 2, 3, 1, 3, 0, 3]]
    result = bezier_align(maps, torch.tensor(straight).double(), (4, 4), 1.0, 1, False)
    expected = [
        [1, 1.75, 3.5, 5.25],
        [2.5, 3.25, 5, 6.75],
        [6, 6.75, 8.5, 10.25],
        [9.5, 10.25, 12, 13.75],
    ]
    assert result[0, 0].tolist() == expected
    result.sum().backward()
    outer = torch.tensor([1.25, 1.25, 1.25, 0.25]).double()
    assert torch.equal(maps.grad[0, 0], outer[:, None] * outer)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(dtype):
    maps, regions = features().to(dtype).requires_grad_(), curves().to(dtype)
    result = bezier_align(maps, regions, (3, 5), 0.5, 2)
    expected = bezier_align(maps.detach().float(), regions.float(), (3, 5), 0.5, 2).to(dtype)
    assert torch.equal(result, expected)
    result.sum().backward()
    assert maps.grad.dtype == dtype
