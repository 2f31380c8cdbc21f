"""Memory format of feature maps: contiguous or channels last."""

from __future__ import annotations

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from ..layers.folding.foldable import is_eager_batch
from ..layers.folding.one_pass import is_cpu_type

ChannelsLast = bool | Literal["auto"]
Model = TypeVar("Model", bound=nn.Module)


def to_channels_last(x: Tensor) -> Tensor:
    """``x``, ``(N, C, H, W)``, in channels_last format.

    Example:
        >>> to_channels_last(torch.zeros(1, 1, 4, 5)).stride()
        (20, 1, 5, 1)
    """
    # One channel has both formats, and PyTorch then takes it for contiguous. A trace has no sizes.
    if isinstance(x, Tensor) and x.shape[1] == 1:
        return torch.empty_like(x, memory_format=torch.channels_last).copy_(x)
    return x.contiguous(memory_format=torch.channels_last)


def weights_to_channels_last(net: Model) -> Model:
    """Convert the weights of torch's own layers in ``net`` to channels_last, and return ``net``.

    Other layers may require contiguous weights, as MMCV's ``ConvWS`` and ``ConvAWS`` do.

    Example:
        >>> conv = weights_to_channels_last(nn.Conv2d(3, 8, 3))
        >>> conv.weight.is_contiguous(memory_format=torch.channels_last)
        True
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and type(module).forward is nn.Conv2d.forward:
            module.weight.data = to_channels_last(module.weight.data)
    return net


def channels_last_helps(x: Tensor, net: nn.Module) -> bool:
    """Whether the convolutions of ``net`` are faster with channels last for an input ``x``.

    On the CPU they are with large inputs, since oneDNN otherwise reorders the input and output of
    each convolution. In turn contiguous weights are reordered, except for 1x1 kernels, and once
    more for the gradient. On other devices it depends on device and dtype: False. Also False when
    compiling or tracing: the compiler chooses formats itself; and if ``x`` is not contiguous.

    Example:
        >>> net = nn.Conv2d(3, 8, 3)
        >>> [channels_last_helps(torch.zeros(1, 3, side, side), net) for side in (8, 2)]
        [True, False]
    """
    if not (
        is_eager_batch(x)
        and x.is_contiguous()
        and not torch.compiler.is_compiling()
        and is_cpu_type(x)
    ):
        return False
    kernels = [parameter for parameter in net.parameters() if parameter.dim() == 4]
    reordered = sum(
        kernel.numel()
        for kernel in kernels
        if not kernel.is_contiguous(memory_format=torch.channels_last)
    )
    # The size of all feature maps is proportional to the pixels and the channels of the stem. With
    # ResNet-18 and 50, of full and half width, dilated and not, both formats took the same time at
    # a ratio of 0.3, in training at 0.6 to 1.
    maps = x.shape[0] * x.shape[2] * x.shape[3] * kernels[0].shape[0]
    return maps >= reordered * (1 if torch.is_grad_enabled() else 0.4)
