"""Temporal interlacing (arXiv 2001.06499): groups of channels moved along the frames of a clip."""

import torch
from torch import Tensor


def tin_shift_forward(input: Tensor, shift: Tensor, output: Tensor) -> None:
    """Fill `output` (B, T, C, P) with `input`, each group of channels moved along T.

    Args:
        shift: (B, G) whole frames by which the G groups of C / G channels move; what leaves the
            clip is lost, and 0 comes in.
    """
    output.copy_(moved(input, shift))


def tin_shift_backward(grad_output: Tensor, shift: Tensor, grad_input: Tensor) -> None:
    """Fill `grad_input` with `grad_output` moved by `shift`, as compiled MMCV does.

    That is the direction of the forward pass, not the other one, which the derivative has: the
    numbers that MMCV's tests publish, and what networks were trained with.
    """
    grad_input.copy_(moved(grad_output, shift))


def moved(values: Tensor, shift: Tensor) -> Tensor:
    """`values` (B, T, C, P), of which frame t comes from frame t - shift, 0 if there is none."""
    frames, channels = values.shape[1:3]
    by_channel = shift.long().repeat_interleave(channels // shift.shape[1], dim=1)  # (B, C)
    frame = torch.arange(frames, device=values.device)[None, :, None] - by_channel[:, None]
    exists = (frame >= 0) & (frame < frames)  # (B, T, C)
    taken = values.gather(1, frame.clamp(0, frames - 1)[..., None].expand_as(values))
    return taken * exists[..., None]
