"""Deformable attention through mmcv.ops, against its definition and MMCV's own PyTorch version."""

import pytest
import torch
from literal_formulas import read_with_zeros_around
from mmcv.ops import multi_scale_deform_attn
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttention,
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)

SHAPES = torch.tensor([[4, 6], [3, 2], [1, 1]])
STARTS = torch.tensor([0, 24, 30])


def tensors(dtype: torch.dtype = torch.float64, batch: int = 2, queries: int = 3):
    """Values of 3 levels, 2 heads and 4 channels; locations of which some are outside; weights."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)

    values = draw(batch, 31, 2, 4)
    locations = draw(batch, queries, 2, 3, 2, 2) * 1.6 - 0.3
    return values, locations, draw(batch, queries, 2, 3, 2)


def attention(values, locations, weights, im2col_step=64):
    return MultiScaleDeformableAttnFunction.apply(
        values, SHAPES, STARTS, locations, weights, im2col_step
    )


def literal(values, locations, weights):
    """The sum of weight times value at the point, over the levels and points of a head."""
    batch, queries, heads, levels, points, _ = locations.shape
    output = torch.zeros(batch, queries, heads, values.shape[-1], dtype=torch.float64)
    for level in range(levels):
        height, width = SHAPES[level].tolist()
        start = int(STARTS[level])
        maps = values[:, start : start + height * width].unflatten(1, (height, width))
        for b, q, h, p in torch.cartesian_prod(
            *(torch.arange(n) for n in (batch, queries, heads, points))
        ).tolist():
            x, y = locations[b, q, h, level, p].tolist()
            for c in range(values.shape[-1]):
                read = read_with_zeros_around(
                    maps[b, :, :, h, c], y * height - 0.5, x * width - 0.5
                )
                output[b, q, h, c] += weights[b, q, h, level, p] * read
    return output.flatten(2)


def test_it_follows_the_definition():
    torch.testing.assert_close(attention(*tensors()), literal(*tensors()))


def test_it_is_mmcvs_pytorch_version_forward_and_backward():
    ours, theirs = ([leaf.requires_grad_() for leaf in tensors()] for _ in range(2))
    result = attention(*ours)
    expected = multi_scale_deformable_attn_pytorch(theirs[0], SHAPES, *theirs[1:])
    torch.testing.assert_close(result, expected)
    shade = torch.randn_like(result)
    (result * shade).sum().backward()
    (expected * shade).sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_gradients_are_those_of_finite_differences():
    leaves = [leaf.requires_grad_() for leaf in tensors()]
    torch.autograd.gradcheck(attention, leaves)


def test_a_point_on_the_frame_outside_a_level_has_no_gradient():
    """At -1 exactly compiled MMCV no longer looks."""
    values, locations, weights = tensors(batch=1, queries=1)
    frame = torch.tensor([-0.5 / 6, 0.5])  # x = -1 of the first level
    locations[..., 0, 0, :] = frame
    leaf = locations.requires_grad_()
    attention(values, leaf, weights).sum().backward()
    assert not leaf.grad[..., 0, 0, :].any()
    assert leaf.grad[..., 0, 1, :].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_rounded_float32_result(dtype):
    narrow = [leaf.requires_grad_() for leaf in tensors(dtype)]
    wide = [leaf.detach().float().requires_grad_() for leaf in narrow]
    result, expected = attention(*narrow), attention(*wide)
    assert torch.equal(result, expected.to(dtype))
    result.sum().backward()
    expected.sum().backward()
    for mine, full in zip(narrow, wide, strict=True):
        torch.testing.assert_close(mine.grad, full.grad.to(dtype))


def test_locations_and_weights_may_differ_from_the_values_in_dtype():
    values, locations, weights = tensors(torch.float32)
    result = attention(values.half(), locations, weights)
    assert result.dtype == torch.float16


def test_the_module_runs_as_it_does_on_a_gpu(monkeypatch):
    """The module calls the operator for CUDA tensors only; here the test does."""
    torch.manual_seed(0)
    module = MultiScaleDeformableAttention(8, 2, 3, 2, dropout=0, batch_first=True)
    query, value = torch.randn(2, 3, 8), torch.randn(2, 31, 8)
    points = torch.rand(2, 3, 3, 2)
    arguments = {
        "value": value,
        "reference_points": points,
        "spatial_shapes": SHAPES,
        "level_start_index": STARTS,
    }
    expected = module(query, **arguments)
    monkeypatch.setattr(
        multi_scale_deform_attn,
        "multi_scale_deformable_attn_pytorch",
        lambda value, shapes, locations, weights: attention(value, locations, weights),
    )
    torch.testing.assert_close(module(query, **arguments), expected)


@pytest.mark.parametrize(("batch", "queries"), [(0, 3), (2, 0)])
def test_no_images_and_no_queries_give_an_empty_output(batch, queries):
    leaves = [leaf.requires_grad_() for leaf in tensors(batch=batch, queries=queries)]
    result = attention(*leaves)
    assert result.shape == (batch, queries, 8)
    result.sum().backward()
    assert not any(leaf.grad.any() for leaf in leaves)
