"""The stem: a 7x7 convolution or three 3x3 ones, and a pooling."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from ..layers import average_down, build_act, build_anti_alias, build_norm
from ..layers.conv import build_conv
from .plan import SharedPlan, StemPlan


def build_stem(stem: StemPlan, shared: SharedPlan) -> dict[str, nn.Module]:
    """The stem's layers by name, in the order of the forward pass.

    A deep stem is ResNet-C's (arXiv 1812.01187); with ``pool='conv'`` a strided 3x3 convolution,
    norm and activation pool (ResNet-RS, arXiv 2103.07579).

    Returns:
        ``conv1 bn1 relu maxpool`` or ``stem maxpool``, whatever the pooling is;
        ``(N, in_channels, H, W)`` becomes ``(N, out_channels, ceil(H / 4), ceil(W / 4))``.

    Raises:
        ValueError, TypeError: a layer that cannot be built.

    Example:
        >>> one, deep = StemPlan(in_channels=3, conv_channels=(64,)), (32, 32, 64)
        >>> list(build_stem(one, SharedPlan()))
        ['conv1', 'bn1', 'relu', 'maxpool']
        >>> list(build_stem(StemPlan(in_channels=3, conv_channels=deep), SharedPlan()))
        ['stem', 'maxpool']
    """

    def conv_norm_act(inplanes: int, outplanes: int, kernel_size: int, stride: int) -> list:
        return [
            build_conv(
                shared.conv_cfg,
                inplanes,
                outplanes,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                bias=False,
            ),
            build_norm(shared.norm_cfg, outplanes, stem.bn_momentum),
            build_act(shared.act_cfg),
        ]

    layers: list[nn.Module] = []
    for number, planes in enumerate(pairwise((stem.in_channels, *stem.conv_channels))):
        layers += conv_norm_act(*planes, stem.kernel_size, 2 if number == 0 else 1)
    if stem.is_deep:
        named: dict[str, nn.Module] = {"stem": nn.Sequential(*layers)}
    else:
        named = dict(zip(("conv1", "bn1", "relu"), layers, strict=True))

    channels = stem.out_channels
    subsample = build_anti_alias(shared.anti_alias, channels, 2)
    stride = 1 if subsample else 2
    if stem.pool == "average":
        pooling = [average_down(2)]
    elif stem.pool == "max":
        pooling = [nn.MaxPool2d(3, stride=stride, padding=1), *([subsample] if subsample else [])]
    else:
        conv, *norm_act = conv_norm_act(channels, channels, 3, stride)
        pooling = [conv, *([subsample] if subsample else []), *norm_act]
    named["maxpool"] = pooling[0] if len(pooling) == 1 else nn.Sequential(*pooling)
    return named
