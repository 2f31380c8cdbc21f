"""Parts of a model in half precision, between float32 on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

#: Norms that scale and shift each channel by fixed numbers in eval mode.
FIXED = (nn.BatchNorm2d, nn.SyncBatchNorm, FrozenBatchNorm2d)


class ChannelScale(nn.Module):
    """A batch norm in eval mode as a factor and a summand for each channel.

    The variances that it holds may be too large for half precision, what follows from them is not.

    Args:
        norm: the norm, with running statistics.

    Shape:
        ``(N, C, H, W)`` -> the same.

    Example:
        >>> norm, x = nn.BatchNorm2d(2).eval(), torch.rand(1, 2, 3, 3)
        >>> torch.allclose(ChannelScale(norm)(x), norm(x))
        True
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: Any) -> None:
        super().__init__()
        mean, scale = norm.running_mean.double(), (norm.running_var.double() + norm.eps).rsqrt()
        if norm.weight is not None:
            scale = scale * norm.weight.double()
        shift = -mean * scale
        if norm.bias is not None:
            shift = shift + norm.bias.double()
        self.register_buffer("scale", scale.detach().float()[:, None, None])
        self.register_buffer("shift", shift.detach().float()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


class Half(nn.Module):
    """A part that computes in float16, and takes and gives float32.

    Args:
        part: is changed: its weights become float16.

    Shape:
        As of ``part``; tensors in tuples, lists and mappings are converted too.

    Example:
        >>> half = Half(nn.Conv2d(3, 4, 1))
        >>> half(torch.rand(1, 3, 2, 2)).dtype, half.part.weight.dtype
        (torch.float32, torch.float16)
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        for parent in list(part.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, FIXED) and child.running_mean is not None:
                    setattr(parent, name, ChannelScale(child))
        self.part = part.half()

    def forward(self, *given: Any) -> Any:
        return _as(self.part(*_as(given, torch.float16)), torch.float32)


def halved(part: nn.Module, fp16: bool) -> nn.Module:
    """The part itself, or in half precision."""
    return Half(part) if fp16 else part


def _as(values: Any, dtype: torch.dtype) -> Any:
    if isinstance(values, Tensor):
        return values.to(dtype) if values.is_floating_point() else values
    if isinstance(values, Mapping):
        return {name: _as(value, dtype) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return tuple(_as(value, dtype) for value in values)
    return values
