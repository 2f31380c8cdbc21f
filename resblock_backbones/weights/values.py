"""Whether a network can take tensors, before the first of them is copied."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from .errors import CheckpointError

_FUSED = re.compile(r"(?:conv1|stem\.\d+|layer\d+\.\d+\.conv\d|layer\d+\.\d+\.residual\.0)\.bias")
_NORM = re.compile(r"(?:bn\d|stem\.[147]|.*\.bn\d)\.(?:weight|running_var)")


def plain(
    tensor: Tensor, key: str, own: Tensor, name: str, *, may_be_infinite: bool = False
) -> Tensor:
    """A tensor that can be copied into the network's ``own`` and be what it was.

    Raises:
        CheckpointError: it is sparse, quantised, without values, no floating-point numbers where
            the network has such, or holds numbers that are not finite there.

    >>> plain(torch.tensor([1.0, float("nan")]), "bn1.bias", torch.zeros(2), "a.pth")
    Traceback (most recent call last):
        ...
    resblock_backbones.weights.errors.CheckpointError: a.pth: bn1.bias holds numbers that are not \
finite: it comes from a run that failed
    """
    if tensor.is_quantized:
        raise CheckpointError(f"{name}: {key} is quantised; save the network before quantisation")
    if tensor.layout != torch.strided:
        raise CheckpointError(f"{name}: {key} is sparse; save it dense, by tensor.to_dense()")
    if tensor.is_meta:
        if not own.is_meta:
            raise CheckpointError(f"{name}: {key} has no values: it is on the 'meta' device")
        return tensor
    if own.is_floating_point() and not tensor.is_floating_point():
        kind = str(tensor.dtype).removeprefix("torch.")
        raise CheckpointError(
            f"{name}: {key} holds {kind} numbers, as of a quantised network; save floating-point "
            "weights"
        )
    is_checked = tensor.is_floating_point() and not may_be_infinite
    if key.endswith("running_var") and tensor.numel() and tensor.min() < 0:
        raise CheckpointError(f"{name}: {key} holds a negative variance: the file is damaged")
    if is_checked and not _is_finite(tensor, own.dtype):
        raise CheckpointError(
            f"{name}: {key} holds numbers that are not finite: it comes from a run that failed"
        )
    return tensor


def refuse_fused(found: Mapping[str, Tensor], name: str) -> None:
    """Refuse weights whose norms were computed into the convolutions, for a network with norms.

    Raises:
        CheckpointError: that is what they are.
    """
    biases = [key for key in found if _FUSED.fullmatch(key)]
    if biases and not any(_NORM.fullmatch(key) for key in found):
        raise CheckpointError(
            f"{name}: these weights were fused: their norms are computed into the convolutions, "
            f"which have biases instead ({biases[0]}); load what they were fused from, or load "
            "them into fuse(network)"
        )


def _is_finite(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether all values are finite, also as the network's type of number."""
    if not dtype.is_floating_point or not tensor.numel():
        return True
    # One pass over the memory, without a copy of it.
    low, high = torch.aminmax(tensor.float() if tensor.dtype.itemsize < 4 else tensor)
    largest = torch.finfo(dtype).max
    return bool(low >= -largest) and bool(high <= largest)
