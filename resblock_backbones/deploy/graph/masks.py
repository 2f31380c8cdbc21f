"""Small masks of objects, laid where the objects are."""

from __future__ import annotations

import torch
from torch import Tensor


def paste(masks: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """Masks ``(R, h, w)`` stretched over boxes ``(R, 4)``, in an image: ``(R, height, width)``.

    Bilinear, zero outside, as ``grid_sample`` does it for MMDetection and Detectron2. Boxes are
    upright, so that it is a matrix product for each direction.

    Example:
        >>> paste(torch.ones(1, 2, 2), torch.tensor([[1.0, 0.0, 3.0, 2.0]]), 2, 4)[0, 0]
        tensor([0., 1., 1., 0.])
    """
    x1, y1, x2, y2 = boxes.unbind(1)
    down = _weights(_steps(height, boxes), y1, y2, masks.shape[1])
    across = _weights(_steps(width, boxes), x1, x2, masks.shape[2])
    # (R, height, h) @ (R, h, w) @ (R, w, width)
    return down @ masks @ across.transpose(1, 2)


def paste_whole_pixels(masks: Tensor, boxes: Tensor, height: int, width: int) -> Tensor:
    """As torchvision does it: a border of zeros, boxes on whole pixels, edges repeated.

    Args:
        masks: ``(R, h, h)``.
        boxes: ``(R, 4)``.
        height, width: of the image.
    """
    side = masks.shape[1] + 2
    masks = torch.nn.functional.pad(masks, (1, 1, 1, 1))
    x1, y1, x2, y2 = boxes.unbind(1)
    grown = []
    for first, last in ((y1, y2), (x1, x2)):
        middle, half = (last + first) * 0.5, (last - first) * 0.5 * (side / (side - 2))
        grown.append(((middle - half).trunc(), (middle + half).trunc()))
    parts = []
    for length, (first, last) in zip((height, width), grown, strict=True):
        pixels = _steps(length, boxes)[None]
        inside = (pixels >= first[:, None]) & (pixels <= last[:, None])
        extent = (last - first + 1).clamp(min=1)[:, None]
        place = (pixels - first[:, None] + 0.5) * side / extent - 0.5
        parts.append(_hats(place.clamp(0, side - 1), side) * inside[:, :, None])
    return parts[0] @ masks @ parts[1].transpose(1, 2)


def _steps(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, device=like.device).to(like.dtype)


def _weights(pixels: Tensor, first: Tensor, last: Tensor, cells: int) -> Tensor:
    """(R, length, cells): what each cell of a mask counts at each pixel."""
    extent = (last - first)[:, None]
    extent = torch.where(extent == 0, torch.ones_like(extent), extent)
    place = (pixels[None] + 0.5 - first[:, None]) / extent * cells - 0.5
    return _hats(place, cells)


def _hats(place: Tensor, cells: int) -> Tensor:
    """Linear interpolation at ``place`` ``(R, L)`` between ``cells`` values: ``(R, L, cells)``."""
    return (1 - (place[:, :, None] - _steps(cells, place)).abs()).clamp(min=0)
