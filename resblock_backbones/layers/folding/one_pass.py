"""Convolution, sum and ReLU in one pass over the output, if a kernel for it is available."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .fold import Geometry
from .packed_weight import PackedWeight

# oneDNN's kernel, which TorchInductor calls too. Builds without oneDNN and later ones may lack it.
_KERNEL: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
_KERNEL_IN_PLACE: Any = getattr(torch.ops.mkldnn, "_convolution_pointwise_", None)
# For outputs with fewer elements the call of the kernel takes longer than it saves (measured).
MIN_OUTPUT_NUMEL = 2**17
_DTYPES = {torch.float32}
if _KERNEL is not None and getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", bool)():
    _DTYPES.add(torch.bfloat16)


def conv_sum_relu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    *,
    shortcut: Tensor | None = None,
    relu: bool = False,
    overwrite: bool = False,
    packed: PackedWeight | None = None,
) -> Tensor:
    """``relu(conv(x) + shortcut)``, for inference.

    Args:
        x: ``(N, C_in, H, W)``.
        weight, bias, geometry: the convolution's.
        shortcut: is added, with the output's shape and dtype; may be None.
        relu: whether to apply a ReLU to the sum.
        overwrite: whether the result may be written into the memory of ``shortcut``.
        packed: the packed form of ``weight``, if the weight does not change.

    Returns:
        ``(N, C_out, H', W')``, a new tensor or ``shortcut`` overwritten.

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> geometry = Geometry((1, 1), (0, 0), (1, 1), 1)
        >>> conv_sum_relu(-one, one, one[0, 0, 0], geometry, shortcut=-one, relu=True).item()
        0.0
    """
    fewer = shortcut is not None or relu or packed is not None
    if fewer and _has_kernel(x, weight, geometry, shortcut, packed):
        sizes = (geometry.padding, geometry.stride, geometry.dilation, geometry.groups)
        if packed is not None:
            weight = packed.of(weight, x, geometry)
        if shortcut is None:
            return _KERNEL(x, weight, bias, *sizes, "relu" if relu else "none", [], "")
        after: tuple[Any, ...] = ("add", 1.0, "relu" if relu else None, [], None)
        if overwrite and _can_overwrite(shortcut, x):
            return _KERNEL_IN_PLACE.binary(shortcut, x, weight, bias, *sizes, *after)
        return _KERNEL.binary(x, shortcut, weight, bias, *sizes, *after)
    out = F.conv2d(x, weight, bias, *geometry)
    if shortcut is not None:
        out += shortcut
    return out.relu_() if relu else out


def _has_kernel(
    x: Tensor,
    weight: Tensor,
    geometry: Geometry,
    shortcut: Tensor | None,
    packed: PackedWeight | None,
) -> bool:
    return (
        _KERNEL is not None
        and torch._C._len_torch_dispatch_stack() == 0  # FLOP counters know the usual operations
        and is_cpu_type(x)
        and weight.dtype == x.dtype
        # The kernel does not check the sizes; F.conv2d raises if they are wrong.
        and x.numel() > 0
        and x.shape[1] == weight.shape[1] * geometry.groups
        and min(shape := output_shape(x, weight, geometry)) > 0
        and (packed is not None or math.prod(shape) >= MIN_OUTPUT_NUMEL)
        and (shortcut is None or (shortcut.shape == shape and shortcut.dtype == x.dtype))
    )


def _can_overwrite(shortcut: Tensor, x: Tensor) -> bool:
    """Whether the kernel may write its result for ``x`` into the memory of ``shortcut``."""
    return (
        not shortcut._is_view()
        and shortcut.data_ptr() != x.data_ptr()
        and shortcut.is_contiguous(memory_format=layout_of(x))
    )


def layout_of(x: Tensor) -> torch.memory_format:
    """``torch.channels_last`` if ``x`` has that layout and no other, else contiguous.

    Example:
        >>> layout_of(torch.zeros(1, 3, 4, 4).to(memory_format=torch.channels_last))
        torch.channels_last
    """
    if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
        return torch.channels_last
    return torch.contiguous_format


def is_cpu_type(x: Tensor) -> bool:
    """Whether oneDNN computes convolutions of ``x``, by its device and dtype.

    Example:
        >>> is_cpu_type(torch.zeros(1, 3, 4, 4).double())
        False
    """
    return x.device.type == "cpu" and x.dtype in _DTYPES and torch._C._get_mkldnn_enabled()


def output_shape(x: Tensor, weight: Tensor, geometry: Geometry) -> tuple[int, int, int, int]:
    """``(N, C_out, H', W')`` of a convolution of ``x``.

    Example:
        >>> x, weight = torch.zeros(1, 3, 9, 8), torch.zeros(4, 3, 3, 3)
        >>> output_shape(x, weight, Geometry((2, 2), (1, 1), (1, 1), 1))
        (1, 4, 5, 4)
    """
    rows, columns = (
        (x.shape[2 + i] + 2 * geometry.padding[i] - _extent(weight, geometry, i))
        // geometry.stride[i]
        + 1
        for i in (0, 1)
    )
    return x.shape[0], weight.shape[0], rows, columns


def _extent(weight: Tensor, geometry: Geometry, i: int) -> int:
    return geometry.dilation[i] * (weight.shape[2 + i] - 1) + 1
