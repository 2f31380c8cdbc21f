"""R3Det's feature alignment and S2A-Net's turned filters, against their definitions."""

import math

import pytest
import torch
from literal_formulas import read_bilinear
from literal_rotated import indices
from mmcv.ops import rotated_feature_align
from mmcv.ops.active_rotated_filter import active_rotated_filter


def maps(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 2, 4, 5, generator=generator, dtype=torch.float64)


def boxes() -> torch.Tensor:
    """(2, 4, 5, 5) centre y, centre x, width, height, angle, some outside of a map at 1/8 size."""
    generator = torch.Generator().manual_seed(1)
    box = torch.rand(2, 4, 5, 5, generator=generator, dtype=torch.float64)
    return box * torch.tensor([48, 56, 30, 30, 6]) - torch.tensor([8, 8, 0, 0, 3])


def aligned(features: torch.Tensor, box: torch.Tensor, scale: float, points: int) -> torch.Tensor:
    """Each pixel, and what lies at the centre of its box and at the box's four corners."""
    output = features.clone()
    for n, c, i, j in indices(*features.shape):
        y, x, width, height, angle = box[n, i, j].tolist()
        ways = [(0, 0)] if points == 1 else [(0, 0), (1, 1), (-1, 1), (-1, -1), (1, -1)]
        for right, down in ways:
            right, down = right * width / 2, down * height / 2
            at_x = x + right * math.cos(angle) - down * math.sin(angle)
            at_y = y + right * math.sin(angle) + down * math.cos(angle)
            output[n, c, i, j] += read_bilinear(features[n, c], at_y * scale, at_x * scale)
    return output


@pytest.mark.parametrize("points", [1, 5])
def test_it_follows_the_definition(points):
    result = rotated_feature_align(maps(), boxes(), 1 / 8, points)
    torch.testing.assert_close(result, aligned(maps(), boxes(), 1 / 8, points))


@pytest.mark.parametrize("points", [1, 5])
def test_gradients_are_those_of_finite_differences(points):
    assert torch.autograd.gradcheck(
        lambda features: rotated_feature_align(features, boxes(), 1 / 8, points),
        maps().requires_grad_(),
    )


def test_half_precision_is_the_rounded_float32_result():
    result = rotated_feature_align(maps().half(), boxes().float(), 1 / 8, 5)
    expected = rotated_feature_align(maps().half().float(), boxes().float(), 1 / 8, 5).half()
    assert torch.equal(result, expected)


def filters() -> tuple[torch.Tensor, torch.Tensor]:
    """A weight (2, 3, 2, 1, 2), and for each of three rotations a shuffle of 4 elements."""
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(2, 3, 2, 1, 2, generator=generator, dtype=torch.float64)
    shuffles = [torch.randperm(4, generator=generator) + 1 for _ in range(3)]
    return weight, torch.stack(shuffles, 1).view(2, 1, 2, 3).int()


def test_a_filter_is_turned_as_the_indices_say():
    weight, places = filters()
    result = active_rotated_filter(weight, places)
    assert result.shape == (2 * 3, 3 * 2, 1, 2)
    for o, i, element, rotation in indices(2, 3, 4, 3):
        place = places.view(4, 3)[element, rotation] - 1
        turned = result.view(2, 3, 3, 4)[o, rotation, i, place]
        assert turned == weight.view(2, 3, 4)[o, i, element]


def test_the_gradient_of_a_filter_is_that_of_finite_differences():
    weight, places = filters()
    assert torch.autograd.gradcheck(active_rotated_filter, (weight.requires_grad_(), places))
