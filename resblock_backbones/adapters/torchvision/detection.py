"""A FlexResNet with a feature pyramid, for torchvision's detectors."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops.feature_pyramid_network import (
    ExtraFPNBlock,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
)

from ...options.checks import check_int, check_number
from ...resnet.interfaces.scripting import traced
from ...resnet.network import FlexResNet
from ...resnet.plan.resolve import tuple_of


class FlexResNetFPN(nn.Module):
    """A ``FlexResNet`` and the feature pyramid (arXiv 1612.03144) on all of its outputs.

    A backbone for torchvision's ``FasterRCNN``, ``MaskRCNN``, ``KeypointRCNN``, ``RetinaNet`` and
    ``FCOS``. Tensors are named as in torchvision's detectors (``body.*``, ``fpn.*``), and their
    state dicts load strictly.

    What torchvision calls ``trainable_layers=n`` is ``frozen_stages=4 - n`` of the ``FlexResNet``;
    its frozen norm is ``norm_cfg='FrozenBN'``, or batch norm under ``norm_eval=True``, which lets
    weight and bias learn.

    Args:
        body: the backbone; its ``out_indices`` are the levels of the pyramid.
        out_channels: of every level.
        extra_blocks: the levels on top; None is one more, by pooling, as for Faster R-CNN.
            ``LastLevelP6P7(256, 256)`` is RetinaNet's, on ``out_indices=(1, 2, 3)``.
        norm_layer: of the pyramid's convolutions, such as ``nn.BatchNorm2d``; may be None.

    Attributes:
        body, fpn: the two parts.
        out_channels: of every level.
        level_names: names of the output feature maps, in their order.

    Raises:
        TypeError: ``body`` is not a ``FlexResNet``.
        ValueError: ``extra_blocks`` expect another number of channels than the pyramid has.

    Shape:
        ``(N, C, H, W)`` to an ``OrderedDict``: ``'0'``, ``'1'``, ... for the outputs of ``body``,
        then the extra levels (``'pool'``, or ``'p6'`` and ``'p7'``), each
        ``(N, out_channels, ...)``.

    Example:
        >>> import torch
        >>> from torchvision.models.detection import FasterRCNN
        >>> backbone = FlexResNetFPN(FlexResNet(18, width=0.25), out_channels=32)
        >>> model = FasterRCNN(backbone, num_classes=3, min_size=64).eval()
        >>> sorted(model([torch.rand(3, 64, 64)])[0])
        ['boxes', 'labels', 'scores']
    """

    def __init__(
        self,
        body: FlexResNet,
        *,
        out_channels: int = 256,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(body, FlexResNet):
            raise TypeError(f"body: {type(body).__name__} is not a FlexResNet")
        self.out_channels = check_int("out_channels", out_channels)
        self.body = body
        self.fpn = FeaturePyramidNetwork(
            in_channels_list=list(body.out_channels),
            out_channels=out_channels,
            extra_blocks=LastLevelMaxPool() if extra_blocks is None else extra_blocks,
            norm_layer=norm_layer,
        )
        self.level_names = _names_of_levels(self.fpn, body.out_channels)

    @traced
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        # (N, in_channels, H, W) -> (N, C_i, H / stride_i, W / stride_i) for each output i
        maps = OrderedDict()
        for level, one in enumerate(self.body(x)):
            maps[str(level)] = one
        # -> (N, out_channels, H / stride_i, W / stride_i), then the extra levels
        return self.fpn(maps)

    def anchors(
        self,
        smallest: int = 32,
        *,
        aspect_ratios: float | Sequence[float] = (0.5, 1.0, 2.0),
        sizes_per_level: int = 1,
    ) -> AnchorGenerator:
        """Anchors for all levels, twice as large on each level as on the one before.

        The defaults of torchvision's detectors are for five levels: ``anchors(32)`` for Faster and
        Mask R-CNN, ``anchors(32, sizes_per_level=3)`` for RetinaNet. For other images choose
        ``smallest`` about as large as the smallest objects.

        Args:
            smallest: side of the smallest anchor, in pixels of the resized image.
            aspect_ratios: height divided by width, of the anchors of every size; or one.
            sizes_per_level: how many sizes lie between one level and the next.

        Example:
            >>> FlexResNetFPN(FlexResNet(18, width=0.25, out_indices=(0, 1))).anchors(16).sizes
            ((16,), (32,), (64,))
        """
        check_int("smallest", smallest)
        check_int("sizes_per_level", sizes_per_level)
        ratios = tuple_of(aspect_ratios)
        for ratio in ratios:
            check_number("aspect_ratios", ratio, 0, math.inf, low_open=True)
        steps = [2 ** (step / sizes_per_level) for step in range(sizes_per_level)]
        sizes = tuple(
            tuple(int(smallest * 2**level * step) for step in steps)
            for level in range(len(self.level_names))
        )
        return AnchorGenerator(sizes, (ratios,) * len(sizes))


def _names_of_levels(fpn: FeaturePyramidNetwork, channels: Sequence[int]) -> tuple[str, ...]:
    """Names of the pyramid's outputs, from a dry run: extra levels do not announce theirs."""
    dry = copy.deepcopy(fpn).to("meta").eval()
    maps = OrderedDict(
        (str(level), torch.empty(1, count, 2, 2, device="meta"))
        for level, count in enumerate(channels)
    )
    try:
        return tuple(dry(maps))
    except RuntimeError as error:
        raise ValueError(
            f"extra_blocks: do not fit a pyramid of {dry.layer_blocks[-1][0].out_channels} "
            f"channels on maps of {tuple(channels)}: {error}"
        ) from error
