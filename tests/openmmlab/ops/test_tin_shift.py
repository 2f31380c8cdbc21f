"""Temporal interlacing through mmcv.ops, against its definition."""

import pytest
import torch
from mmcv.ops import TINShift, tin_shift


def clip(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Two clips of four frames of eight channels of three pixels."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 8, 3, generator=generator, dtype=torch.float64).to(dtype)


SHIFT = torch.tensor([[1, 0, 1, -2], [-2, 1, -1, 9]], dtype=torch.int32)


def literal(values, shift):
    moved = torch.zeros_like(values)
    for n in range(2):
        for t in range(4):
            for c in range(8):
                to = t + int(shift[n, c // 2])
                if 0 <= to < 4:
                    moved[n, to, c] = values[n, t, c]
    return moved


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
def test_groups_of_channels_are_moved_along_the_frames(dtype):
    assert torch.equal(TINShift()(clip(dtype), SHIFT), literal(clip(dtype), SHIFT))


def test_its_gradient_is_that_of_compiled_mmcv_which_moves_it_the_same_way():
    values = clip().requires_grad_()
    weights = torch.arange(values.numel(), dtype=torch.float64).view_as(values)
    tin_shift(values, SHIFT).backward(weights)
    assert torch.equal(values.grad, literal(weights, SHIFT))
    # MMCV's tests publish that of the sum: of the first group of the first clip, moved by 1,
    # frame 0 has none, where the derivative of what leaves the clip, frame 3, is 0.
    values.grad = None
    tin_shift(values, SHIFT).sum().backward()
    assert values.grad[0, :, 0, 0].tolist() == [0, 1, 1, 1]
