"""torchvision's kernel of deformable convolution, with MMCV's rules where the two differ.

A point one pixel or more outside of the feature map gives 0; a closer one gives a part of the
border's value.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..kernel import in_working_dtype

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """Settings of a deformable convolution; pairs are (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int
    deformable_groups: int


class Gradients(NamedTuple):
    """In the order in which torchvision returns them."""

    input: Tensor
    weight: Tensor
    offset: Tensor
    mask: Tensor
    bias: Tensor


def convolve(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    geometry: Geometry,
    *,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """Forward of torchvision's kernel; without `mask` every point counts fully."""
    use_mask = mask is not None
    mask = input.new_empty(len(input), 0) if mask is None else mask
    bias = weight.new_zeros(len(weight)) if bias is None else bias
    input, weight, offset, mask, bias = in_working_dtype(input, weight, offset, mask, bias)
    return torch.ops.torchvision.deform_conv2d(
        input,
        weight,
        offset,
        mask,
        bias,
        *geometry.stride,
        *geometry.padding,
        *geometry.dilation,
        geometry.groups,
        geometry.deformable_groups,
        use_mask,
    )


def convolve_backward(
    grad_output: Tensor,
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    geometry: Geometry,
    *,
    mask: Tensor | None = None,
) -> Gradients:
    """Backward of torchvision's kernel, and MMCV's rule for points exactly one pixel outside."""
    use_mask = mask is not None
    mask = input.new_empty(len(input), 0) if mask is None else mask
    grad_output, input, weight, offset, mask = in_working_dtype(
        grad_output, input, weight, offset, mask
    )
    gradients = Gradients(
        *torch.ops.torchvision._deform_conv2d_backward(
            grad_output,
            input,
            weight,
            offset,
            mask,
            weight.new_zeros(len(weight)),
            *geometry.stride,
            *geometry.padding,
            *geometry.dilation,
            geometry.groups,
            geometry.deformable_groups,
            use_mask,
        )
    )
    # There the value is 0 on one side and grows on the other.  torchvision returns the gradient of
    # the inner side, MMCV 0; it matters since offsets start at 0, which puts padding on the frame.
    rows = (len(offset), geometry.deformable_groups, -1, 2, *offset.shape[2:])
    on_frame = points_on_frame(offset.view(rows), geometry)
    gradients.offset.view(rows).masked_fill_(on_frame[:, :, :, None], 0)
    return gradients


def points_on_frame(offset: Tensor, geometry: Geometry) -> Tensor:
    """Whether a point of `offset` (B, G, kernel points, 2, H', W') lies at y = -1 or x = -1."""
    height, width = offset.shape[-2:]
    tap_y, tap_x, out_y, out_x = (
        torch.arange(count, device=offset.device) for count in (*geometry.kernel, height, width)
    )
    tap_y, tap_x = torch.meshgrid(tap_y, tap_x, indexing="ij")
    (stride_y, stride_x), (pad_y, pad_x) = geometry.stride, geometry.padding
    y = tap_y.reshape(-1, 1, 1) * geometry.dilation[0] + out_y[:, None] * stride_y - pad_y
    x = tap_x.reshape(-1, 1, 1) * geometry.dilation[1] + out_x * stride_x - pad_x
    return (offset[:, :, :, 0] + y == -1) | (offset[:, :, :, 1] + x == -1)
