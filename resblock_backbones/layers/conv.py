"""Convolutions of a residual block: plain, depthwise, spatially separable, or any other."""

from __future__ import annotations

from torch import nn

from ..options.checks import check_bool, check_int
from .registry import LayerCfg, build, parse_cfg

CONVS: dict[str, type[nn.Module]] = {"Conv2d": nn.Conv2d, "Conv": nn.Conv2d}


def build_conv(
    cfg: LayerCfg | None,
    inplanes: int,
    outplanes: int,
    kernel_size: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = True,
    option: str = "conv_cfg",
) -> nn.Module:
    """Build a convolution by name, dict or class; None is ``nn.Conv2d``.

    Args:
        cfg: which convolution; other keys of a dict are passed to it as arguments.
        inplanes, outplanes: input and output channels.
        option: the option that ``cfg`` was given for; error messages name it.

    Raises:
        ValueError: unknown convolution, or an invalid argument.
        TypeError: the convolution does not take one of these arguments.
    """
    conv_type, arguments = parse_cfg(option, "Conv2d" if cfg is None else cfg, CONVS)
    return build(
        option,
        conv_type,
        inplanes,
        outplanes,
        kernel_size,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
        **arguments,
    )


def same_padding(kernel_size: int, dilation: int, padding: bool) -> int:
    """Padding that keeps the size with an odd kernel and stride 1, in pixels on each side."""
    return dilation * (kernel_size // 2) if padding else 0


def ConvNxN(  # noqa: N802 - the post's name, used like a class
    inplanes: int,
    outplanes: int,
    kernel_size: int = 3,
    stride: int = 1,
    padding: bool = True,
    dilation: int = 1,
    depthwise: bool = False,
    *,
    groups: int = 1,
    bias: bool = True,
    conv_cfg: LayerCfg | None = None,
) -> nn.Module:
    """An N x N convolution of ``(N, inplanes, H, W)`` with same padding.

    Args:
        inplanes: input channels.
        outplanes: output channels.
        kernel_size: side of the kernel, in pixels.
        stride: step, in pixels; with an odd kernel the output has ``ceil(H / stride)`` rows.
        padding: True pads by ``dilation * (kernel_size // 2)`` on each side, False not at all.
        dilation: distance between the taps, in pixels.
        depthwise: one group per input channel.
        groups: groups of a convolution that is not depthwise.
        bias: whether it has a bias.
        conv_cfg: which convolution; None is ``nn.Conv2d``.

    Raises:
        ValueError: a size below 1, or groups that do not divide the channels.
        TypeError: a value of another type.

    Example:
        >>> ConvNxN(16, 32, kernel_size=5, stride=2, dilation=2)
        Conv2d(16, 32, kernel_size=(5, 5), stride=(2, 2), padding=(4, 4), dilation=(2, 2))
    """
    groups = _groups(inplanes, outplanes, depthwise, groups)
    check_int("kernel_size", kernel_size)
    return build_conv(
        conv_cfg,
        inplanes,
        outplanes,
        kernel_size,
        stride=check_int("stride", stride),
        padding=same_padding(kernel_size, dilation, check_bool("padding", padding)),
        dilation=check_int("dilation", dilation),
        groups=groups,
        bias=bias,
    )


class SpatialSeparableConvNxN(nn.Sequential):
    """An N x N convolution of ``(N, planes, H, W)`` as two: N x 1, then 1 x N.

    The arguments are those of :func:`ConvNxN`; the number of channels stays the same.

    Raises:
        ValueError: a size below 1, or groups that do not divide the channels.

    Example:
        >>> import torch
        >>> conv = SpatialSeparableConvNxN(8, kernel_size=5)
        >>> tuple(conv(torch.zeros(1, 8, 9, 9)).shape), conv[0].kernel_size, conv[1].kernel_size
        ((1, 8, 9, 9), (5, 1), (1, 5))
    """

    def __init__(
        self,
        planes: int,
        kernel_size: int = 3,
        dilation: int = 1,
        depthwise: bool = False,
        padding: bool = True,
        *,
        groups: int = 1,
        bias: bool = True,
        conv_cfg: LayerCfg | None = None,
    ) -> None:
        groups = _groups(planes, planes, depthwise, groups)
        check_int("kernel_size", kernel_size)
        check_int("dilation", dilation)
        side = same_padding(kernel_size, dilation, check_bool("padding", padding))
        super().__init__(
            *(
                build_conv(
                    conv_cfg,
                    planes,
                    planes,
                    kernel,
                    padding=pad,
                    dilation=dilation,
                    groups=groups,
                    bias=bias,
                )
                for kernel, pad in (((kernel_size, 1), (side, 0)), ((1, kernel_size), (0, side)))
            )
        )


def _groups(inplanes: int, outplanes: int, depthwise: bool, groups: int) -> int:
    check_int("inplanes", inplanes)
    check_int("outplanes", outplanes)
    check_int("groups", groups)
    if check_bool("depthwise", depthwise):
        if groups != 1:
            raise ValueError(
                f"groups={groups}: depthwise=True already has one group per channel; "
                "give one of the two"
            )
        if outplanes % inplanes:
            raise ValueError(
                f"depthwise=True: outplanes={outplanes} is not a multiple of inplanes={inplanes}; "
                "give a multiple, or depthwise=False"
            )
        return inplanes
    for name, planes in (("inplanes", inplanes), ("outplanes", outplanes)):
        if planes % groups:
            raise ValueError(f"groups={groups}: does not divide {name}={planes}")
    return groups
