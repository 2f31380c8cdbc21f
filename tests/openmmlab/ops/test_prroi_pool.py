"""Precise RoI pooling through mmcv.ops, against its definition and finite differences."""

import pytest
import torch
from literal_pooling import precise_region_of_interest_pool as literal
from mmcv.ops import PrRoIPool, prroi_pool

from resblock_backbones.openmmlab.ops.regions.prroi_pool import (
    prroi_pool_backward,
    prroi_pool_coor_backward,
    prroi_pool_forward,
)


def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 6, 8, generator=generator, dtype=torch.float64)


def regions() -> torch.Tensor:
    """One lies partly outside, one wholly, one has no extent, one is inverted."""
    return torch.tensor(
        [
            [0, 1.3, 0.4, 9.7, 8.9],
            [1, -3.2, -2.1, 6.4, 5.0],
            [1, 2, 4, 12, 8],
            [0, 40, 40, 50, 50],
            [0, 3, 3, 3, 9],
            [1, 9, 3, 2, 8],
        ],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("size", [(2, 2), (3, 5)])
@pytest.mark.parametrize("scale", [1.0, 0.6])
def test_it_is_the_mean_of_the_interpolated_map(size, scale):
    result = torch.empty(6, 3, *size, dtype=torch.float64)
    prroi_pool_forward(features(), regions(), result, *size, scale)
    expected = literal(features(), regions(), size, scale)
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-12)
    # MMCV's own function takes float32 alone.
    single = prroi_pool(features().float(), regions().float(), size, scale)
    torch.testing.assert_close(single.double(), expected, rtol=1e-4, atol=1e-5)


class Pool(torch.autograd.Function):
    """As MMCV's own, which refuses float64."""

    @staticmethod
    def forward(ctx, maps, boxes):
        output = maps.new_empty(len(boxes), 3, 3, 2)
        prroi_pool_forward(maps, boxes, output, 3, 2, 0.6)
        ctx.save_for_backward(maps, boxes, output)
        return output

    @staticmethod
    def backward(ctx, grad):
        maps, boxes, output = ctx.saved_tensors
        of_maps, of_boxes = torch.zeros_like(maps), torch.zeros_like(boxes)
        prroi_pool_backward(grad, boxes, of_maps, 3, 2, 0.6)
        prroi_pool_coor_backward(output, grad, maps, boxes, of_boxes, 3, 2, 0.6)
        return of_maps, of_boxes


def test_gradients_are_those_of_finite_differences():
    boxes = regions()[:4].requires_grad_()
    # The image's number is no coordinate: it is moved by a thousandth of nothing.
    assert torch.autograd.gradcheck(
        lambda maps, corners: Pool.apply(maps, torch.cat([boxes[:, :1].detach(), corners], 1)),
        (features().requires_grad_(), boxes.detach()[:, 1:].requires_grad_()),
    )


def test_the_numbers_that_compiled_mmcv_publishes():
    pixels = [[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]]
    maps = torch.tensor(pixels, dtype=torch.float32)[None, None].requires_grad_()
    box = torch.tensor([[0.0, 0, 0, 3, 3]], requires_grad=True)
    result = PrRoIPool((2, 2))(maps, box)
    torch.testing.assert_close(
        result.flatten(), torch.tensor([3.75, 6.9166665, 10.083333, 13.25]), rtol=1e-5, atol=0
    )
    result.sum().backward()
    ninth = torch.tensor([1.0, 2, 2, 1])
    torch.testing.assert_close(maps.grad[0, 0], ninth[:, None] * ninth / 9)
    expected = torch.tensor([[0, 3.3333333, 6.6666667, 3.3333333, 6.6666667]])
    torch.testing.assert_close(box.grad, expected, rtol=1e-5, atol=1e-5)


def test_many_regions_are_pooled_in_parts(monkeypatch):
    expected = prroi_pool(features().float(), regions().float(), (2, 2), 0.5)
    monkeypatch.setattr(
        "resblock_backbones.openmmlab.ops.regions.prroi_pool.NUMBERS_AT_ONCE", 3 * 2 * 8 * 2
    )
    assert torch.equal(prroi_pool(features().float(), regions().float(), (2, 2), 0.5), expected)


def test_no_regions_give_an_empty_output():
    assert prroi_pool(features().float(), torch.zeros(0, 5), (2, 2), 1.0).shape == (0, 3, 2, 2)
