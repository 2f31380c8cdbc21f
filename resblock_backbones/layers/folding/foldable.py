"""Which convolutions and norms may be folded: those whose forward is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules.module import _has_any_global_hook
from torchvision.ops import FrozenBatchNorm2d

# Norms that only scale and shift each channel by fixed numbers in eval mode.
NORM_FORWARDS = (
    nn.BatchNorm2d.forward,
    nn.SyncBatchNorm.forward,
    nn.InstanceNorm2d.forward,
    FrozenBatchNorm2d.forward,
)


def has_hooks(module: nn.Module) -> bool:
    """Whether ``module`` has hooks on its forward or backward pass."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or _has_any_global_hook()
    )


def is_unhooked(module: nn.Module) -> bool:
    """Whether ``module`` and its submodules have no hooks and no replaced ``forward``.

    Example:
        >>> layers = nn.Sequential(nn.ReLU())
        >>> handle = layers[0].register_forward_hook(lambda module, args, output: print("seen"))
        >>> is_unhooked(layers), is_unhooked(nn.Sequential(nn.ReLU()))
        (False, True)
    """
    return not any(has_hooks(part) or "forward" in vars(part) for part in module.modules())


def is_foldable(conv: nn.Module, norm: nn.Module) -> bool:
    """Whether ``norm(conv(x))`` currently equals a convolution with other weights.

    Not if a subclass may compute something else, if hooks, parametrizations or replaced methods
    need the tensor in between, or if the norm uses batch statistics.

    Example:
        >>> conv, norm = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)
        >>> is_foldable(conv, norm), is_foldable(conv, norm.eval())
        (False, True)
    """
    return is_plain_conv(conv) and has_fixed_statistics(norm)


def has_fixed_statistics(norm: nn.Module) -> bool:
    """Whether ``norm`` scales and shifts each channel by numbers that do not depend on the batch.

    Example:
        >>> [has_fixed_statistics(one.eval()) for one in (nn.BatchNorm2d(8), nn.GroupNorm(2, 8))]
        [True, False]
    """
    if type(norm).forward not in NORM_FORWARDS or not is_unmodified(norm):
        return False
    if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm3d):
        return False  # they raise for (N, C, H, W), and must still do so
    if isinstance(norm, FrozenBatchNorm2d):
        return True
    one: Any = norm
    if one.training or one.running_mean is None or one.running_var is None:
        return False
    return one.track_running_stats or not isinstance(norm, nn.InstanceNorm2d)


def is_plain_relu(act: nn.Module | None) -> bool:
    """Whether ``act`` is an unmodified ReLU without hooks, so that it may be fused.

    Example:
        >>> is_plain_relu(nn.ReLU(inplace=True)), is_plain_relu(nn.ReLU6())
        (True, False)
    """
    return type(act) is nn.ReLU and is_unmodified(act)


def is_plain_sequence(layers: nn.Sequential) -> bool:
    """Whether ``layers`` is an ``nn.Sequential`` without hooks and with PyTorch's own forward."""
    plain = type(layers).forward is nn.Sequential.forward
    return plain and "forward" not in vars(layers) and not has_hooks(layers)


def is_eager_batch(x: Any) -> bool:
    """Whether ``x`` is a plain batch ``(N, C, H, W)``, outside of tracing and ``torch.func``.

    Tracers and ``torch.func`` get the two layers, so that a traced graph has the usual norms, which
    other tools can find and fold.
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
    """Whether ``conv`` is an unmodified ``nn.Conv2d`` without hooks that pads with zeros.

    Example:
        >>> is_plain_conv(nn.Conv2d(3, 8, 1)), is_plain_conv(nn.Conv1d(3, 8, 1))
        (True, False)
    """
    return (
        type(conv).forward is nn.Conv2d.forward
        and type(conv)._conv_forward is nn.Conv2d._conv_forward
        and is_unmodified(conv)
        and conv.padding_mode == "zeros"
        and not isinstance(conv.padding, str)
        and type(conv.weight) in (Tensor, nn.Parameter)
    )


def is_unmodified(module: nn.Module) -> bool:
    """Whether ``module`` computes what its class does: no hooks, parametrizations, patches.

    Example:
        >>> is_unmodified(nn.ReLU()), is_unmodified(nn.Sequential(nn.ReLU()))
        (True, False)
    """
    replaced = "forward" in vars(module) or "_conv_forward" in vars(module)
    # Parametrizations and adapters are child modules; a plain norm or convolution has no children.
    return not (replaced or module._modules or has_hooks(module))
