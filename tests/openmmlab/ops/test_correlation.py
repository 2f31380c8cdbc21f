"""Correlation through mmcv.ops, against its definition and finite differences."""

import pytest
import torch
from mmcv.ops import Correlation

SETTINGS = [
    {},
    {"max_displacement": 0},
    {"kernel_size": 3, "max_displacement": 2, "padding": 1},
    {"kernel_size": 2, "max_displacement": 1, "stride": 2, "padding": 2, "dilation": 2},
    {"max_displacement": 2, "dilation_patch": 3, "stride": 2},
    {"max_displacement": 4, "dilation_patch": 2},  # further than the maps are wide
]


def maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64)
    return first, torch.randn(2, 3, 6, 7, generator=generator, dtype=torch.float64)


def literal(first, second, layer):
    def at(plane, y, x):
        inside = 0 <= y < plane.shape[1] and 0 <= x < plane.shape[2]
        return plane[:, y, x] if inside else torch.zeros_like(plane[:, 0, 0])

    reach = layer.max_displacement
    window = layer.dilation * (layer.kernel_size - 1)
    height, width = (
        (size + 2 * layer.padding - window - 1) // layer.stride + 1 for size in first.shape[2:]
    )
    output = torch.zeros(len(first), 2 * reach + 1, 2 * reach + 1, height, width, dtype=first.dtype)
    for n, i, j, h, w in torch.cartesian_prod(*(torch.arange(size) for size in output.shape)):
        for a in range(layer.kernel_size):
            for b in range(layer.kernel_size):
                y = h * layer.stride - layer.padding + a * layer.dilation
                x = w * layer.stride - layer.padding + b * layer.dilation
                down, right = (int(k - reach) * layer.dilation_patch for k in (i, j))
                output[n, i, j, h, w] += at(first[n], y, x) @ at(second[n], y + down, x + right)
    return output


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_follows_the_definition(settings):
    layer = Correlation(**settings)
    torch.testing.assert_close(layer(*maps()), literal(*maps(), layer), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("settings", SETTINGS)
def test_gradients_are_those_of_finite_differences(settings):
    first, second = (one.requires_grad_() for one in maps())
    torch.autograd.gradcheck(Correlation(**settings), (first, second), fast_mode=True)


def test_the_numbers_that_compiled_mmcv_publishes():
    first = torch.tensor([[[[1.0, 2, 3], [0, 1, 2], [3, 5, 2]]]], requires_grad=True)
    second = torch.tensor([[[[1.0, 2, 3], [3, 1, 2], [8, 5, 2]]]], requires_grad=True)
    result = Correlation(max_displacement=0)(first, second)
    assert result[0, 0, 0].tolist() == [[1, 4, 9], [0, 1, 4], [24, 25, 4]]
    result.sum().backward()
    assert torch.equal(first.grad, second)
    assert torch.equal(second.grad, first)


def test_half_precision_is_the_rounded_float32_result():
    first, second = (one.half().requires_grad_() for one in maps())
    result = Correlation(kernel_size=3)(first, second)
    expected = Correlation(kernel_size=3)(first.detach().float(), second.detach().float())
    assert torch.equal(result, expected.half())
    result.sum().backward()
    assert first.grad.dtype == torch.float16
