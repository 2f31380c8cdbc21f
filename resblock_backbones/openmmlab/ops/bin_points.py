"""The points that a RoI operator reads: a grid in each bin of each region, chunk by chunk."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

# Points that are computed together: about 300 MiB of indices and weights.
POINTS_AT_ONCE = 2**21


class BinPoints(NamedTuple):
    """The points of all bins of some regions, bin after bin."""

    region: Tensor  # (K,) int64, index of the region
    place: Tensor  # (K, 2) as x, y
    bin: Tensor  # (K,) which bin of which region, as one number
    starts: Tensor  # (bins,) the first point of each bin
    per_bin: Tensor  # (bins,) how many


def bin_points(
    bin_start: Tensor, step: Tensor, number: Tensor
) -> Iterator[tuple[Tensor, BinPoints]]:
    """Indices of regions and their points.

    Args:
        bin_start: (R, h, w, 2) corner of each bin, as x, y.
        step: (R, 2) size of the bins of each region, as x, y.
        number: (R, 2) int64 points per bin along x and y; a bin with 0 of them has no points.
    """
    height, width = bin_start.shape[1:3]
    most = max(1, int(number.prod(1).max()) * height * width) if len(number) else 1
    for part in torch.arange(len(number), device=number.device).split(POINTS_AT_ONCE // most + 1):
        per_bin = number[part].prod(1).repeat_interleave(height * width)
        starts = per_bin.cumsum(0) - per_bin
        bin = torch.repeat_interleave(per_bin)
        region = part[bin // (height * width)]
        k = torch.arange(len(bin), device=bin.device) - starts[bin]
        k = torch.stack([k % number[region, 0], k // number[region, 0]], 1)
        inside = (k + 0.5) * step[region] / number[region]
        place = bin_start[part].reshape(-1, 2)[bin] + inside
        yield part, BinPoints(region, place, bin, starts, per_bin)


def bin_corners(size: tuple[int, int], step: Tensor) -> Tensor:
    """(R, h, w, 2) corner of each bin of a region from its first, as x, y, for steps (R, 2)."""
    height, width = size
    bin_x, bin_y = torch.meshgrid(
        *(torch.arange(n).to(step) for n in (width, height)), indexing="xy"
    )
    return torch.stack([bin_x, bin_y], -1) * step[:, None, None]


def points_per_bin(step: Tensor, sampling_ratio: int) -> Tensor:
    """(R, 2) int64 points along x and y of bins of size `step` (R, 2), in pixels of the map.

    Args:
        sampling_ratio: how many; 0 takes about one per pixel.
    """
    number = step.ceil() if sampling_ratio <= 0 else torch.full_like(step, sampling_ratio)
    # None in a region that is not a number or endless, as in torchvision's RoIAlign.
    return number.nan_to_num(0, posinf=0, neginf=0).clamp(min=0).long()
