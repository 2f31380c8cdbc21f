"""Which pixels of the image a feature depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ...layers import BlurPool
from ..residual_unit import ResidualUnit


@dataclass(frozen=True)
class Field:
    """What the first feature of a row of features depends on, were there no border.

    Attributes:
        low, high: the first and the last pixel of the image's row, counted from 0; those below 0
            lie outside of the image.
        stride: pixels from one feature's field to the next one's.
    """

    low: int = 0
    high: int = 0
    stride: int = 1

    @property
    def size(self) -> int:
        """Pixels from the first to the last."""
        return self.high - self.low + 1

    def through(self, kernel_size: int, stride: int, padding: int, dilation: int = 1) -> Field:
        """The field behind a convolution or a pooling.

        >>> Field().through(7, 2, 3).through(3, 2, 1)
        Field(low=-5, high=5, stride=4)
        """
        low = self.low - padding * self.stride
        reach = (kernel_size - 1) * dilation - padding
        return Field(low, self.high + reach * self.stride, self.stride * stride)

    def joined(self, other: Field) -> Field:
        """The field of a sum of two features at the same place."""
        return Field(min(self.low, other.low), max(self.high, other.high), self.stride)


def receptive_fields(net: Any) -> list[Field]:
    """The fields of the stem's features, and of each stage's, along the width.

    They follow from the sizes, strides and dilations of convolutions and pooling. Channel attention
    takes means over the whole image, deformable convolutions look where they have learned to look,
    and plugins are of other makers: they are left out, and so are the few pixels that reflected
    borders add.

    Args:
        net: a ``FlexResNet``.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> [field.size for field in receptive_fields(FlexResNet(18, width=0.125))]
        [11, 43, 99, 211, 435]
    """
    fields = [_through_all(net.stem_layers, Field())]
    for stage in net.stages:
        fields.append(_through_all(stage, fields[-1]))
    return fields


def _through_all(layers: Iterable[nn.Module], field: Field) -> Field:
    for layer in layers:
        field = _through(layer, field)
    return field


def _through(layer: Any, field: Field) -> Field:
    if isinstance(layer, ResidualUnit):
        return _through_block(layer, field)
    if isinstance(layer, nn.Sequential):
        return _through_all(layer, field)
    if isinstance(layer, BlurPool):
        return field.through(layer.kernel.shape[-1], layer.stride, layer.padding)
    if not all(hasattr(layer, name) for name in ("kernel_size", "stride", "padding")):
        return field  # a norm, an activation, attention
    sizes = [layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1)]
    return field.through(*(one if isinstance(one, int) else one[-1] for one in sizes))


def _through_block(block: Any, field: Field) -> Field:
    main = field
    for number in range(1, block.convolutions + 1):
        main = _through(getattr(block, f"conv{number}"), main)
        if f"after_conv{number}" in block.extras and hasattr(block, "aa"):
            names = block.extras[f"after_conv{number}"]
            main = _through(block.aa, main) if "aa" in names else main
    if block.residual is None:
        return main
    return main.joined(_through(block.residual, field))
