"""A convolution's weight in the memory layout of oneDNN's kernels, cached."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .fold import Geometry


class PackedWeight:
    """The packed form of a weight, for inference.

    oneDNN reorders a weight of another layout in each call, which takes a good part of the time for
    small images. The best layout depends on the input's size, so the weight is packed when a size
    comes the second time in a row. The packed copy takes as much memory as the weight. In-place
    changes of the weight are noticed, except those through ``.data``.

    Copying and pickling drop the packed weight; it is packed again when needed.

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
        """``weight``, packed if the last call had the same weight, input size and geometry."""
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
