"""Which convolution and norm may be computed as one convolution: those whose forward is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules.module import _has_any_global_hook
from torchvision.ops import FrozenBatchNorm2d

# Norms that do nothing in eval mode but scale and shift each channel by their statistics.
NORM_FORWARDS = (
    nn.BatchNorm2d.forward,
    nn.SyncBatchNorm.forward,
    nn.InstanceNorm2d.forward,
    FrozenBatchNorm2d.forward,
)


def is_watched(module: nn.Module) -> bool:
    """Whether hooks see what goes into ``module`` or comes out of it."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()
    )


def is_unobserved(module: nn.Module) -> bool:
    """Whether no hook and no replaced method sees what passes through ``module`` and its parts.

    Example:
        >>> layers = nn.Sequential(nn.ReLU())
        >>> handle = layers[0].register_forward_hook(lambda module, args, output: print("seen"))
        >>> is_unobserved(layers), is_unobserved(nn.Sequential(nn.ReLU()))
        (False, True)
    """
    return not any(is_watched(part) or "forward" in vars(part) for part in module.modules())


def is_foldable(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether ``norm(conv(x))`` is, for now, a convolution with other weights.

    A subclass may compute something else, and hooks, parametrizations and replaced methods want to
    see or change what happens in between; so does a norm that takes statistics of the batch.

    Example:
        >>> conv, norm = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)
        >>> is_foldable(conv, norm), is_foldable(conv, norm.eval())
        (False, True)
    """
    return is_plain_conv(conv) and holds_still(norm)


def holds_still(norm: nn.Module) -> bool:
    """Whether ``norm`` scales and shifts each channel by numbers that the batch does not change.

    Example:
        >>> holds_still(nn.BatchNorm2d(8).eval()), holds_still(nn.GroupNorm(2, 8).eval())
        (True, False)
    """
    if type(norm).forward not in NORM_FORWARDS or not _is_untouched(norm):
        return False
    if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm3d):
        return False  # refuse maps, and should go on doing so
    if isinstance(norm, FrozenBatchNorm2d):
        return True
    still: Any = norm
    if still.training or still.running_mean is None or still.running_var is None:
        return False
    return still.track_running_stats or not isinstance(norm, nn.InstanceNorm2d)


def is_plain_relu(act: nn.Module | None) -> bool:
    """Whether ``act`` is a ReLU that nobody watches, so that it may be part of another pass.

    Example:
        >>> is_plain_relu(nn.ReLU(inplace=True)), is_plain_relu(nn.ReLU6())
        (True, False)
    """
    return type(act) is nn.ReLU and _is_untouched(act)


def is_plain_sequence(layers: nn.Sequential) -> bool:
    """Whether ``layers`` are applied one after the other, and nobody watches the whole."""
    plain = type(layers).forward is nn.Sequential.forward
    return plain and "forward" not in vars(layers) and not is_watched(layers)


def is_ordinary(x: Any) -> bool:
    """Whether ``x`` is an ordinary batch of maps, and nobody is writing down or transforming.

    Tracers and ``torch.func`` get the two layers as they are: a traced graph is then the usual one,
    whose norms other tools find and fold by themselves.
    """
    if type(x) not in (Tensor, nn.Parameter) or x.dim() != 4:
        return False
    if torch.compiler.is_compiling():
        return not torch.compiler.is_exporting()
    return not (
        torch.jit.is_tracing()
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


def is_plain_conv(conv: Any) -> bool:
    """Whether ``conv`` computes what ``F.conv2d`` does with its weight, and nobody watches.

    Example:
        >>> is_plain_conv(nn.Conv2d(3, 8, 1)), is_plain_conv(nn.Conv1d(3, 8, 1))
        (True, False)
    """
    return (
        type(conv).forward is nn.Conv2d.forward
        and type(conv)._conv_forward is nn.Conv2d._conv_forward
        and _is_untouched(conv)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and type(conv.weight) in (Tensor, nn.Parameter)
    )


def _is_untouched(module: nn.Module) -> bool:
    replaced = "forward" in vars(module) or "_conv_forward" in vars(module)
    # A parametrization, or an adapter, is a child module; a norm or convolution has none else.
    return not (replaced or module._modules or is_watched(module))
