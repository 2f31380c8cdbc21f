"""Residual blocks whose every part can be changed by a parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn
from torchvision.ops import StochasticDepth

from ..layers import (
    AntiAlias,
    ConvNxN,
    SpatialSeparableConvNxN,
    build_act,
    build_anti_alias,
    build_norm,
)
from ..layers.registry import LayerCfg
from ..options.checks import (
    check_bool,
    check_choice,
    check_int,
    check_number,
    refuse_unknown_options,
)
from .extras import Plugin, add_extras
from .residual_unit import Recompute, ResidualUnit, check_recompute
from .shortcut import Pooling, Residual, build_shortcut


class ResBlock(ResidualUnit):
    """Two N x N convolutions and a shortcut.

    The first twelve parameters are the post's; the rest is keyword-only.

    Args:
        inplanes: input channels.
        outplanes: output channels.
        kernel_size: side of the kernels, in pixels.
        stride: of ``conv1``, the downsampling convolution, and of the shortcut.
        padding: pad so that a stride of 1 keeps the size (odd kernels), or not at all.
        residual: False: no shortcut. True: a 1x1 convolution and a norm, or the pooling that
            ``pool_on_residual_downsample`` asks for. ``'identity'``: the input itself.
            ``'projection'``: a 1x1 convolution and a norm, after the pooling if there is one.
        spatial_separable: ``conv2`` is an N x 1 and a 1 x N convolution.
        dilation: of both convolutions.
        depthwise: both convolutions have one group per channel.
        pool_on_residual_downsample: ``'maxpool'`` or ``'averagepool'`` on the shortcut.
        bn_momentum: of the norms' running statistics.
        skip_last_relu: leave out the last activation.
        bias: whether the convolutions have biases.
        groups: groups of both convolutions.
        conv2_dilation: of ``conv2``, if it differs from ``conv1``'s.
        conv_cfg, norm_cfg, act_cfg: which convolution, norm and activation, by name, as MMEngine's
            dict, or as a class; None is ``Conv2d``, ``BN``, ``ReLU``.
        avg_down: average pooling does the shortcut's downsampling (ResNet-D, arXiv 1812.01187).
        anti_alias: True or ``'blur'``: blur and subsample after ``conv1`` in place of its stride
            (arXiv 1904.11486). ``'average'``: average pooling there.
        down_kernel_size: side of the shortcut's kernel where it downsamples.
        midplanes: channels between the convolutions; None is ``outplanes``.
        attention: ``'SE'``, ``'ECA'``, or a dict with their arguments, after ``conv2``.
        drop_path: probability of dropping the main path of a sample (arXiv 1603.09382).
        plugins: MMCV's plugins, ``dict(cfg=dict(type=...), position='after_conv1'|'after_conv2')``.
        with_cp: save only the input for the backward pass, and recompute the rest there.
        recompute: ``'light'``: recompute only ``conv1``, its norm and activation there, if it is a
            plain convolution of few multiplications, followed by a batch norm and a ReLU.

    Shape:
        ``(N, inplanes, H, W)`` to ``(N, outplanes, ceil(H / stride), ceil(W / stride))`` with odd
        kernels and padding.

    Raises:
        ValueError: options that exclude each other, or an invalid value.
        TypeError: a value of the wrong type, or an unknown option.

    Example:
        >>> import torch
        >>> block = ResBlock(64, 128, stride=2, residual=True, dilation=2)
        >>> tuple(block(torch.zeros(1, 64, 32, 32)).shape)
        (1, 128, 16, 16)
    """

    expansion = 1
    convolutions = 2

    @refuse_unknown_options
    def __init__(
        self,
        inplanes: int,
        outplanes: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: bool = True,
        residual: Residual = False,
        spatial_separable: bool = False,
        dilation: int = 1,
        depthwise: bool = False,
        pool_on_residual_downsample: Pooling = False,
        bn_momentum: float | None = 0.1,
        skip_last_relu: bool = False,
        *,
        bias: bool = True,
        groups: int = 1,
        conv2_dilation: int | None = None,
        midplanes: int | None = None,
        conv_cfg: LayerCfg | None = None,
        norm_cfg: LayerCfg | None = None,
        act_cfg: LayerCfg | None = None,
        avg_down: bool = False,
        anti_alias: AntiAlias = False,
        down_kernel_size: int = 1,
        attention: LayerCfg | None = None,
        drop_path: float = 0.0,
        plugins: Sequence[Plugin] = (),
        with_cp: bool = False,
        recompute: Recompute = None,
    ) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation
        midplanes = outplanes if midplanes is None else midplanes
        blur = build_anti_alias(anti_alias, midplanes, stride)
        layer: dict[str, Any] = {"bias": bias, "conv_cfg": conv_cfg}
        spatial: dict[str, Any] = {"depthwise": depthwise, "groups": groups, "padding": padding}
        dilation2 = dilation if conv2_dilation is None else conv2_dilation

        self.conv1 = ConvNxN(
            inplanes,
            midplanes,
            kernel_size,
            1 if blur else stride,
            dilation=dilation,
            **spatial,
            **layer,
        )
        self.bn1 = build_norm(norm_cfg, midplanes, bn_momentum)
        self.relu_inplace = build_act(act_cfg)
        if check_bool("spatial_separable", spatial_separable):
            _check_separable(midplanes, outplanes)
            self.conv2 = SpatialSeparableConvNxN(
                outplanes, kernel_size, dilation2, **spatial, **layer
            )
        else:
            self.conv2 = ConvNxN(
                midplanes, outplanes, kernel_size, dilation=dilation2, **spatial, **layer
            )
        self.bn2 = build_norm(norm_cfg, outplanes, bn_momentum)
        self.residual = build_shortcut(
            residual,
            inplanes,
            outplanes,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            pooling=pool_on_residual_downsample,
            avg_down=avg_down,
            down_kernel_size=down_kernel_size,
            norm_cfg=norm_cfg,
            bn_momentum=bn_momentum,
            **layer,
        )
        self.drop_path = _drop_path(drop_path)
        self.extras = add_extras(
            self,
            channels={"after_conv1": midplanes, "after_conv2": outplanes},
            blur=("after_conv1", blur) if blur else None,
            attention=attention,
            plugins=plugins,
        )
        self.skip_last_relu = check_bool("skip_last_relu", skip_last_relu)
        self.with_cp = check_bool("with_cp", with_cp)
        self.recompute = check_recompute(recompute, with_cp)


class BottleneckResBlock(ResidualUnit):
    """1x1, N x N and 1x1 convolutions and a shortcut; arXiv 1512.03385.

    The parameters are :class:`ResBlock`'s. Kernel size, dilation, depthwise and spatially separable
    convolution concern the N x N convolution in the middle; it is separable where it does not
    downsample. Further ones:

    Args:
        midplanes: channels of the middle; None is a quarter of ``outplanes``. Two numbers: channels
            before and after the N x N convolution.
        style: ``'pytorch'``: the N x N convolution downsamples. ``'caffe'``: the first one does.
        dcn: a deformable convolution in the middle, as in ``dict(type='DCNv2', deform_groups=1)``;
            with ``fallback_on_stride=True`` an ordinary one where it downsamples.
        plugins: their positions are ``after_conv1``, ``after_conv2``, ``after_conv3``.

    Shape:
        ``(N, inplanes, H, W)`` to ``(N, outplanes, ceil(H / stride), ceil(W / stride))``, as
        :class:`ResBlock`'s.

    Raises:
        ValueError, TypeError: as :class:`ResBlock`.

    Example:
        >>> import torch
        >>> block = BottleneckResBlock(64, 256, residual=True)
        >>> tuple(block(torch.zeros(1, 64, 32, 32)).shape)
        (1, 256, 32, 32)
    """

    expansion = 4
    convolutions = 3

    @refuse_unknown_options
    def __init__(
        self,
        inplanes: int,
        outplanes: int,
        kernel_size: int = 3,
        stride: int = 1,
        padding: bool = True,
        residual: Residual = False,
        spatial_separable: bool = False,
        dilation: int = 1,
        depthwise: bool = False,
        pool_on_residual_downsample: Pooling = False,
        bn_momentum: float | None = 0.1,
        skip_last_relu: bool = False,
        *,
        midplanes: int | Sequence[int] | None = None,
        style: Literal["pytorch", "caffe"] = "pytorch",
        bias: bool = True,
        groups: int = 1,
        dcn: Mapping[str, Any] | None = None,
        conv_cfg: LayerCfg | None = None,
        norm_cfg: LayerCfg | None = None,
        act_cfg: LayerCfg | None = None,
        avg_down: bool = False,
        anti_alias: AntiAlias = False,
        down_kernel_size: int = 1,
        attention: LayerCfg | None = None,
        drop_path: float = 0.0,
        plugins: Sequence[Plugin] = (),
        with_cp: bool = False,
        recompute: Recompute = None,
    ) -> None:
        super().__init__()
        self.stride, self.dilation = stride, dilation
        firstplanes, midplanes = _midplanes(midplanes, outplanes, self.expansion)
        check_choice("style", style, ["pytorch", "caffe"])
        check_bool("spatial_separable", spatial_separable)
        blur = build_anti_alias(anti_alias, firstplanes if style == "caffe" else midplanes, stride)
        step = 1 if blur else stride
        stride1, stride2 = (step, 1) if style == "caffe" else (1, step)
        layer: dict[str, Any] = {"bias": bias, "conv_cfg": conv_cfg}
        spatial: dict[str, Any] = {"depthwise": depthwise, "groups": groups, "padding": padding}

        self.conv1 = ConvNxN(inplanes, firstplanes, 1, stride1, **layer)
        self.bn1 = build_norm(norm_cfg, firstplanes, bn_momentum)
        if dcn is not None:
            _check_dcn(conv_cfg, depthwise, spatial_separable)
            dcn = dict(dcn)
            if dcn.pop("fallback_on_stride", False) and stride2 > 1:
                dcn = None
        middle = spatial | layer if dcn is None else spatial | {"bias": bias, "conv_cfg": dcn}
        if spatial_separable and stride2 == 1:
            _check_separable(firstplanes, midplanes)
            self.conv2 = SpatialSeparableConvNxN(midplanes, kernel_size, dilation, **middle)
        else:
            self.conv2 = ConvNxN(
                firstplanes, midplanes, kernel_size, stride2, dilation=dilation, **middle
            )
        self.bn2 = build_norm(norm_cfg, midplanes, bn_momentum)
        self.conv3 = ConvNxN(midplanes, outplanes, 1, **layer)
        self.bn3 = build_norm(norm_cfg, outplanes, bn_momentum)
        self.relu_inplace = build_act(act_cfg)
        self.residual = build_shortcut(
            residual,
            inplanes,
            outplanes,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=1,
            pooling=pool_on_residual_downsample,
            avg_down=avg_down,
            down_kernel_size=down_kernel_size,
            norm_cfg=norm_cfg,
            bn_momentum=bn_momentum,
            **layer,
        )
        self.drop_path = _drop_path(drop_path)
        position = "after_conv1" if style == "caffe" else "after_conv2"
        self.extras = add_extras(
            self,
            channels={
                "after_conv1": firstplanes,
                "after_conv2": midplanes,
                "after_conv3": outplanes,
            },
            blur=(position, blur) if blur else None,
            attention=attention,
            plugins=plugins,
        )
        self.skip_last_relu = check_bool("skip_last_relu", skip_last_relu)
        self.with_cp = check_bool("with_cp", with_cp)
        self.recompute = check_recompute(recompute, with_cp)


def _midplanes(
    midplanes: int | Sequence[int] | None, outplanes: int, expansion: int
) -> tuple[int, int]:
    if midplanes is None:
        if check_int("outplanes", outplanes) % expansion:
            raise ValueError(f"outplanes={outplanes}: no multiple of {expansion}; give midplanes")
        midplanes = outplanes // expansion
    both = tuple(midplanes) if isinstance(midplanes, list | tuple) else (midplanes, midplanes)
    if len(both) != 2:
        raise ValueError(f"midplanes={midplanes!r}: must be one number, or two")
    return check_int("midplanes", both[0]), check_int("midplanes", both[1])


def _check_separable(inplanes: int, outplanes: int) -> None:
    if inplanes != outplanes:
        raise ValueError(
            f"spatial_separable=True: keeps the number of channels, and conv2 has {inplanes} in "
            f"and {outplanes} out; make them equal"
        )


def _drop_path(probability: float) -> nn.Module | None:
    check_number("drop_path", probability, 0, 1)
    return StochasticDepth(probability, "row") if probability else None


def _check_dcn(conv_cfg: LayerCfg | None, depthwise: bool, spatial_separable: bool) -> None:
    for name, value in (
        ("conv_cfg", conv_cfg),
        ("depthwise", depthwise),
        ("spatial_separable", spatial_separable),
    ):
        if value:
            raise ValueError(
                f"dcn: the deformable convolution leaves no place for {name}={value!r}"
            )
