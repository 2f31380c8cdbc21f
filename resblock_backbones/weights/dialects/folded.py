"""Norms whose running statistics are folded into weight and bias, as in Caffe2's files."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

#: Names of norms' weights in ``FlexResNet``'s stem and stages.
NORM_WEIGHT = re.compile(r"(?:(?:.*\.)?bn\d|.*\.residual\.1)\.weight")
#: Epsilon of the norms, in this family and in ``FlexResNet``.
EPS = 1e-5


def with_statistics(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add running statistics without effect: mean 0, and a variance of 1 - eps.

    >>> whole = with_statistics({"bn1.weight": torch.ones(2), "bn1.bias": torch.zeros(2)})
    >>> list(whole)
    ['bn1.weight', 'bn1.bias', 'bn1.running_mean', 'bn1.running_var']
    """
    whole = dict(tensors)
    for name, tensor in tensors.items():
        if NORM_WEIGHT.fullmatch(name):
            norm = name.removesuffix("weight")
            whole[f"{norm}running_mean"] = torch.zeros_like(tensor)
            whole[f"{norm}running_var"] = torch.ones_like(tensor) - EPS
    return whole


def without_statistics(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse; statistics that have an effect are kept."""
    kept = dict(tensors)
    for name in tensors:
        norm = name.removesuffix("weight")
        mean, variance = tensors.get(f"{norm}running_mean"), tensors.get(f"{norm}running_var")
        if not NORM_WEIGHT.fullmatch(name) or mean is None or variance is None:
            continue
        if not mean.any() and torch.equal(variance, torch.ones_like(variance) - EPS):
            for statistic in ("running_mean", "running_var", "num_batches_tracked"):
                kept.pop(norm + statistic, None)
    return kept
