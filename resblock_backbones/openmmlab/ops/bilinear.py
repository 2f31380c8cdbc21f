"""Bilinear interpolation of feature maps at real-valued points, as RoIAlign defines it.

A point more than one pixel outside of the feature map gives 0; a closer one gives the border's
value.  A feature map is stored as a list of pixels with all their channels, so that one index reads
all channels.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Corners(NamedTuple):
    """The four pixels around each point: rows in the (B*H*W, C) list of pixels, and weights."""

    rows: tuple[Tensor, Tensor, Tensor, Tensor]
    weights: tuple[Tensor, Tensor, Tensor, Tensor]


def corners(batch: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Corners:
    """Pixels and weights for points `y`, `x` of images `batch`; the three broadcast.

    Order: top left, top right, bottom left, bottom right.
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y = torch.where(inside, y, 0).clamp(0, height - 1)
    x = torch.where(inside, x, 0).clamp(0, width - 1)
    top, left = y.floor(), x.floor()
    down, right = y - top, x - left
    up, back = (1 - down) * inside, 1 - right
    down = down * inside

    first = batch * (height * width)
    top_row = first + top.long() * width
    bottom_row = first + (top.long() + 1).clamp(max=height - 1) * width
    left_column, right_column = left.long(), (left.long() + 1).clamp(max=width - 1)
    return Corners(
        (
            top_row + left_column,
            top_row + right_column,
            bottom_row + left_column,
            bottom_row + right_column,
        ),
        (up * back, up * right, down * back, down * right),
    )


def as_rows(maps: Tensor) -> Tensor:
    """(B, C, H, W) as a list of pixels (B*H*W, C)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def as_maps(rows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """The inverse of `as_rows`."""
    return rows.view(batch, height, width, rows.shape[1]).permute(0, 3, 1, 2)


def weighted_sums(pixels: Tensor, rows: Tensor, weights: Tensor, starts: Tensor) -> Tensor:
    """(N, C) sums of weighted pixels, without a copy of any pixel; differentiable.

    Args:
        pixels: (P, C).
        rows, weights: (K,) index and factor of each pixel, of all sums one after the other.
        starts: (N,) where each sum begins in `rows`.
    """
    return F.embedding_bag(rows, pixels, starts, mode="sum", per_sample_weights=weights)


def map_gradient(grad: Tensor, batch: Tensor, y: Tensor, x: Tensor, shape: torch.Size) -> Tensor:
    """Gradient of feature maps of `shape` (B, C, H, W), from that of points of one channel each.

    Args:
        grad, y, x: (R, C, *, *).
        batch: index of the feature map, of a shape that broadcasts with them.
    """
    count, channels, height, width = shape
    rows, weights = corners(batch, y, x, height, width)
    # Every channel has its own points, so the pixel list has to be one of (pixel, channel).
    channel = torch.arange(channels, device=grad.device)[:, None, None]
    pixels = grad.new_zeros(count * height * width * channels)
    for row, weight in zip(rows, weights, strict=True):
        pixels.index_add_(0, (row * channels + channel).flatten(), (grad * weight).flatten())
    return as_maps(pixels.view(-1, channels), count, height, width)
