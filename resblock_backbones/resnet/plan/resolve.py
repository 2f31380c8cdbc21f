"""Resolution of FlexResNet's options to values per stage, with checks of their combinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...options.checks import check_bool, check_choice, check_int, check_number, per_stage
from .network_plan import EXPANSION, STEM_STRIDE

# Residual blocks per stage; arXiv 1512.03385, table 1.
DEPTHS: dict[int, tuple[str, tuple[int, ...]]] = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}

DEFAULT_STRIDES = (1, 2, 2, 2)
DEFAULT_DILATIONS = (1, 1, 1, 1)
DEFAULT_OUT_INDICES = (0, 1, 2, 3)


def resolve_depth(
    depth: int | None,
    num_stages: int,
    stage_blocks: Sequence[int] | None,
    block: str | Sequence[str] | None,
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The kind of block and the number of blocks, of each stage.

    >>> resolve_depth(50, 2, None, None)
    (('bottleneck', 'bottleneck'), (3, 4))
    >>> resolve_depth(50, 4, (1, 1, 2, 1), "basic")
    (('basic', 'basic', 'basic', 'basic'), (1, 1, 2, 1))
    """
    if depth is not None:
        check_int("depth", depth)
        check_choice("depth", depth, list(DEPTHS))
    check_int("num_stages", num_stages)
    if stage_blocks is None:
        if depth is None:
            raise ValueError("depth=None: give a depth, or stage_blocks and block")
        stage_blocks = DEPTHS[depth][1]
        check_int("num_stages", num_stages, 1, len(stage_blocks))
        stage_blocks = stage_blocks[:num_stages]
    elif isinstance(stage_blocks, int):
        stage_blocks = (stage_blocks,) * num_stages
    if block is None:
        if depth is None:
            raise ValueError(
                "block=None: stage_blocks without a depth needs 'basic' or 'bottleneck'"
            )
        block = DEPTHS[depth][0]
    kinds = per_stage("block", block, num_stages)
    for kind in kinds:
        check_choice("block", kind, list(EXPANSION))
    numbers = per_stage("stage_blocks", stage_blocks, num_stages)
    return kinds, tuple(check_int("stage_blocks", number) for number in numbers)


def resolve_strides(
    strides: Sequence[int], dilations: Sequence[int], output_stride: int | None, num_stages: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilations of each stage.

    >>> resolve_strides((1, 2, 2, 2), (1, 1, 1, 1), 8, 4)
    ((1, 2, 1, 1), (1, 1, 2, 4))
    """
    resolved = _stage_sizes("strides", strides, DEFAULT_STRIDES, num_stages)
    dilated = _stage_sizes("dilations", dilations, DEFAULT_DILATIONS, num_stages)
    if output_stride is None:
        return resolved, dilated
    check_choice("output_stride", output_stride, [8, 16, 32])
    if set(dilated) != {1}:
        raise ValueError(
            f"output_stride={output_stride}: sets the dilations itself; leave out "
            f"dilations={dilated}, or output_stride"
        )
    reached, dilation = STEM_STRIDE, 1
    new_strides, new_dilations = [], []
    for stride in resolved:
        if reached * stride > output_stride:
            dilation *= stride
            stride = 1
        reached *= stride
        new_strides.append(stride)
        new_dilations.append(dilation)
    if reached != output_stride:
        raise ValueError(
            f"output_stride={output_stride}: strides={resolved} reach {reached}; "
            "give strides that multiply to more, or another output_stride"
        )
    return tuple(new_strides), tuple(new_dilations)


def resolve_out_indices(out_indices: Sequence[int], num_stages: int) -> tuple[int, ...]:
    """The stages whose outputs are returned, from 0.

    >>> resolve_out_indices((0, -1), 4)
    (0, 3)
    >>> resolve_out_indices((0, 4), 4)
    Traceback (most recent call last):
        ...
    ValueError: out_indices=(0, 4): there is no stage 4; the 4 stages are 0 to 3
    """
    indices = tuple_of(out_indices)
    if indices == DEFAULT_OUT_INDICES:
        return indices[:num_stages]
    for index in indices:
        check_int("out_indices", index, minimum=-num_stages)
        if index >= num_stages:
            raise ValueError(
                f"out_indices={indices}: there is no stage {index}; "
                f"the {num_stages} stages are 0 to {num_stages - 1}"
            )
    counted = tuple(index % num_stages for index in indices)
    if not counted or list(counted) != sorted(set(counted)):
        raise ValueError(f"out_indices={indices}: must name at least one stage, ascending")
    return counted


def resolve_block_dilations(
    stage_blocks: Sequence[int],
    dilations: Sequence[int],
    contract_dilation: bool | Sequence[bool],
    multi_grid: Sequence[int] | None,
) -> tuple[tuple[int, ...], ...]:
    """The dilation of each block of each stage; ``multi_grid`` is of the last one.

    >>> resolve_block_dilations((2, 3), (1, 2), False, (1, 2, 4))
    ((1, 1), (1, 2, 4))
    >>> resolve_block_dilations((2, 2), (2, 2), (True, False), None)
    ((1, 2), (2, 2))
    """
    grids = (*(None,) * (len(dilations) - 1), multi_grid)
    contracted = [
        check_bool("contract_dilation", one)
        for one in per_stage("contract_dilation", contract_dilation, len(dilations))
    ]
    return tuple(
        block_dilations(*of_stage)
        for of_stage in zip(stage_blocks, dilations, contracted, grids, strict=True)
    )


def block_dilations(
    blocks: int, dilation: int, contract_dilation: bool, multi_grid: Sequence[int] | None
) -> tuple[int, ...]:
    """The dilation of each block of a stage.

    Args:
        blocks: number of blocks.
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


def resolve_width(
    width: float | Sequence[float], base_channels: int, num_stages: int
) -> tuple[tuple[int, ...], int]:
    """Channels of each stage's 3x3 convolutions, and of the stem.

    >>> resolve_width(0.5, 64, 4)
    ((32, 64, 128, 256), 32)
    """
    check_int("base_channels", base_channels)
    planes = []
    factors = per_stage("width", width, num_stages)
    for index, factor in enumerate(factors):
        check_number("width", factor, 0, 1024, low_open=True)
        planes.append(round(base_channels * 2**index * factor))
        if planes[-1] < 1:
            raise ValueError(f"width={factor}: leaves no channel of base_channels={base_channels}")
    return tuple(planes), max(1, round(base_channels * factors[0]))


def resolve_conv_channels(
    conv_channels: Sequence[Sequence[Sequence[int]]] | None,
    kinds: Sequence[str],
    stage_blocks: Sequence[int],
) -> tuple[tuple[tuple[int, ...], ...] | None, ...]:
    """Output channels of each convolution of each block of each stage; None: as ``width`` says.

    >>> resolve_conv_channels([[(24, 32), (16, 32)]], ["basic"], [2])
    (((24, 32), (16, 32)),)
    >>> resolve_conv_channels([[(24, 32), (16, 48)]], ["basic"], [2])
    Traceback (most recent call last):
        ...
    ValueError: conv_channels: the blocks of stage 0 end in 32, 48 channels; they must be the same
    """
    if conv_channels is None:
        return (None,) * len(kinds)
    if len(conv_channels) != len(kinds):
        raise ValueError(f"conv_channels: {len(conv_channels)} entries for {len(kinds)} stages")
    stages = []
    for index, (blocks, kind, count) in enumerate(
        zip(conv_channels, kinds, stage_blocks, strict=True)
    ):
        convs = 2 if kind == "basic" else 3
        if len(blocks) != count or any(len(block) != convs for block in blocks):
            raise ValueError(
                f"conv_channels: stage {index} has {count} {kind} blocks; give {convs} numbers for "
                f"each, got {blocks!r}"
            )
        stage = tuple(tuple(check_int("conv_channels", n) for n in block) for block in blocks)
        outputs = list(dict.fromkeys(block[-1] for block in stage))
        if len(outputs) > 1:
            raise ValueError(
                f"conv_channels: the blocks of stage {index} end in "
                f"{', '.join(map(str, outputs))} channels; they must be the same"
            )
        stages.append(stage)
    return tuple(stages)


def resolve_dcn(
    dcn: Mapping[str, Any] | None,
    stage_with_dcn: Sequence[bool],
    kinds: Sequence[str],
) -> tuple[Mapping[str, Any] | None, ...]:
    """The deformable convolution of each stage."""
    where = tuple_of(stage_with_dcn)
    if len(where) > len(kinds) and not any(where[len(kinds) :]):
        where = where[: len(kinds)]
    chosen = per_stage("stage_with_dcn", where if len(where) > 1 else where[0], len(kinds))
    if dcn is None:
        return (None,) * len(kinds)
    if not isinstance(dcn, Mapping) or "type" not in dcn:
        raise TypeError(f"dcn={dcn!r}: must be a dict as dict(type='DCNv2', deform_groups=1)")
    for index, (kind, has_dcn) in enumerate(zip(kinds, chosen, strict=True)):
        if check_bool("stage_with_dcn", has_dcn) and kind == "basic":
            raise ValueError(
                f"dcn={dcn}: stage {index} has basic blocks, which have no place for a deformable "
                "convolution; give depth 50, 101 or 152, or block='bottleneck'"
            )
    return tuple(dcn if has_dcn else None for has_dcn in chosen)


def resolve_plugins(
    plugins: Sequence[Mapping[str, Any]] | None, num_stages: int
) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """The plugins of each stage."""
    if not isinstance(plugins, list | tuple | None):
        raise TypeError(f"plugins={plugins!r}: must be a list of dict(cfg=..., position=...)")
    chosen: list[list[Mapping[str, Any]]] = [[] for _ in range(num_stages)]
    for plugin in plugins or ():
        if not isinstance(plugin, Mapping) or not isinstance(plugin.get("cfg"), Mapping):
            raise TypeError(f"plugins: {plugin!r} is not a dict(cfg=dict(type=...), position=...)")
        stages = plugin.get("stages")
        where = per_stage("plugins: stages", True if stages is None else stages, num_stages)
        for index, wanted in enumerate(where):
            if wanted:
                chosen[index].append({key: plugin[key] for key in plugin if key != "stages"})
    return tuple(tuple(stage) for stage in chosen)


def drop_paths(rate: float, stage_blocks: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """The probability of each block of each stage: from 0 at the first to ``rate`` at the last.

    >>> drop_paths(0.2, (1, 2))
    ((0.0,), (0.1, 0.2))
    """
    check_number("drop_path_rate", rate, 0, 1)
    last = max(1, sum(stage_blocks) - 1)
    numbers = iter(range(sum(stage_blocks)))
    return tuple(tuple(rate * next(numbers) / last for _ in range(count)) for count in stage_blocks)


def tuple_of(value: Any) -> tuple[Any, ...]:
    """A sequence as a tuple, a single value as a tuple of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _stage_sizes(
    name: str, sizes: Sequence[int], default: tuple[int, ...], num_stages: int
) -> tuple[int, ...]:
    values = sizes if isinstance(sizes, int) else tuple_of(sizes)
    if values == default:  # the default has values for four stages
        values = default[:num_stages]
    return tuple(check_int(name, value) for value in per_stage(name, values, num_stages))
