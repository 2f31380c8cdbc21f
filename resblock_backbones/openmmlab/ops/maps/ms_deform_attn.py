"""Multi-scale deformable attention (Deformable DETR, arXiv 2010.04159).

The output of a query and head is a weighted sum of pixels: four around each of its points, on every
level.  All of them are computed as one weighted embedding bag, whose embeddings are the pixels.
"""

import torch
from torch import Tensor

from ..bilinear import weighted_sums
from ..kernel import in_working_dtype


def ms_deform_attn_forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """(B, Q, heads * D) attended values.

    Args:
        value: (B, S, heads, D), the pixels of all levels one after the other.
        value_spatial_shapes: (levels, 2) int64 height and width.
        value_level_start_index: (levels,) int64 where a level begins among the S pixels.
        sampling_locations: (B, Q, heads, levels, points, 2) as x, y; 0 and 1 are the outer edges of
            a level.  A pixel outside reads 0.
        attention_weights: (B, Q, heads, levels, points).
        im2col_step: images that compiled MMCV computes at once; unused.
    """
    values, locations, attention = in_working_dtype(value, sampling_locations, attention_weights)
    attended = attend(values, locations, attention, value_spatial_shapes, value_level_start_index)
    return attended.to(value.dtype)


def ms_deform_attn_backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    """Add the gradients of `ms_deform_attn_forward` to the three `grad_` tensors."""
    leaves = values, locations, attention = [
        tensor.detach().requires_grad_()
        for tensor in in_working_dtype(value, sampling_locations, attention_weights)
    ]
    with torch.enable_grad():
        attended = attend(
            values, locations, attention, value_spatial_shapes, value_level_start_index
        )
    gradients = torch.autograd.grad(attended, leaves, grad_output.to(attended.dtype))
    for filled, gradient in zip(
        (grad_value, grad_sampling_loc, grad_attn_weight), gradients, strict=True
    ):
        filled.add_(gradient)


def attend(
    value: Tensor, locations: Tensor, attention: Tensor, shapes: Tensor, level_starts: Tensor
) -> Tensor:
    """`ms_deform_attn_forward` in one dtype; differentiable in the first three."""
    batch, pixels, heads, channels = value.shape
    queries = locations.shape[1]
    height, width = shapes.to(value.device)[:, :, None].unbind(1)
    x = locations[..., 0] * width - 0.5
    y = locations[..., 1] * height - 0.5
    # Exactly one pixel outside of a level the gradient is 0, as in MMCV.
    attention = attention * ((x > -1) & (x < width) & (y > -1) & (y < height))
    left, top = x.detach().floor(), y.detach().floor()
    right_part, lower_part = x - left, y - top

    image = torch.arange(batch, device=value.device)[:, None, None, None, None] * pixels
    level = image + level_starts.to(value.device)[:, None]
    head = torch.arange(heads, device=value.device)[:, None, None]
    rows, weights = [], []
    for row, row_part in ((top.long(), 1 - lower_part), (top.long() + 1, lower_part)):
        for column, column_part in ((left.long(), 1 - right_part), (left.long() + 1, right_part)):
            exists = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = (level + row * width + column) * heads + head
            rows.append(torch.where(exists, place, 0))
            weights.append(row_part * column_part * attention * exists)
    starts = torch.arange(batch * queries * heads, device=value.device)
    attended = weighted_sums(
        value.reshape(-1, channels),
        torch.stack(rows, -1).flatten(),
        torch.stack(weights, -1).flatten(),
        starts * (4 * shapes.shape[0] * attention.shape[-1]),
    )
    return attended.view(batch, queries, heads * channels)
