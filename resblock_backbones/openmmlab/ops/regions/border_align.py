"""BorderAlign (BorderDet, arXiv 2007.11056): the maximum along each side of a box."""

import torch
from torch import Tensor

from ..bilinear import as_rows, corners, map_gradient, weighted_sums
from ..kernel import in_working_dtype


def border_align_forward(
    input: Tensor, boxes: Tensor, output: Tensor, argmax_idx: Tensor, pool_size: int
) -> None:
    """Fill `output` (B, C, N, 4) from `input` (B, 4 C, H, W).

    The last dimension of `output`, and the four parts of the channels of `input`, are the top,
    left, bottom and right sides.

    Args:
        boxes: (B, N, 4) as x1, y1, x2, y2, in pixels of `input`.
        argmax_idx: int32, shape of `output`, filled with the number of the largest point of
            `pool_size` + 1, the first of equals.
    """
    features, boxes = in_working_dtype(input, boxes)
    batch, channels, number, _ = output.shape
    height, width = features.shape[2:]
    pixels = as_rows(features.view(batch * 4, channels, height, width))
    x, y, step_x, step_y = sides(boxes, pool_size)
    starts = torch.arange(x.numel(), device=x.device) * 4
    best = features.new_full((x.numel(), channels), -torch.inf)
    place = torch.zeros_like(best, dtype=torch.int32)
    for k in range(pool_size + 1):
        found = corners(side_maps(batch, x.device), y, x, height, width)
        rows, weights = (torch.stack(four, -1).flatten() for four in found)
        value = weighted_sums(pixels, rows, weights, starts)
        better = value > best
        best = torch.where(better, value, best)
        place.masked_fill_(better, k)
        # By repeated addition rather than k times the step, to match MMCV's points bit by bit.
        x, y = x + step_x, y + step_y
    for filled, values in ((output, best), (argmax_idx, place)):
        filled.copy_(values.view(batch, number, 4, channels).permute(0, 3, 1, 2))


def border_align_backward(
    grad_output: Tensor, boxes: Tensor, argmax_idx: Tensor, grad_input: Tensor, pool_size: int
) -> None:
    """Add the gradient of `border_align_forward` to `grad_input` (B, 4 C, H, W)."""
    grad, boxes = in_working_dtype(grad_output, boxes)
    batch, channels = grad.shape[:2]
    x, y, step_x, step_y = (side[:, None] for side in sides(boxes, pool_size))
    shape = torch.Size((batch * 4, channels, *grad_input.shape[2:]))
    maps = side_maps(batch, grad.device)[:, None]
    found = map_gradient(grad, maps, y + step_y * argmax_idx, x + step_x * argmax_idx, shape)
    grad_input.add_(found.reshape(grad_input.shape))


def sides(boxes: Tensor, pool_size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y of the first point of each side and the step from point to point: (B, N, 4) each.

    Top and left side start at x1, y1, bottom and right side at x2, y2.
    """
    x1, y1, x2, y2 = boxes.unbind(-1)
    across, down = (x2 - x1) / pool_size, (y2 - y1) / pool_size
    still = torch.zeros_like(x1)
    return (
        torch.stack([x1, x1, x2, x2], -1),
        torch.stack([y1, y1, y2, y2], -1),
        torch.stack([across, still, -across, still], -1),
        torch.stack([still, down, still, -down], -1),
    )


def side_maps(batch: int, device: torch.device) -> Tensor:
    """(B, 1, 4) index of the feature map of each side of each image, if sides count as images."""
    return torch.arange(batch * 4, device=device).view(batch, 1, 4)
