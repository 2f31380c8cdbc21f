"""Pooling to a fixed grid: of regions on several levels, and of whole maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchvision
from torch import Tensor, nn


def pool_regions(
    maps: Sequence[Tensor],
    regions: Tensor,
    level: Tensor,
    *,
    size: tuple[int, int],
    scales: Sequence[float],
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """RoIAlign of each region on its level, ``(R, C, *size)``.

    Every level is pooled for every region, and all but one are left out again. On the others the
    region has no extent, which costs little where samples are taken by extent.

    Args:
        maps: of each level ``(N, C, H, W)``.
        regions: ``(R, 5)``: image, x1, y1, x2, y2 in pixels of the image.
        level: ``(R,)``.
        size: of the grid.
        scales: of each level; a map's pixels per pixel of the image.
        sampling_ratio, aligned: as of ``torchvision.ops.roi_align``.
    """
    pooled: Tensor | None = None
    for number, (features, scale) in enumerate(zip(maps, scales, strict=True)):
        here = level == number
        boxes = torch.cat((regions[:, :1], regions[:, 1:] * here[:, None]), 1)
        one = torchvision.ops.roi_align(features, boxes, size, scale, sampling_ratio, aligned)
        pooled = one if pooled is None else torch.where(here[:, None, None, None], one, pooled)
    assert pooled is not None
    return pooled


def with_image_numbers(boxes: Tensor) -> Tensor:
    """Boxes ``(N, K, 4)`` as regions ``(N K, 5)``."""
    numbers = torch.arange(boxes.shape[0], device=boxes.device, dtype=boxes.dtype)
    numbers = numbers[:, None, None].expand(-1, boxes.shape[1], 1)
    return torch.cat((numbers, boxes), 2).flatten(0, 1)


class AdaptivePool(nn.Module):
    """``nn.AdaptiveAvgPool2d`` as two matrix products, which leaves height and width free.

    ONNX pools to a fixed grid only where the size is known when the file is written.

    Args:
        size: of the grid; None keeps that side.

    Example:
        >>> x = torch.rand(1, 2, 7, 9)
        >>> expected = nn.AdaptiveAvgPool2d((3, 2))(x)
        >>> torch.allclose(AdaptivePool((3, 2))(x), expected, atol=1e-6)
        True
    """

    def __init__(self, size: tuple[int | None, int | None]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.size
        if height is not None:  # (bins, H) @ (N, C, H, W)
            x = torch.matmul(_shares(height, x.shape[2], x), x)
        if width is not None:  # (N, C, bins, W) @ (W, bins)
            x = torch.matmul(x, _shares(width, x.shape[3], x).t())
        return x


def _shares(bins: int, length: int, like: Tensor) -> Tensor:
    """(bins, length): what each pixel counts in each bin; bins reach over whole pixels."""
    pixel = torch.arange(length, device=like.device)
    number = torch.arange(bins, device=like.device)[:, None]
    first, end = number * length // bins, ((number + 1) * length + bins - 1) // bins
    inside = (pixel >= first) & (pixel < end)
    return inside.to(like.dtype) / (end - first).to(like.dtype)


def free_pooling(model: nn.Module) -> nn.Module:
    """Put an :class:`AdaptivePool` in the place of every adaptive pooling in ``model``."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child).forward is nn.AdaptiveAvgPool2d.forward:
                size: Any = child.output_size
                pair = (size, size) if isinstance(size, int) else tuple(size)
                if pair != (1, 1):
                    setattr(parent, name, AdaptivePool(pair))
    return model
