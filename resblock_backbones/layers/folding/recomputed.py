"""Outputs that autograd does not save: the backward pass of what reads them computes them again.

A node of autograd's graph that can do so has a function ``recompute``, called with the node. It
gives the node's output, and leaves that and the node's saved tensors in ``node.taken`` for the
node's own backward pass, which follows: saved tensors may be asked for once only, since
checkpointing computes them when they are.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .foldable import is_plain_conv

# Multiplications for each value of the output: a bottleneck's first convolution of any stage, and
# 3x3 convolutions of up to 256 channels, which take three quarters of what ResNet-18 saves.
LIGHT = 9 * 256


def is_light(conv: nn.Module) -> bool:
    """Whether computing ``conv`` again takes little time for the memory that it saves.

    Example:
        >>> [is_light(nn.Conv2d(512, 128, side)) for side in (1, 3)]
        [True, False]
    """
    if not (isinstance(conv, nn.Conv2d) and is_plain_conv(conv)):
        return False
    return conv.weight.numel() <= LIGHT * conv.weight.shape[0]


def source_of(x: Tensor) -> Any:
    """The node of autograd's graph that can compute ``x`` again, or None.

    Example:
        >>> import torch
        >>> source_of(torch.ones(2, requires_grad=True).relu()) is None
        True
    """
    node = x.grad_fn
    return node if hasattr(node, "recompute") else None


def take_output(ctx: Any) -> Any:
    """The output of the node ``ctx`` and its saved tensors; it keeps them no longer."""
    if getattr(ctx, "taken", None) is None:  # what read the output has not asked for it
        ctx.recompute(ctx)
    taken, ctx.taken = ctx.taken, None
    return taken


def masked_in_place(grad: Tensor, out: Tensor) -> Tensor:
    """The gradient of a ReLU's input, in the memory of its output, which nothing needs any more.

    Example:
        >>> masked_in_place(torch.ones(3), torch.tensor([0.0, 2.0, 0.0]))
        tensor([0., 1., 0.])
    """
    if (
        torch.is_grad_enabled()
        or is_several(grad)
        or out.dtype != grad.dtype
        or out.stride() != grad.stride()
    ):
        return torch.ops.aten.threshold_backward(grad, out, 0)
    return torch.ops.aten.threshold_backward.grad_input(grad, out, 0, grad_input=out)


def is_several(grad: Tensor) -> bool:
    """Whether ``grad`` stands for several gradients at once, as with ``is_grads_batched``.

    Example:
        >>> is_several(torch.ones(3))
        False
    """
    kinds = torch._C._functorch
    return kinds.is_legacy_batchedtensor(grad) or kinds.is_batchedtensor(grad)


def as_recorded(x: Tensor) -> AbstractContextManager[Any]:
    """Computing again in the dtypes of the forward pass, also if autocast is on by now."""
    device = x.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()
