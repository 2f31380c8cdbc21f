"""Anti-aliased downsampling."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BlurPool(nn.Module):
    """Blur ``(N, C, H, W)`` with a binomial filter, then take every ``stride``-th pixel.

    Source: arXiv 1904.11486 (reflected borders, 3 taps).

    Args:
        channels: C.
        stride: step, in pixels.
        kernel_size: taps of the filter.

    Example:
        >>> tuple(BlurPool(4)(torch.zeros(1, 4, 9, 8)).shape)
        (1, 4, 5, 4)
    """

    kernel: Tensor

    def __init__(self, channels: int, stride: int = 2, kernel_size: int = 3) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride
        self.padding = (stride - 1 + kernel_size - 1) // 2
        taps = torch.ones(1, dtype=torch.float64)
        for _ in range(kernel_size - 1):
            taps = F.pad(taps, (0, 1)) + F.pad(taps, (1, 0))
        kernel = torch.outer(taps, taps) / taps.sum() ** 2
        # Derived from the options alone, so it has no place in a checkpoint.
        self.register_buffer("kernel", kernel.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (self.padding,) * 4, mode="reflect")
        kernel = self.kernel.to(x.dtype).expand(self.channels, 1, -1, -1)
        return F.conv2d(x, kernel, stride=self.stride, groups=self.channels)
