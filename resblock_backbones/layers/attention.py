"""Channel attention: one weight per channel, computed from the channels' global means."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..options.checks import check_int, check_number
from .registry import LayerCfg, build, parse_cfg


def squeezed_channels(channels: int, ratio: float, divisor: int) -> int:
    """Channels of the hidden layer of squeeze and excitation.

    >>> squeezed_channels(64, 1 / 16, 8), squeezed_channels(256, 1 / 4, 8)
    (8, 64)
    """
    check_number("ratio", ratio, 0, 1, low_open=True)
    wanted = channels * ratio
    hidden = max(divisor, int(wanted + divisor / 2) // divisor * divisor)
    return hidden + divisor if hidden < 0.9 * wanted else hidden


def eca_kernel_size(channels: int) -> int:
    """Kernel size of efficient channel attention (arXiv 1910.03151, equation 12).

    >>> eca_kernel_size(64), eca_kernel_size(2048)
    (3, 7)
    """
    nearly = int(abs(math.log2(channels) + 1) / 2)
    return max(nearly if nearly % 2 else nearly + 1, 3)


class SqueezeExcitation(nn.Module):
    """Squeeze and excitation (arXiv 1709.01507) of ``(N, C, H, W)``.

    Each channel is multiplied by a weight that two linear layers compute from all channels' means.

    Args:
        channels: C.
        ratio: the hidden layer has ``ratio * C`` channels, rounded to a multiple of ``divisor``.
        divisor: see ``ratio``.

    Example:
        >>> SqueezeExcitation(256).fc1
        Conv2d(256, 16, kernel_size=(1, 1), stride=(1, 1))
    """

    def __init__(self, channels: int, *, ratio: float = 1 / 16, divisor: int = 8) -> None:
        super().__init__()
        hidden = squeezed_channels(channels, ratio, divisor)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.act = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = x.mean((2, 3), keepdim=True)  # (N, C, H, W) -> (N, C, 1, 1)
        weight = self.act(self.fc1(weight))  # (N, hidden, 1, 1)
        weight = self.fc2(weight)  # (N, C, 1, 1)
        return x * torch.sigmoid(weight)


class EfficientChannelAttention(nn.Module):
    """Efficient channel attention (arXiv 1910.03151) of ``(N, C, H, W)``.

    Each channel is multiplied by a weight that a 1-D convolution computes from the means of the
    neighbouring channels. Without ``kernel_size`` its size follows from C, as in the paper.

    Example:
        >>> EfficientChannelAttention(256).conv.kernel_size
        (5,)
    """

    def __init__(self, channels: int, *, kernel_size: int | None = None) -> None:
        super().__init__()
        kernel_size = eca_kernel_size(channels) if kernel_size is None else kernel_size
        check_int("kernel_size", kernel_size)
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = x.mean((2, 3)).unsqueeze(1)  # (N, C, H, W) -> (N, 1, C)
        weight = self.conv(weight).sigmoid()  # (N, 1, C)
        return x * weight.transpose(1, 2).unsqueeze(-1)  # (N, C, H, W) * (N, C, 1, 1)


ATTENTIONS: dict[str, type[nn.Module]] = {
    "SE": SqueezeExcitation,
    "ECA": EfficientChannelAttention,
}


def build_attention(cfg: LayerCfg, channels: int) -> nn.Module:
    """Channel attention by name (``'SE'``, ``'ECA'``), dict or class.

    Raises:
        ValueError: unknown attention, or an invalid value of one of its arguments.
        TypeError: the attention does not take such an argument.
    """
    attention_type, arguments = parse_cfg("attention", cfg, ATTENTIONS)
    return build("attention", attention_type, channels, **arguments)
