"""A convolution and a norm with fixed statistics, as one convolution (arXiv 2305.11624).

With mean m, variance v and epsilon e, a norm in eval mode computes ``s (y - m) + beta`` with
``s = gamma / sqrt(v + e)``. After a convolution ``y = W * x + b`` this equals a convolution with
weight ``s W`` and bias ``s (b - m) + beta``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Geometry(NamedTuple):
    """Stride, padding, dilation and groups of an ``nn.Conv2d``."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


class Terms(NamedTuple):
    """The tensors of a convolution and its norm; all but ``weight`` have shape ``(C_out,)``.

    Without ``var`` there is no norm, and the convolution is as it is.
    """

    weight: Tensor
    bias: Tensor | None
    gamma: Tensor | None = None
    beta: Tensor | None = None
    mean: Tensor | None = None
    var: Tensor | None = None


def fold(terms: Terms, eps: float) -> tuple[Tensor, Tensor]:
    """Weight and bias of the folded convolution.

    Args:
        terms: of the two layers.
        eps: the norm's epsilon.

    Returns:
        ``(C_out, C_in / groups, k, k)`` and ``(C_out,)``, in float32 or wider, so that values of
        low precision are rounded once. Differentiable in all of ``terms``.

    Example:
        >>> one = torch.ones(1)
        >>> terms = Terms(torch.ones(1, 1, 1, 1), None, 3 * one, 5 * one, 2 * one, 4 * one)
        >>> [tensor.item() for tensor in fold(terms, eps=0.0)]
        [1.5, 2.0]
    """
    _, scale = scale_of(terms, eps)
    shift = scale * centre_of(terms)
    return terms.weight * column(scale), shift if terms.beta is None else shift + terms.beta


def scale_of(terms: Terms, eps: float) -> tuple[Tensor, Tensor]:
    """``1 / sqrt(v + e)`` and ``s``, as above, each ``(C_out,)``, in float32 or wider."""
    assert terms.var is not None
    inverse = torch.rsqrt(terms.var.to(torch.promote_types(torch.float32, terms.var.dtype)) + eps)
    return inverse, inverse if terms.gamma is None else inverse * terms.gamma


def centre_of(terms: Terms) -> Tensor:
    """``b - m``, ``(C_out,)``."""
    assert terms.mean is not None
    return -terms.mean if terms.bias is None else terms.bias - terms.mean


def column(vector: Tensor) -> Tensor:
    """``(C_out,)`` as ``(C_out, 1, 1, 1)``, which broadcasts with a weight."""
    return vector.view(-1, 1, 1, 1)
