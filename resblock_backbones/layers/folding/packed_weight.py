"""A convolution's weight as oneDNN's kernels want it in memory, made once and kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .fold import Geometry


class PackedWeight:
    """The packed form of a weight that is for inference alone.

    A kernel reorders a weight that lies otherwise for each image, which for small images takes
    a good part of the time. Which form is best depends on the input's size, so that it is made when
    a size comes the second time in a row. It takes the weight's memory once more. A change of the
    weight in place is noticed, unless it is written through ``.data``.

    A copy, or what is read from a file, packs anew.

    Example:
        >>> weight, x = torch.ones(8, 3, 1, 1), torch.zeros(1, 3, 8, 8)
        >>> geometry, packed = Geometry((1, 1), (0, 0), (1, 1), 1), PackedWeight()
        >>> [packed.of(weight, x, geometry).is_mkldnn for _ in range(2)]
        [False, True]
    """

    def __init__(self) -> None:
        self._facts: tuple[Any, ...] | None = None
        self._packed: Tensor | None = None

    def of(self, weight: Tensor, x: Tensor, geometry: Geometry) -> Tensor:
        """``weight``, packed for the kernel if it would be packed for the same before."""
        if weight.is_inference():
            return weight  # its changes are not counted
        facts = (weight.data_ptr(), weight._version, weight.dtype, x.shape, geometry)
        if facts != self._facts:
            self._facts, self._packed = facts, None
            return weight
        if self._packed is None:
            sizes = (geometry.padding, geometry.stride, geometry.dilation, geometry.groups)
            with torch.no_grad():
                self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                    weight.detach(), *sizes, list(x.shape)
                )
        return self._packed

    def __reduce__(self) -> tuple[type[PackedWeight], tuple[()]]:
        return PackedWeight, ()
