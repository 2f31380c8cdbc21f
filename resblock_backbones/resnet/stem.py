"""What comes before the first stage: a 7x7 convolution or three 3x3 ones, and a pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from ..layers import AntiAlias, average_down, build_act, build_anti_alias, build_norm
from ..layers.conv import build_conv
from ..layers.registry import LayerCfg
from ..options.checks import check_choice, check_int

StemPool = Literal["max", "average", "conv"]


def build_stem(
    in_channels: int,
    stem_channels: int,
    *,
    deep_stem: bool = False,
    deep_stem_channels: Sequence[int] | None = None,
    kernel_size: int = 7,
    pool: StemPool = "max",
    anti_alias: AntiAlias = False,
    conv_cfg: LayerCfg | None = None,
    norm_cfg: LayerCfg | None = None,
    act_cfg: LayerCfg | None = None,
    bn_momentum: float | None = 0.1,
) -> dict[str, nn.Module]:
    """The stem's layers by name, in the order of the forward pass.

    Args:
        in_channels: of the image.
        stem_channels: of the stem's output.
        deep_stem: three 3x3 convolutions (ResNet-C, arXiv 1812.01187) in place of the 7x7 one.
        deep_stem_channels: of the first two of them; None is half of ``stem_channels``.
        kernel_size: of the one convolution, in pixels.
        pool: ``'max'``, ``'average'``, or ``'conv'``: a strided 3x3 convolution, norm and
            activation (ResNet-RS, arXiv 2103.07579).
        anti_alias: subsample behind the pooling in place of its stride, as in ``ResBlock``.
        conv_cfg, norm_cfg, act_cfg, bn_momentum: as in ``ResBlock``.

    Returns:
        ``conv1 bn1 relu maxpool`` or ``stem maxpool``, whatever the pooling is;
        ``(N, in_channels, H, W)`` becomes ``(N, stem_channels, ceil(H / 4), ceil(W / 4))``.

    Raises:
        ValueError: a size below 1, an even kernel, or a deep stem with an odd number of channels.

    Example:
        >>> list(build_stem(3, 64)), list(build_stem(3, 64, deep_stem=True))
        (['conv1', 'bn1', 'relu', 'maxpool'], ['stem', 'maxpool'])
    """
    check_int("in_channels", in_channels)
    check_int("stem_channels", stem_channels)

    def conv(inplanes: int, outplanes: int, kernel_size: int, stride: int) -> nn.Module:
        return build_conv(
            conv_cfg,
            inplanes,
            outplanes,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            bias=False,
        )

    def norm_act(planes: int) -> list[nn.Module]:
        return [build_norm(norm_cfg, planes, bn_momentum), build_act(act_cfg)]

    check_int("stem_kernel_size", kernel_size)
    if deep_stem and kernel_size != 7:
        raise ValueError(
            f"stem_kernel_size={kernel_size}: a deep stem's are 3x3; leave it out, or "
            "deep_stem=True"
        )
    if deep_stem_channels is not None and not deep_stem:
        raise ValueError(f"deep_stem_channels={deep_stem_channels!r}: needs deep_stem=True")
    if deep_stem:
        first, second = _deep_channels(stem_channels, deep_stem_channels)
        layers = [conv(in_channels, first, 3, 2), *norm_act(first)]
        layers += [conv(first, second, 3, 1), *norm_act(second)]
        layers += [conv(second, stem_channels, 3, 1), *norm_act(stem_channels)]
        stem: dict[str, nn.Module] = {"stem": nn.Sequential(*layers)}
    else:
        if kernel_size % 2 == 0:
            raise ValueError(f"stem_kernel_size={kernel_size}: is even; give an odd one")
        layers = [conv(in_channels, stem_channels, kernel_size, 2), *norm_act(stem_channels)]
        stem = dict(zip(("conv1", "bn1", "relu"), layers, strict=True))

    check_choice("stem_pool", pool, ["max", "average", "conv"])
    subsample = build_anti_alias(anti_alias, stem_channels, 2)
    stride = 1 if subsample else 2
    if pool == "average":
        pooling = [average_down(2)]
    elif pool == "max":
        pooling = [nn.MaxPool2d(3, stride=stride, padding=1)]
    else:
        pooling = [conv(stem_channels, stem_channels, 3, stride)]
    if subsample and pool != "average":
        pooling.append(subsample)
    if pool == "conv":
        pooling += norm_act(stem_channels)
    stem["maxpool"] = pooling[0] if len(pooling) == 1 else nn.Sequential(*pooling)
    return stem


def _deep_channels(stem_channels: int, first_two: Any) -> tuple[int, int]:
    if first_two is None:
        if stem_channels % 2:
            raise ValueError(
                f"deep_stem=True: stem_channels={stem_channels} is odd; give an even one"
            )
        return stem_channels // 2, stem_channels // 2
    if not isinstance(first_two, list | tuple) or len(first_two) != 2:
        raise ValueError(f"deep_stem_channels={first_two!r}: must be two numbers")
    first, second = (check_int("deep_stem_channels", channels) for channels in first_two)
    return first, second
