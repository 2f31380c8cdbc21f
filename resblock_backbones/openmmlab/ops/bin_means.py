"""Means over the points of each bin of regions, and their gradient."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from .bilinear import as_maps, as_rows, corners, weighted_sums
from .bin_points import BinPoints


class BinReads(NamedTuple):
    """What some regions read of feature maps.

    Attributes:
        part: indices of the regions.
        points: of their bins.
        rows, weights: (4 K,) the pixels around all points, for `weighted_sums`.
    """

    part: Tensor
    points: BinPoints
    rows: Tensor
    weights: Tensor


def bin_reads(
    part: Tensor, points: BinPoints, image: Tensor, y: Tensor, x: Tensor, shape: torch.Size
) -> BinReads:
    """What points at `y`, `x` (K,) of the images `image` read of maps of `shape` (B, C, H, W)."""
    rows, weights = (torch.stack(four, 1).flatten() for four in corners(image, y, x, *shape[2:]))
    return BinReads(part, points, rows, weights)


def bin_means(
    features: Tensor, reads: Iterable[BinReads], number: int, size: tuple[int, int]
) -> Tensor:
    """(number, C, *size) means over the points of each bin, of features (B, C, H, W).

    A bin without points gives 0.
    """
    pixels = as_rows(features)
    output = features.new_empty(number, features.shape[1], *size)
    for part, points, rows, weights in reads:
        sums = weighted_sums(pixels, rows, weights, points.starts * 4)
        output[part] = as_maps(sums / points.per_bin.clamp(min=1)[:, None], len(part), *size)
    return output


def bin_means_gradient(grad: Tensor, reads: Iterable[BinReads], shape: torch.Size) -> Tensor:
    """Gradient of feature maps of `shape` (B, C, H, W), from that of `bin_means`."""
    pixels = grad.new_zeros(shape[0] * shape[2] * shape[3], shape[1]).requires_grad_()
    total = torch.zeros_like(pixels)
    for part, points, rows, weights in reads:
        grad_bins = as_rows(grad[part]) / points.per_bin.clamp(min=1)[:, None]
        with torch.enable_grad():
            sums = weighted_sums(pixels, rows, weights, points.starts * 4)
        total += torch.autograd.grad(sums, pixels, grad_bins)[0]
    return as_maps(total, shape[0], *shape[2:])
