"""The shortcut of a residual block: none, the input, a projection, or a pooling."""

from __future__ import annotations

from typing import Any, Literal

from torch import nn

from ..layers import ConvNxN, average_down, build_norm
from ..layers.registry import LayerCfg
from ..options.checks import check_bool, check_choice, check_int

Residual = bool | Literal["identity", "projection"]
Pooling = Literal[False, "maxpool", "averagepool"]


def build_shortcut(
    residual: Residual,
    inplanes: int,
    outplanes: int,
    *,
    kernel_size: int,
    stride: int,
    padding: bool,
    dilation: int,
    pooling: Pooling,
    avg_down: bool,
    down_kernel_size: int,
    bias: bool,
    conv_cfg: LayerCfg | None,
    norm_cfg: LayerCfg | None,
    bn_momentum: float | None,
) -> nn.Module | None:
    """The shortcut's layers; the options are those of ``ResBlock``.

    Raises:
        ValueError: the shortcut's output would not have the shape of the main path's.
    """
    check_choice("residual", residual, [False, True, "identity", "projection"])
    check_choice("pool_on_residual_downsample", pooling, [False, "maxpool", "averagepool"])
    if check_bool("avg_down", avg_down) and pooling:
        raise ValueError(
            f"pool_on_residual_downsample={pooling!r}: avg_down=True pools the shortcut already; "
            "give one of the two"
        )
    if not residual:
        return None
    _check_size("kernel_size", residual, kernel_size, padding)
    _check_size("down_kernel_size", residual, down_kernel_size, True)
    if residual == "identity":
        _check_identity(inplanes, outplanes, stride, pooling or avg_down)
        return nn.Identity()
    pool = _pool(pooling, kernel_size, stride) if pooling else None
    if residual is True and pool is not None:
        if inplanes != outplanes:
            raise ValueError(
                f"pool_on_residual_downsample={pooling!r}: pooling keeps inplanes={inplanes} "
                f"channels, the block gives outplanes={outplanes}; make them equal, or give "
                "residual='projection' to put a 1x1 convolution behind the pooling"
            )
        return pool
    if avg_down:
        pool = average_down(stride)
    projection: dict[str, Any] = {"bias": bias, "conv_cfg": conv_cfg}
    layers = [] if pool is None else [pool]
    layers += [
        # Dilation has no effect on a 1x1 kernel, but is in the output that the blog post prints.
        ConvNxN(
            inplanes,
            outplanes,
            1 if stride == 1 or pool is not None else down_kernel_size,
            stride if pool is None else 1,
            True,
            dilation,
            **projection,
        ),
        build_norm(norm_cfg, outplanes, bn_momentum),
    ]
    return nn.Sequential(*layers)


def _pool(pooling: Pooling, kernel_size: int, stride: int) -> nn.Module:
    pool_type = nn.MaxPool2d if pooling == "maxpool" else nn.AvgPool2d
    return pool_type(kernel_size, stride=stride, padding=kernel_size // 2)


def _check_size(name: str, residual: Residual, kernel_size: int, padding: bool) -> None:
    check_int(name, kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(
            f"{name}={kernel_size}: with an even kernel the main path and the shortcut "
            f"(residual={residual!r}) differ in size; give an odd one, or residual=False"
        )
    if not check_bool("padding", padding) and kernel_size > 1:
        raise ValueError(
            f"padding=False: with kernel_size={kernel_size} the main path shrinks and the shortcut "
            f"(residual={residual!r}) does not; give padding=True, or residual=False"
        )


def _check_identity(inplanes: int, outplanes: int, stride: int, pools: bool | Pooling) -> None:
    if pools:
        raise ValueError(
            "residual='identity': leaves nothing to pool; give residual=True, or neither "
            "pool_on_residual_downsample nor avg_down"
        )
    if inplanes != outplanes or stride != 1:
        raise ValueError(
            f"residual='identity': needs inplanes == outplanes and stride=1, got "
            f"inplanes={inplanes}, outplanes={outplanes}, stride={stride}; give residual=True"
        )
