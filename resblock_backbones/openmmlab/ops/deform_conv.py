"""Deformable convolution (arXiv 1703.06211) and its modulated form (arXiv 1811.11168).

Both run on torchvision's kernel.  A point on or beyond the frame of pixels just outside the map
reads 0; one between that frame and the border reads a part of the border.
"""

import weakref
from typing import NamedTuple

import torch
from torch import Tensor

from .kernel import in_working_dtype

Pair = tuple[int, int]

# Attribute of the scratch tensor that both backward operators of the plain form are given.
WEIGHT_GRADIENT = "gradient_of_deform_conv_weight"


class Geometry(NamedTuple):
    """What a deformable convolution is told beside its tensors; pairs are (height, width)."""

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


def deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Fill `output` (B, O, H', W') from `input` (B, C, H, W) and `weight` (O, C / group, kH, kW).

    Args:
        offset: (B, deformable_group * kH * kW * 2, H', W'), in pixels, y before x.
        columns, ones, im2col_step: scratch space of compiled MMCV; not used.
    """
    geometry = Geometry(
        (kH, kW), (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group
    )
    output.copy_(convolve(input, weight, offset, geometry))


def deform_conv_backward_input(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradInput: Tensor,
    gradOffset: Tensor,
    weight: Tensor,
    columns: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    im2col_step: int,
) -> None:
    """Add the gradients of `deform_conv_forward` to `gradInput` and `gradOffset`."""
    geometry = Geometry(
        (kH, kW), (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group
    )
    gradients = convolve_backward(gradOutput, input, weight, offset, geometry)
    gradInput.add_(gradients.input)
    gradOffset.add_(gradients.offset)
    # torchvision computes all gradients at once, and MMCV asks for that of the weight right after
    # with the same scratch tensor: leave it there rather than compute everything twice.
    setattr(columns, WEIGHT_GRADIENT, (weakref.ref(gradOutput), gradients.weight))


def deform_conv_backward_parameters(
    input: Tensor,
    offset: Tensor,
    gradOutput: Tensor,
    gradWeight: Tensor,
    columns: Tensor,
    ones: Tensor,
    kW: int,
    kH: int,
    dW: int,
    dH: int,
    padW: int,
    padH: int,
    dilationW: int,
    dilationH: int,
    group: int,
    deformable_group: int,
    scale: float,
    im2col_step: int,
) -> None:
    """Add `scale` times the gradient of `deform_conv_forward` to `gradWeight`."""
    left_for, gradient = columns.__dict__.pop(WEIGHT_GRADIENT, (None, None))
    # Not if it is that of an earlier backward through the same graph.
    if gradient is None or left_for() is not gradOutput:
        geometry = Geometry(
            (kH, kW), (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group
        )
        # The gradient of the weight does not depend on its value.
        weight = torch.zeros_like(gradWeight)
        gradient = convolve_backward(gradOutput, input, weight, offset, geometry).weight
    gradWeight.add_(gradient, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """As `deform_conv_forward`, each point weighted by `mask`.

    Args:
        bias: (O,), looked at if `with_bias`.
        mask: (B, deformable_group * kernel_h * kernel_w, H', W').
    """
    geometry = Geometry(
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )
    output.copy_(
        convolve(input, weight, offset, geometry, mask=mask, bias=bias if with_bias else None)
    )


def modulated_deform_conv_backward(
    input: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    grad_output: Tensor,
    kernel_h: int,
    kernel_w: int,
    stride_h: int,
    stride_w: int,
    pad_h: int,
    pad_w: int,
    dilation_h: int,
    dilation_w: int,
    group: int,
    deformable_group: int,
    with_bias: bool,
) -> None:
    """Add the gradients of `modulated_deform_conv_forward` to the five `grad_` tensors."""
    geometry = Geometry(
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )
    gradients = convolve_backward(grad_output, input, weight, offset, geometry, mask=mask)
    grad_input.add_(gradients.input)
    grad_weight.add_(gradients.weight)
    grad_offset.add_(gradients.offset)
    grad_mask.add_(gradients.mask)
    if with_bias:
        grad_bias.add_(gradients.bias)


def convolve(
    input: Tensor,
    weight: Tensor,
    offset: Tensor,
    geometry: Geometry,
    *,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """torchvision's forward; without `mask` every point counts fully."""
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
    """torchvision's backward, and MMCV's rule for points exactly on the frame."""
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
    # There the value is 0 on one side and grows on the other.  torchvision gives the slope of the
    # inner side, MMCV none; it matters because offsets start at 0, with padding on the frame.
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
