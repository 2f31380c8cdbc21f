"""From a network's options to its stages: what each is made of, then the blocks themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..layers import AntiAlias
from ..layers.registry import LayerCfg
from ..options.checks import check_choice, check_int
from .blocks import BottleneckResBlock, ResBlock
from .residual_unit import ResidualStage
from .shortcut import Pooling, Residual

BLOCKS: dict[str, type[ResBlock] | type[BottleneckResBlock]] = {
    "basic": ResBlock,
    "bottleneck": BottleneckResBlock,
}

# Residual blocks per stage; arXiv 1512.03385, table 1.
DEPTHS: dict[int, tuple[str, tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one stage is made of; sizes are those of the whole stage."""

    block: str
    inplanes: int
    planes: int
    stride: int
    out_stride: int
    block_dilations: tuple[int, ...]
    kernel_size: int
    depthwise: bool
    spatial_separable: bool
    pool_on_residual_downsample: Pooling
    bn_momentum: float | None
    attention: LayerCfg | None
    dcn: Mapping[str, Any] | None
    plugins: tuple[Mapping[str, Any], ...]
    drop_paths: tuple[float, ...]
    conv_channels: tuple[tuple[int, ...], ...] | None = None

    @property
    def outplanes(self) -> int:
        """Channels of the stage's output."""
        if self.conv_channels is not None:
            return self.conv_channels[0][-1]
        return self.planes * BLOCKS[self.block].expansion


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all stages have in common."""

    base_channels: int
    groups: int
    base_width: int | None
    style: str
    avg_down: bool
    anti_alias: AntiAlias
    conv_cfg: LayerCfg | None
    norm_cfg: LayerCfg | None
    act_cfg: LayerCfg | None
    with_cp: bool
    reduce_first: int = 1
    down_kernel_size: int = 1


def plan_stages(inplanes: int, out_stride: int, each: Mapping[str, Sequence[Any]]) -> list[Stage]:
    """The stages of a network, each of which takes what the one before gives.

    Args:
        inplanes, out_stride: channels and stride of the stem.
        each: every other field of :class:`Stage`, one value per stage.
    """
    stages: list[Stage] = []
    for values in zip(*each.values(), strict=True):
        options = dict(zip(each, values, strict=True))
        out_stride *= options["stride"]
        stages.append(Stage(inplanes=inplanes, out_stride=out_stride, **options))
        inplanes = stages[-1].outplanes
    return stages


def build_stage(stage: Stage, shared: Shared) -> ResidualStage:
    """The stage's blocks: the first one changes size and channels, the rest keep both."""
    check_choice("style", shared.style, ["pytorch", "caffe"])
    blocks: list[nn.Module] = []
    inplanes = stage.inplanes
    for index, dilation in enumerate(stage.block_dilations):
        stride = stage.stride if index == 0 else 1
        options: dict[str, Any] = {
            "kernel_size": stage.kernel_size,
            "stride": stride,
            "residual": _residual(inplanes, stage.outplanes, stride),
            "spatial_separable": stage.spatial_separable,
            "dilation": dilation,
            "depthwise": stage.depthwise,
            "bn_momentum": stage.bn_momentum,
            "bias": False,
            "groups": shared.groups,
            "conv_cfg": shared.conv_cfg,
            "norm_cfg": shared.norm_cfg,
            "act_cfg": shared.act_cfg,
            "anti_alias": shared.anti_alias,
            "down_kernel_size": shared.down_kernel_size,
            "midplanes": _midplanes(stage, index, shared),
            "attention": stage.attention,
            "drop_path": stage.drop_paths[index],
            "plugins": stage.plugins,
            "with_cp": shared.with_cp,
        }
        if options["residual"] == "projection":
            options["avg_down"] = shared.avg_down
        if stride > 1:
            options["pool_on_residual_downsample"] = stage.pool_on_residual_downsample
            if stage.pool_on_residual_downsample and inplanes == stage.outplanes:
                options["residual"] = True
        if stage.block == "basic":
            # As MMDetection and MMSegmentation have it; a ResBlock by itself dilates both.
            blocks.append(ResBlock(inplanes, stage.outplanes, conv2_dilation=1, **options))
        else:
            options["style"] = shared.style
            options["dcn"] = stage.dcn
            blocks.append(BottleneckResBlock(inplanes, stage.outplanes, **options))
        inplanes = stage.outplanes
    return ResidualStage(*blocks)


def block_dilations(
    blocks: int, dilation: int, contract_dilation: bool, multi_grid: Sequence[int] | None
) -> tuple[int, ...]:
    """The dilation of each block of a stage.

    Args:
        blocks: how many there are.
        dilation: the stage's.
        contract_dilation: the first block has half the dilation (arXiv 1702.02914).
        multi_grid: one dilation per block, in place of the stage's (arXiv 1706.05587).

    Raises:
        ValueError: ``multi_grid`` has another length.

    Example:
        >>> block_dilations(3, 4, True, None), block_dilations(3, 4, False, (1, 2, 4))
        ((2, 4, 4), (1, 2, 4))
    """
    if multi_grid is not None:
        if not isinstance(multi_grid, list | tuple):
            raise TypeError(f"multi_grid={multi_grid!r}: must be a list, one value per block")
        if len(multi_grid) != blocks:
            raise ValueError(
                f"multi_grid={tuple(multi_grid)}: {len(multi_grid)} values for the {blocks} blocks "
                "of the last stage; give one per block"
            )
        return tuple(check_int("multi_grid", value) for value in multi_grid)
    first = dilation // 2 if contract_dilation and dilation > 1 else dilation
    return (first, *(dilation,) * (blocks - 1))


def _residual(inplanes: int, outplanes: int, stride: int) -> Residual:
    return "identity" if stride == 1 and inplanes == outplanes else "projection"


def _midplanes(stage: Stage, block: int, shared: Shared) -> int | tuple[int, int]:
    """Channels between the convolutions of a block of the stage."""
    if stage.conv_channels is not None:
        inner = stage.conv_channels[block][:-1]
        return inner[0] if stage.block == "basic" else (inner[0], inner[1])
    if stage.block == "basic":
        return _reduced(stage.planes, shared.reduce_first)
    middle = _bottleneck_width(stage.planes, shared)
    return _reduced(middle, shared.reduce_first), middle


def _reduced(planes: int, reduce_first: int) -> int:
    if planes % check_int("reduce_first", reduce_first):
        raise ValueError(f"reduce_first={reduce_first}: does not divide {planes} channels")
    return planes // reduce_first


def _bottleneck_width(planes: int, shared: Shared) -> int:
    """Channels in the middle of a bottleneck (ResNeXt, arXiv 1611.05431)."""
    base_width = shared.base_width
    if base_width is None:
        base_width = shared.base_channels if shared.groups == 1 else 4
    per_group = planes * base_width // shared.base_channels
    if per_group < 1:
        raise ValueError(
            f"base_width={base_width}: leaves a stage of {planes} channels no channel per group; "
            "give a larger one"
        )
    return per_group * shared.groups
