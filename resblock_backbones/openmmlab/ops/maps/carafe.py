"""CARAFE (arXiv 1905.02188): upsampling with predicted weights for each output pixel.

An output pixel is a weighted embedding bag over the input pixels around it.
"""

import torch
from torch import Tensor

from ..bilinear import as_maps, as_rows, weighted_sums
from ..kernel import in_working_dtype


def carafe_naive_forward(
    features: Tensor,
    masks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Fill `output` (B, C, s H, s W) from `features` (B, C, H, W), with s = `scale_factor`.

    Args:
        masks: (B, group_size * kernel_size ** 2, s H, s W), the weights of the input pixels around
            each output pixel, row by row; the channels of a group share them.
    """
    features, masks = in_working_dtype(features, masks)
    output.copy_(reassemble(features, masks, kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    top_grad: Tensor,
    features: Tensor,
    masks: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """Add the gradients of `carafe_naive_forward` to `bottom_grad` and `mask_grad`."""
    leaves = features, masks = [
        tensor.detach().requires_grad_() for tensor in in_working_dtype(features, masks)
    ]
    with torch.enable_grad():
        output = reassemble(features, masks, kernel_size, group_size, scale_factor)
    of_features, of_masks = torch.autograd.grad(output, leaves, top_grad.to(output.dtype))
    bottom_grad.add_(of_features)
    mask_grad.add_(of_masks)


def carafe_forward(
    features: Tensor,
    masks: Tensor,
    rfeatures: Tensor,
    routput: Tensor,
    rmasks: Tensor,
    output: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As `carafe_naive_forward`.

    Args:
        rfeatures: filled with `features`, which MMCV does not hand to the backward.
        routput, rmasks: buffers of compiled MMCV; unused.
    """
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)
    rfeatures.copy_(features)


def carafe_backward(
    top_grad: Tensor,
    rfeatures: Tensor,
    masks: Tensor,
    rtop_grad: Tensor,
    rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor,
    rmask_grad: Tensor,
    bottom_grad: Tensor,
    mask_grad: Tensor,
    kernel_size: int,
    group_size: int,
    scale_factor: int,
) -> None:
    """As `carafe_naive_backward`; the other `r` tensors are buffers and unused."""
    carafe_naive_backward(
        top_grad, rfeatures, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor
    )


def reassemble(features: Tensor, masks: Tensor, kernel: int, groups: int, scale: int) -> Tensor:
    """`carafe_naive_forward` in one dtype; differentiable in `features` and `masks`."""
    batch, channels, height, width = features.shape
    device = features.device
    around = torch.arange(kernel, device=device) - kernel // 2
    row = (torch.arange(height * scale, device=device) // scale)[:, None] + around
    column = (torch.arange(width * scale, device=device) // scale)[:, None] + around
    row, column = row[:, None, :, None], column[None, :, None, :]
    exists = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    # (s H, s W, k, k), the same in each image; a group of an image counts as an image.
    place = torch.where(exists, row * width + column, 0).flatten(2)
    maps = torch.arange(batch * groups, device=device)[:, None, None, None]
    rows = maps * (height * width) + place
    # The input pixels of an output pixel last, as in `place`.
    weights = masks.view(batch * groups, kernel**2, height * scale, width * scale)
    weights = weights.permute(0, 2, 3, 1) * exists.flatten(2)
    grouped = features.view(batch * groups, channels // groups, height, width)
    starts = torch.arange(rows.numel() // kernel**2, device=device) * kernel**2
    sums = weighted_sums(as_rows(grouped), rows.flatten(), weights.flatten(), starts)
    upsampled = as_maps(sums, batch * groups, height * scale, width * scale)
    return upsampled.reshape(batch, channels, height * scale, width * scale)
