"""From an image as it is read to what the network was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Preparation(nn.Module):
    """Channel order, normalisation, padding.

    Args:
        mean, std: of the channels in the network's order, in 0 to 255.
        reverse: whether the network takes BGR.
        divisor: height and width are padded to multiples of it, right and below.
        pad_value: what is padded with, after the normalisation.

    Shape:
        ``(N, 3, H, W)``, RGB, 0 to 255, uint8 or float -> ``(N, 3, H', W')``, float32.

    Example:
        >>> prepare = Preparation((0.0, 0.0, 0.0), (255.0, 255.0, 255.0), divisor=32)
        >>> tuple(prepare(torch.zeros(1, 3, 33, 20, dtype=torch.uint8)).shape)
        (1, 3, 64, 32)
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        reverse: bool = False,
        divisor: int = 1,
        pad_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(list(mean), dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(list(std), dtype=torch.float32)[:, None, None])
        self.reverse, self.divisor, self.pad_value = reverse, divisor, pad_value

    def forward(self, images: Tensor) -> Tensor:
        x = images.to(self.mean.dtype)
        if self.reverse:
            x = torch.cat((x[:, 2:3], x[:, 1:2], x[:, 0:1]), 1)
        x = (x - self.mean) / self.std
        if self.divisor > 1:
            below, right = -x.shape[2] % self.divisor, -x.shape[3] % self.divisor
            x = F.pad(x, (0, right, 0, below), value=self.pad_value)
        return x
