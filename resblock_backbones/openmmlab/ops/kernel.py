"""How the operators of the table are called, and in which precision they compute.

MMCV calls its operators inside the forward or backward of a `torch.autograd.Function` and hands
them the tensors to fill, whatever dtype those have.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode


def as_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with the behaviour of compiled code: without autograd and autocast.

    Autocast would run the matrix products of an operator in half precision, although MMCV has
    already chosen the precision by the dtype of its tensors.
    """

    @functools.wraps(function)
    def kernel(*args: Any, **kwargs: Any) -> Any:
        tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        device = next((tensor.device.type for tensor in tensors), "cpu")
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return function(*args, **kwargs)

    return kernel


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """float64 if any of `tensors` is, else float32.

    The 16-bit types are computed in float32: box coordinates above 256 do not fit in them, and
    torchvision's kernels do not support bfloat16 on any device.
    """
    if any(tensor.dtype == torch.float64 for tensor in tensors):
        return torch.float64
    return torch.float32


def in_working_dtype(*tensors: Tensor) -> tuple[Tensor, ...]:
    """`tensors` contiguous and in their common working dtype; no copy where they already are."""
    dtype = working_dtype(*tensors)
    return tuple(tensor.to(dtype).contiguous() for tensor in tensors)


def hand_over(values: Tensor, filled: Tensor) -> None:
    """`filled.copy_(values)`, without a copy if `filled` can take over the memory of `values`.

    The outputs of a RoI operator are large, and copying them costs a tenth of computing them.
    """
    alike = filled.dtype == values.dtype and filled.shape == values.shape
    if alike and values.is_contiguous() and not filled._is_view() and not is_written_down():
        filled.data = values
    else:
        filled.copy_(values)


def is_written_down() -> bool:
    """Whether a tracer, an exporter or a compiler records what is computed.

    They record operators alone: of a tensor that is given other memory they would see the old one.

    >>> is_written_down()
    False
    """
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or is_in_torch_dispatch_mode()
        or torch._C._are_functorch_transforms_active()
    )
