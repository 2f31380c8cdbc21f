"""How feature maps lie in memory: channel by channel, or with channels last."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from .layers.foldable import is_ordinary
from .layers.one_pass import is_cpu_type

ChannelsLast = bool | Literal["auto"]


def to_channels_last(x: Tensor) -> Tensor:
    """``x``, ``(N, C, H, W)``, with channels last in memory.

    Example:
        >>> to_channels_last(torch.zeros(1, 1, 4, 5)).stride()
        (20, 1, 5, 1)
    """
    if x.shape[1] == 1:  # lies both ways, and then counts as channels first
        return torch.empty_like(x, memory_format=torch.channels_last).copy_(x)
    return x.contiguous(memory_format=torch.channels_last)


def pays_off(x: Tensor) -> bool:
    """Whether convolutions of ``x`` are faster with channels last, as measured.

    On the CPU they are: oneDNN otherwise reorders the input and output of each. Elsewhere that
    depends on device and type. A compiler decides for itself, and a trace stays as it is written.

    Example:
        >>> pays_off(torch.zeros(1, 3, 4, 4)), pays_off(torch.zeros(1, 3, 4, 4).double())
        (True, False)
    """
    return is_ordinary(x) and not torch.compiler.is_compiling() and is_cpu_type(x)
