"""From the options of ``FlexResNet`` to the plan of the network."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ...layers import AntiAlias
from ...layers.registry import LayerCfg
from ...options.checks import check_bool, check_cfg, check_choice, check_int, per_stage
from ..shortcut import Pooling
from .blocks import block_channels, plan_blocks
from .network_plan import (
    STEM_STRIDE,
    NetworkPlan,
    SharedPlan,
    StagePlan,
    StemPlan,
    StemPool,
)
from .resolve import (
    drop_paths,
    resolve_block_dilations,
    resolve_conv_channels,
    resolve_dcn,
    resolve_depth,
    resolve_out_indices,
    resolve_plugins,
    resolve_strides,
    resolve_width,
)


def plan_network(
    *,
    depth: int | None,
    in_channels: int,
    stem_channels: int | None,
    base_channels: int,
    num_stages: int,
    strides: Sequence[int],
    dilations: Sequence[int],
    out_indices: Sequence[int],
    style: str,
    deep_stem: bool,
    avg_down: bool,
    conv_cfg: LayerCfg | None,
    norm_cfg: LayerCfg | None,
    dcn: Mapping[str, Any] | None,
    stage_with_dcn: Sequence[bool],
    plugins: Sequence[Mapping[str, Any]] | None,
    groups: int,
    base_width: int | None,
    multi_grid: Sequence[int] | None,
    contract_dilation: bool | Sequence[bool],
    act_cfg: LayerCfg | None,
    kernel_size: int | Sequence[int],
    depthwise: bool | Sequence[bool],
    spatial_separable: bool | Sequence[bool],
    pool_on_residual_downsample: Pooling | Sequence[Pooling],
    bn_momentum: float | None | Sequence[float | None],
    width: float | Sequence[float],
    stage_blocks: Sequence[int] | None,
    block: str | Sequence[str] | None,
    output_stride: int | None,
    attention: LayerCfg | None | Sequence[LayerCfg | None],
    anti_alias: AntiAlias,
    drop_path_rate: float,
    stem_kernel_size: int,
    deep_stem_channels: Sequence[int] | None,
    stem_pool: StemPool,
    reduce_first: int,
    down_kernel_size: int,
    project_first: bool,
    conv_channels: Sequence[Sequence[Sequence[int]]] | None,
) -> NetworkPlan:
    """The plan of a network; options, their meaning and their defaults are ``FlexResNet``'s.

    Raises:
        ValueError: an invalid value, or options that exclude each other.
        TypeError: a value of the wrong type.
    """
    kinds, stage_blocks = resolve_depth(depth, num_stages, stage_blocks, block)
    strides, dilations = resolve_strides(strides, dilations, output_stride, num_stages)
    planes, default_stem_channels = resolve_width(width, base_channels, num_stages)
    for name, cfg in (("conv_cfg", conv_cfg), ("norm_cfg", norm_cfg), ("act_cfg", act_cfg)):
        check_cfg(name, cfg)
    momenta = per_stage("bn_momentum", bn_momentum, num_stages)
    stem = _plan_stem(
        in_channels=in_channels,
        stem_channels=default_stem_channels if stem_channels is None else stem_channels,
        deep_stem=check_bool("deep_stem", deep_stem),
        deep_stem_channels=deep_stem_channels,
        kernel_size=stem_kernel_size,
        pool=stem_pool,
        bn_momentum=momenta[0],
    )
    each: dict[str, Sequence[Any]] = {
        "kind": kinds,
        "kernel_size": per_stage("kernel_size", kernel_size, num_stages),
        "depthwise": per_stage("depthwise", depthwise, num_stages),
        "spatial_separable": per_stage("spatial_separable", spatial_separable, num_stages),
        "bn_momentum": momenta,
        "attention": per_stage("attention", attention, num_stages),
        "dcn": resolve_dcn(dcn, stage_with_dcn, kinds),
        "plugins": resolve_plugins(plugins, num_stages),
    }
    check_choice("style", style, ["pytorch", "caffe"])
    channels = block_channels(
        resolve_conv_channels(conv_channels, kinds, stage_blocks),
        kinds,
        planes,
        stage_blocks,
        base_channels=base_channels,
        groups=groups,
        base_width=base_width,
        reduce_first=reduce_first,
    )
    grids = resolve_block_dilations(stage_blocks, dilations, contract_dilation, multi_grid)
    pools = per_stage("pool_on_residual_downsample", pool_on_residual_downsample, num_stages)
    probabilities = drop_paths(drop_path_rate, stage_blocks)
    stages: list[StagePlan] = []
    inplanes, out_stride = stem.out_channels, STEM_STRIDE
    for index, stride in enumerate(strides):
        blocks = plan_blocks(
            inplanes,
            channels[index],
            stride=stride,
            dilations=grids[index],
            drop_paths=probabilities[index],
            pool=pools[index],
            avg_down=avg_down,
            project_first=check_bool("project_first", project_first),
        )
        own = {name: copy_cfg(values[index]) for name, values in each.items()}
        out_stride *= stride
        stages.append(StagePlan(blocks=blocks, out_stride=out_stride, **own))
        inplanes = stages[-1].outplanes
    shared = SharedPlan(
        style=style,
        groups=groups,
        down_kernel_size=down_kernel_size,
        anti_alias=anti_alias,
        conv_cfg=copy_cfg(conv_cfg),
        norm_cfg=copy_cfg(norm_cfg),
        act_cfg=copy_cfg(act_cfg),
    )
    out_indices = resolve_out_indices(out_indices, num_stages)
    return NetworkPlan(stem=stem, stages=tuple(stages), shared=shared, out_indices=out_indices)


#: The options of ``FlexResNet`` that determine its layers; the others concern how it is run,
#: trained and initialised.
STRUCTURE = frozenset(inspect.signature(plan_network).parameters)


def structure(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of ``FlexResNet`` that determine its layers."""
    return {name: value for name, value in options.items() if name in STRUCTURE}


#: Those that may have one value for each stage.
PER_STAGE = frozenset(
    {
        *("strides", "dilations", "contract_dilation", "stage_blocks", "block", "width"),
        *("conv_channels", "kernel_size", "depthwise", "spatial_separable", "attention"),
        *("stage_with_dcn", "pool_on_residual_downsample", "bn_momentum"),
    }
)


def first_stages(options: Mapping[str, Any], count: int) -> dict[str, Any]:
    """The options of a network that has only the first ``count`` stages of four.

    >>> first_stages({"depth": 18, "kernel_size": (3, 3, 5, 5), "frozen_stages": 4}, 2)
    {'depth': 18, 'kernel_size': (3, 3), 'frozen_stages': 2, 'num_stages': 2}
    """
    cut = dict(options)
    for name in PER_STAGE & cut.keys():
        if isinstance(cut[name], list | tuple):
            cut[name] = cut[name][:count]
    if count < 4:
        cut.pop("multi_grid", None)  # of the fourth
    if cut.get("plugins"):
        cut["plugins"] = [
            {**one, "stages": one["stages"][:count]} if one.get("stages") else one
            for one in cut["plugins"]
        ]
    if "frozen_stages" in cut:
        cut["frozen_stages"] = min(cut["frozen_stages"], count)
    return {**cut, "num_stages": count}


def copy_cfg(value: Any) -> Any:
    """A copy of a layer's config in plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: copy_cfg(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(copy_cfg(one) for one in value)
    return value


def _plan_stem(
    in_channels: int,
    stem_channels: int,
    *,
    deep_stem: bool,
    deep_stem_channels: Sequence[int] | None,
    kernel_size: int,
    pool: StemPool,
    bn_momentum: float | None,
) -> StemPlan:
    check_int("in_channels", in_channels)
    check_int("stem_channels", stem_channels)
    check_int("stem_kernel_size", kernel_size)
    if deep_stem and kernel_size != 7:
        raise ValueError(
            f"stem_kernel_size={kernel_size}: a deep stem's are 3x3; leave it out, or "
            "deep_stem=True"
        )
    if deep_stem_channels is not None and not deep_stem:
        raise ValueError(f"deep_stem_channels={deep_stem_channels!r}: needs deep_stem=True")
    if kernel_size % 2 == 0:
        raise ValueError(f"stem_kernel_size={kernel_size}: is even; give an odd one")
    check_choice("stem_pool", pool, ["max", "average", "conv"])
    first_two = _deep_channels(stem_channels, deep_stem_channels) if deep_stem else ()
    return StemPlan(
        in_channels=in_channels,
        conv_channels=(*first_two, stem_channels),
        kernel_size=3 if deep_stem else kernel_size,
        pool=pool,
        bn_momentum=bn_momentum,
    )


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
