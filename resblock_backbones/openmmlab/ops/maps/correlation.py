"""Correlation of two feature maps over a window of displacements (FlowNet, arXiv 1504.06852)."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from ..kernel import in_working_dtype


def correlation_forward(
    input1: Tensor,
    input2: Tensor,
    output: Tensor,
    kH: int,
    kW: int,
    patchH: int,
    patchW: int,
    padH: int,
    padW: int,
    dilationH: int,
    dilationW: int,
    dilation_patchH: int,
    dilation_patchW: int,
    dH: int,
    dW: int,
) -> None:
    """Fill `output` (B, patchH, patchW, oH, oW) with products of two maps (B, C, H, W).

    Entry i, j is the sum over channels and a window of `kH` x `kW` pixels, as of a convolution with
    stride, padding and dilation, of `input1` times `input2` that much further down and right.
    Beyond either map it is 0.

    Args:
        patchH, patchW: number of displacements, around none, in steps of `dilation_patchH` and
            `dilation_patchW` pixels.
        dH, dW: the stride.
    """
    first, second = in_working_dtype(input1, input2)
    patch, steps = (patchH, patchW), (dilation_patchH, dilation_patchW)
    ones = first.new_ones(1, 1, kH, kW)
    for place, here, there in overlaps(first.shape, patch, steps):
        products = torch.zeros_like(first[:, :1])
        products[here] = (first[here] * second[there]).sum(1, keepdim=True)
        sums = F.conv2d(products, ones, None, (dH, dW), (padH, padW), (dilationH, dilationW))
        output[:, place[0], place[1]] = sums[:, 0].to(output.dtype)


def correlation_backward(
    grad_output: Tensor,
    input1: Tensor,
    input2: Tensor,
    grad_input1: Tensor,
    grad_input2: Tensor,
    kH: int,
    kW: int,
    patchH: int,
    patchW: int,
    padH: int,
    padW: int,
    dilationH: int,
    dilationW: int,
    dilation_patchH: int,
    dilation_patchW: int,
    dH: int,
    dW: int,
) -> None:
    """Add the gradients of `correlation_forward` to `grad_input1` and `grad_input2`."""
    grad, first, second = in_working_dtype(grad_output, input1, input2)
    total1, total2 = torch.zeros_like(first), torch.zeros_like(second)
    ones = first.new_ones(1, 1, kH, kW)
    shape = (len(first), 1, *first.shape[2:])
    for place, here, there in overlaps(
        first.shape, (patchH, patchW), (dilation_patchH, dilation_patchW)
    ):
        of_products = conv2d_input(
            shape,
            ones,
            grad[:, place[0], place[1]][:, None],
            (dH, dW),
            (padH, padW),
            (dilationH, dilationW),
        )
        total1[here] += of_products[here] * second[there]
        total2[there] += of_products[here] * first[here]
    grad_input1.add_(total1)
    grad_input2.add_(total2)


Region = tuple[slice, slice, slice, slice]


def overlaps(
    shape: torch.Size, patch: tuple[int, int], steps: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], Region, Region]]:
    """Each displacement's place in the output, and the regions of both maps that meet."""
    ways = [
        [(i, step * i - step * (number - 1) // 2) for i in range(number)]
        for number, step in zip(patch, steps, strict=True)
    ]
    height, width = shape[2:]
    for i, down in ways[0]:
        for j, right in ways[1]:
            if abs(down) < height and abs(right) < width:
                rows, rows_moved = meeting(down, height)
                columns, columns_moved = meeting(right, width)
                here = (slice(None), slice(None), rows, columns)
                there = (slice(None), slice(None), rows_moved, columns_moved)
                yield (i, j), here, there


def meeting(move: int, size: int) -> tuple[slice, slice]:
    """Which of `size` places have another `move` further, and those others.

    >>> meeting(2, 5), meeting(-1, 5)
    ((slice(0, 3, None), slice(2, 5, None)), (slice(1, 5, None), slice(0, 4, None)))
    """
    first, last = max(0, -move), size - max(0, move)
    return slice(first, last), slice(first + move, last + move)
