"""Norms with the statistics of the batch: the ReLU behind them does not save its output."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .foldable import is_eager_batch, is_plain_relu, is_unmodified
from .norm_relu import BatchStatistics, NormReLU
from .one_conv import conv_dtype, geometry_of, needs_gradient
from .one_pass import output_shape
from .readers import read


def as_norm_relu(
    x: Tensor, conv: nn.Module, norm: nn.Module, act: nn.Module | None, light: bool
) -> Tensor | None:
    """``relu(norm(conv(x)))`` that is not saved, if the norm uses batch statistics.

    Args:
        x, conv, norm, act, light: as in ``conv_norm_act``.

    Returns:
        None where the layers have to compute it themselves.
    """
    if (
        torch.compiler.is_compiling()
        or not is_eager_batch(x)
        or not is_plain_relu(act)
        or not has_batch_statistics(norm)
        or not torch.is_grad_enabled()
    ):
        return None
    one: Any = norm
    if light:
        layer: Any = conv
        dtype, geometry = conv_dtype(x, layer.weight), geometry_of(layer)
        shape = output_shape(x, layer.weight, geometry)
        fits = x.shape[1] == layer.weight.shape[1] * layer.groups and min(shape) > 0
        if dtype is not None and fits and _is_batch(shape, one):
            terms = layer.weight, layer.bias, one.weight, one.bias
            if needs_gradient(x, *terms):
                return NormReLU.apply(x, (dtype, geometry), batch_statistics(one), *terms)
    y = read(x, conv)
    if not (_is_batch(y.shape, one) and needs_gradient(y, one.weight, one.bias)):
        return act(norm(y))  # type: ignore[misc]
    return NormReLU.apply(y, None, batch_statistics(one), None, None, one.weight, one.bias)


def has_batch_statistics(norm: nn.Module) -> bool:
    """Whether ``norm`` is an unmodified batch norm that takes the statistics of this batch.

    Not one that shares them with other processes.

    Example:
        >>> norm = nn.BatchNorm2d(8)
        >>> has_batch_statistics(norm), has_batch_statistics(norm.eval())
        (True, False)
    """
    forward = type(norm).forward
    if forward not in (nn.BatchNorm2d.forward, nn.SyncBatchNorm.forward):
        return False
    if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm3d) or not is_unmodified(norm):
        return False
    one: Any = norm
    if not (one.training or one.running_mean is None and one.running_var is None):
        return False
    return not (forward is nn.SyncBatchNorm.forward and one.training and _has_others(one))


def _is_batch(shape: tuple[int, ...], norm: Any) -> bool:
    """Whether the norm takes such an input; of one value there are no statistics, and it raises."""
    batch, channels, height, width = shape
    return channels == norm.num_features and batch * height * width > 1


def _has_others(norm: Any) -> bool:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    return distributed.get_world_size(norm.process_group) > 1


def batch_statistics(norm: Any) -> BatchStatistics:
    """The norm's running statistics and momentum for this batch, which is counted, as it does."""
    momentum = 0.0 if norm.momentum is None else norm.momentum
    if norm.training and norm.track_running_stats and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if norm.momentum is None:  # a cumulative average
            momentum = 1.0 / float(norm.num_batches_tracked)
    moves = not norm.training or norm.track_running_stats
    mean, var = (norm.running_mean, norm.running_var) if moves else (None, None)
    return BatchStatistics(mean, var, momentum, norm.eps)
