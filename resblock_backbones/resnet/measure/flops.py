"""Floating-point operations of a forward pass, by PyTorch's counter."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

Model = TypeVar("Model", bound=nn.Module)


def flop_counter() -> FlopCounterMode:
    """PyTorch's counter, which also knows torchvision's deformable convolution.

    A multiply-add counts as two; norms, activations and pooling are not counted.

    Example:
        >>> conv = nn.Conv2d(3, 8, 1)
        >>> with flop_counter() as counter:
        ...     out = conv(torch.zeros(1, 3, 5, 5))
        >>> counter.get_total_flops() == 2 * 3 * 8 * 5 * 5
        True
    """
    formulas = {torch.ops.torchvision.deform_conv2d: _deform_conv_flops}
    return FlopCounterMode(display=False, custom_mapping=formulas)


def copy_to_meta(net: Model) -> Model:
    """A copy of ``net`` whose tensors have shapes and no memory.

    Example:
        >>> net = copy_to_meta(nn.Conv2d(3, 8, 1))
        >>> net.weight.device.type, net(torch.zeros(1, 3, 5, 5, device="meta")).shape
        ('meta', torch.Size([1, 8, 5, 5]))
    """
    memo: dict[int, Any] = {
        id(one): nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad)
        for one in net.parameters()
    }
    memo |= {id(one): torch.empty_like(one, device="meta") for one in net.buffers()}
    return copy.deepcopy(net, memo)


def _deform_conv_flops(
    x: Sequence[int], weight: Sequence[int], *args: Any, out_shape: Sequence[int], **kwargs: Any
) -> int:
    """As a convolution of the same sizes; the sampling between pixels is not counted."""
    batch, _, height, width = out_shape
    outputs, inputs, *kernel = weight
    return 2 * batch * height * width * outputs * inputs * kernel[0] * kernel[1]
