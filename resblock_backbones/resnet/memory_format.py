"""How feature maps lie in memory: channel by channel, or with channels last."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from ..layers.folding.foldable import is_eager_batch
from ..layers.folding.one_pass import is_cpu_type

ChannelsLast = bool | Literal["auto"]
Model = TypeVar("Model", bound=nn.Module)


def to_channels_last(x: Tensor) -> Tensor:
    """``x``, ``(N, C, H, W)``, with channels last in memory.

    Example:
        >>> to_channels_last(torch.zeros(1, 1, 4, 5)).stride()
        (20, 1, 5, 1)
    """
    if x.shape[1] == 1:  # lies both ways, and then counts as channels first
        return torch.empty_like(x, memory_format=torch.channels_last).copy_(x)
    return x.contiguous(memory_format=torch.channels_last)


def weights_to_channels_last(net: Model) -> Model:
    """Let the weights of ``net`` lie with channels last, those of torch's own layers; returns it.

    A layer with a ``forward`` of its own may read its weight in the order of its axes: MMCV's
    ``ConvWS`` and ``ConvAWS`` do, and fail on any other.

    Example:
        >>> conv = weights_to_channels_last(nn.Conv2d(3, 8, 3))
        >>> conv.weight.is_contiguous(memory_format=torch.channels_last)
        True
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and type(module).forward is nn.Conv2d.forward:
            module.weight.data = to_channels_last(module.weight.data)
    return net


def pays_off(x: Tensor, net: nn.Module) -> bool:
    """Whether the convolutions of ``net`` are faster with channels last, as measured.

    On the CPU they are for large batches of large maps: oneDNN otherwise reorders the input and
    output of each. But then weights that lie channel by channel are reordered, those of 1x1 kernels
    apart, once more for the gradient. Elsewhere it depends on device and type. A compiler decides
    for itself, and a trace stays as it is written.

    Example:
        >>> net = nn.Conv2d(3, 8, 3)
        >>> pays_off(torch.zeros(1, 3, 8, 8), net), pays_off(torch.zeros(1, 3, 2, 2), net)
        (True, False)
    """
    if not (is_eager_batch(x) and not torch.compiler.is_compiling() and is_cpu_type(x)):
        return False
    kernels = [parameter for parameter in net.parameters() if parameter.dim() == 4]
    reordered = sum(
        kernel.numel()
        for kernel in kernels
        if not kernel.is_contiguous(memory_format=torch.channels_last)
    )
    # The maps of a ResNet grow as pixels and channels of the stem do. With ResNet-18 and 50, whole
    # and of half width, dilated and not, both took the same time at 0.3, in training at 0.6 to 1.
    maps = x.shape[0] * x.shape[2] * x.shape[3] * kernels[0].shape[0]
    return maps >= reordered * (1 if torch.is_grad_enabled() else 0.4)
