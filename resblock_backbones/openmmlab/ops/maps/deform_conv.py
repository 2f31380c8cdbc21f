"""Deformable convolution (arXiv 1703.06211) and its modulated form (arXiv 1811.11168)."""

import weakref
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .deform_conv_kernel import Geometry, convolve, convolve_backward

# Attribute of the buffer that MMCV passes to both backward operators of the plain form.
WEIGHT_GRADIENT = "gradient_of_deform_conv_weight"


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
        columns, ones, im2col_step: buffers of compiled MMCV; unused.
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
    # with the same buffer: leave it there rather than compute everything twice.
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
        bias: (O,), used if `with_bias`.
        mask: (B, deformable_group * kernel_h * kernel_w, H', W').

    `offset` and `mask` may be larger than (H', W'): see `leading_numbers`.
    """
    geometry = Geometry(
        (kernel_h, kernel_w),
        (stride_h, stride_w),
        (pad_h, pad_w),
        (dilation_h, dilation_w),
        group,
        deformable_group,
    )
    size = output.shape[2:]
    offset, mask = leading_numbers(offset, size), leading_numbers(mask, size)
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
    size = grad_output.shape[2:]
    offset, mask = leading_numbers(offset, size), leading_numbers(mask, size)
    gradients = convolve_backward(grad_output, input, weight, offset, geometry, mask=mask)
    grad_input.add_(gradients.input)
    grad_weight.add_(gradients.weight)
    add_to_leading_numbers(grad_offset, gradients.offset)
    add_to_leading_numbers(grad_mask, gradients.mask)
    if with_bias:
        grad_bias.add_(gradients.bias)


def leading_numbers(values: Tensor, size: Sequence[int]) -> Tensor:
    """`values` (B, C, H, W) read as (B, C, *size): of each image as many numbers as needed.

    Compiled MMCV reads offsets and masks this way, whatever their height and width are. DyHead
    (arXiv 2106.08322) passes those of a feature map of twice the size, and its weights rely on it.

    Raises:
        ValueError: there are too few numbers; compiled MMCV would read beyond their end.
    """
    if values.shape[2:] == size:
        return values
    count = values.shape[1] * size[0] * size[1]
    if values[:1].numel() < count:
        raise ValueError(
            f"offset or mask of {values.shape[2]}x{values.shape[3]}: the deformable convolution's "
            f"output has {size[0]}x{size[1]} points, each with its own"
        )
    return values.flatten(1)[:, :count].reshape(len(values), values.shape[1], *size)


def add_to_leading_numbers(total: Tensor, values: Tensor) -> None:
    """Add `values` to the numbers of `total` that `leading_numbers` reads in its place."""
    if total.shape != values.shape:
        values = values.flatten(1)
        unread = total.flatten(1).shape[1] - values.shape[1]
        values = F.pad(values, (0, unread)).view(total.shape)
    total.add_(values)
