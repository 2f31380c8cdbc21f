"""Anti-aliased downsampling."""

# Annotations stay objects, which TorchScript reads: no `from __future__ import annotations`.
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..options.checks import check_choice, check_int

#: How a block subsamples: plainly, blurred before (True or "blur"), or by averaging.
AntiAlias = bool | Literal["blur", "average"]


class BlurPool(nn.Module):
    """Blur ``(N, C, H, W)`` with a binomial filter, then take every ``stride``-th pixel.

    Source: arXiv 1904.11486 (reflected borders, 3 taps).

    Args:
        channels: C.
        stride: step, in pixels.
        kernel_size: size of the filter, in pixels; odd.

    Example:
        >>> tuple(BlurPool(4)(torch.zeros(1, 4, 9, 8)).shape)
        (1, 4, 5, 4)
    """

    kernel: Tensor

    def __init__(self, channels: int, stride: int = 2, kernel_size: int = 3) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride
        self.padding = kernel_size // 2  # with odd kernels the size is ceil(H / stride)
        # Follows from the options, so it is not saved in checkpoints.
        kernel = binomial_filter(kernel_size).to(torch.get_default_dtype())
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # (N, C, H, W) -> (N, C, H + 2 * padding, W + 2 * padding)
        x = pad_reflected(x, self.padding)
        kernel = self.kernel.to(x.dtype).expand(self.channels, 1, -1, -1)
        # -> (N, C, ceil(H / stride), ceil(W / stride))
        return F.conv2d(x, kernel, stride=self.stride, groups=self.channels)


def binomial_filter(kernel_size: int) -> Tensor:
    """The weights of the blur, ``(kernel_size, kernel_size)`` in float64; their sum is 1.

    >>> binomial_filter(3) * 16
    tensor([[1., 2., 1.],
            [2., 4., 2.],
            [1., 2., 1.]], dtype=torch.float64)
    """
    # On the CPU even if the network is built on the meta device.
    taps = torch.ones(1, dtype=torch.float64, device="cpu")
    for _ in range(kernel_size - 1):
        taps = F.pad(taps, (0, 1)) + F.pad(taps, (1, 0))
    return torch.outer(taps, taps) / taps.sum() ** 2


@torch.fx.wrap  # one node of a symbolic trace, since the mode depends on the size
def pad_reflected(x: Tensor, padding: int) -> Tensor:
    """Pad ``(N, C, H, W)`` on all sides by reflection.

    Example:
        >>> pad_reflected(torch.tensor([[[[1.0, 2.0]]]]), 1)
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """
    # The reflection of a single pixel is that pixel.
    mode = "reflect" if x.shape[-2] > padding and x.shape[-1] > padding else "replicate"
    return F.pad(x, [padding, padding, padding, padding], mode=mode)


def average_down(stride: int) -> nn.Module:
    """Average pooling over ``stride x stride`` pixels of ``(N, C, H, W)``, rounding sizes up.

    A window that crosses the border averages the pixels inside.

    Example:
        >>> tuple(average_down(2)(torch.zeros(1, 4, 9, 8)).shape)
        (1, 4, 5, 4)
    """
    if stride == 1:
        return nn.Identity()  # so that the layers after it have the same indices
    return nn.AvgPool2d(stride, stride=stride, ceil_mode=True, count_include_pad=False)


def build_anti_alias(anti_alias: AntiAlias, channels: int, stride: int) -> nn.Module | None:
    """Build the layer that downsamples after a convolution, in place of the convolution's stride.

    Args:
        anti_alias: True or ``'blur'``: blur first (arXiv 1904.11486). ``'average'``: the mean of
            ``stride x stride`` pixels. False: nothing.
        channels: of the layer's output.
        stride: of the layer, in pixels.

    Returns:
        None if the convolution keeps its stride, or if the stride is 1.

    Raises:
        ValueError: ``anti_alias`` has another value.

    Example:
        >>> build_anti_alias("average", 8, 2).stride, build_anti_alias(True, 8, 1)
        (2, None)
    """
    check_choice("anti_alias", anti_alias, [False, True, "blur", "average"])
    if not anti_alias or check_int("stride", stride) == 1:
        return None
    return average_down(stride) if anti_alias == "average" else BlurPool(channels, stride)
