"""What comes before the first stage: a 7x7 convolution or three 3x3 ones, and a pooling."""

from __future__ import annotations

from typing import Any

from torch import nn

from .layers import BlurPool, build_act, build_norm
from .layers.conv import build_conv
from .layers.registry import LayerCfg
from .options import check_int


def build_stem(
    in_channels: int,
    stem_channels: int,
    *,
    deep_stem: bool = False,
    anti_alias: bool = False,
    conv_cfg: LayerCfg | None = None,
    norm_cfg: LayerCfg | None = None,
    act_cfg: LayerCfg | None = None,
    bn_momentum: float | None = 0.1,
) -> dict[str, nn.Module]:
    """The stem's layers by name, in the order of the forward pass.

    Args:
        in_channels: of the picture.
        stem_channels: of the stem's output.
        deep_stem: three 3x3 convolutions (ResNet-C, arXiv 1812.01187) in place of the 7x7 one.
        anti_alias: blur before subsampling in the pooling (arXiv 1904.11486).
        conv_cfg, norm_cfg, act_cfg, bn_momentum: as in ``ResBlock``.

    Returns:
        ``conv1 bn1 relu maxpool`` or ``stem maxpool``; ``(N, in_channels, H, W)`` becomes
        ``(N, stem_channels, ceil(H / 4), ceil(W / 4))``.

    Raises:
        ValueError: a size below 1, or a deep stem with an odd number of channels.

    Example:
        >>> list(build_stem(3, 64)), list(build_stem(3, 64, deep_stem=True))
        (['conv1', 'bn1', 'relu', 'maxpool'], ['stem', 'maxpool'])
    """
    check_int("in_channels", in_channels)
    check_int("stem_channels", stem_channels)

    def conv_norm_act(inplanes: int, outplanes: int, kernel_size: int, stride: int) -> list[Any]:
        conv = build_conv(
            conv_cfg,
            inplanes,
            outplanes,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        )
        return [conv, build_norm(norm_cfg, outplanes, bn_momentum), build_act(act_cfg)]

    if deep_stem:
        if stem_channels % 2:
            raise ValueError(
                f"deep_stem=True: stem_channels={stem_channels} is odd; give an even one"
            )
        half = stem_channels // 2
        layers = conv_norm_act(in_channels, half, 3, 2)
        layers += conv_norm_act(half, half, 3, 1)
        layers += conv_norm_act(half, stem_channels, 3, 1)
        stem: dict[str, nn.Module] = {"stem": nn.Sequential(*layers)}
    else:
        layers = conv_norm_act(in_channels, stem_channels, 7, 2)
        stem = dict(zip(("conv1", "bn1", "relu"), layers, strict=True))
    pool = nn.MaxPool2d(3, stride=1 if anti_alias else 2, padding=1)
    stem["maxpool"] = nn.Sequential(pool, BlurPool(stem_channels)) if anti_alias else pool
    return stem
