"""MMCV's deformable convolutions in a form that exporters support."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

#: MMCV's layers by name, and whether they are modulated; MMCV need not be installed here.
PACKS = {"DeformConv2dPack": False, "ModulatedDeformConv2dPack": True}


class PlainDeformConv(nn.Module):
    """The deformable convolution of ``(N, C_in, H, W)`` by torchvision's operator alone.

    MMCV's layers call an autograd function in Python, which cannot be traced and which fixes batch
    and size in an exported program.

    Args:
        pack: MMCV's ``DeformConv2dPack`` (arXiv 1703.06211) or ``ModulatedDeformConv2dPack`` (arXiv
            1811.11168); its weights are shared.
    """

    def __init__(self, pack: Any) -> None:
        super().__init__()
        self.modulated = PACKS[type(pack).__name__]
        self.geometry = tuple(_pair(size) for size in (pack.stride, pack.padding, pack.dilation))
        self.conv_offset: nn.Conv2d = pack.conv_offset
        self.weight: nn.Parameter = pack.weight
        self.bias: nn.Parameter | None = getattr(pack, "bias", None)

    def forward(self, x: Tensor) -> Tensor:
        offset, mask = self.conv_offset(x), None
        if self.modulated:
            first, second, mask = offset.chunk(3, dim=1)
            offset, mask = torch.cat((first, second), dim=1), mask.sigmoid()
        return deform_conv2d(x, offset, self.weight, self.bias, *self.geometry, mask)


def make_exportable(net: nn.Module) -> nn.Module:
    """Put a :class:`PlainDeformConv` in the place of each of MMCV's in ``net``; returns ``net``.

    Example:
        >>> make_exportable(nn.Sequential(nn.Conv2d(3, 8, 1)))
        Sequential(
          (0): Conv2d(3, 8, kernel_size=(1, 1), stride=(1, 1))
        )
    """
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child).__name__ in PACKS:
                setattr(parent, name, PlainDeformConv(child))
    return net


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
