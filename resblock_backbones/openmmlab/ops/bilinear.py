"""Bilinear reading of feature maps at real-valued points, as RoIAlign defines it.

A point more than one pixel outside the map reads 0; one closer than that reads the border.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Corners(NamedTuple):
    """The four pixels around each point: rows in the (B*H*W, C) list of pixels, and weights."""

    rows: tuple[Tensor, Tensor, Tensor, Tensor]
    weights: tuple[Tensor, Tensor, Tensor, Tensor]


def corners(batch: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Corners:
    """Pixels and weights for points `y`, `x` of pictures `batch`; the three broadcast.

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
    """(B, C, H, W) as a list of pixels (B*H*W, C), so that one index reads all channels."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def as_maps(rows: Tensor, batch: int, height: int, width: int) -> Tensor:
    """The inverse of `as_rows`."""
    return rows.view(batch, height, width, -1).permute(0, 3, 1, 2)
