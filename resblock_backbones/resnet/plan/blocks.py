"""The blocks of a stage: their channels, strides and shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

from ...options.checks import check_int
from ..shortcut import Pooling, Residual
from .network_plan import EXPANSION, BlockPlan

#: Output channels of each of a block's convolutions.
BlockChannels = tuple[int | tuple[int, int], int]


def plan_blocks(
    inplanes: int,
    channels: Sequence[BlockChannels],
    *,
    stride: int,
    dilations: Sequence[int],
    drop_paths: Sequence[float],
    pool: Pooling,
    avg_down: bool,
    project_first: bool = False,
) -> tuple[BlockPlan, ...]:
    """The blocks of a stage: the first one changes size and channels, the others keep both.

    Args:
        inplanes: channels of the stage's input.
        channels, dilations, drop_paths: of each block.
        stride: of the stage.
        pool: pooling that downsamples the shortcut, in place of a strided projection.
        avg_down: whether average pooling downsamples it, before the projection.
        project_first: whether the first block projects its input also where it would fit.

    Example:
        >>> blocks = plan_blocks(
        ...     64,
        ...     [(128, 128)] * 2,
        ...     stride=2,
        ...     dilations=(1, 1),
        ...     drop_paths=(0.0, 0.0),
        ...     pool=False,
        ...     avg_down=False,
        ... )
        >>> [(block.inplanes, block.stride, block.residual) for block in blocks]
        [(64, 2, 'projection'), (128, 1, 'identity')]
    """
    blocks = []
    for index, (midplanes, outplanes) in enumerate(channels):
        step = stride if index == 0 else 1
        fits = inplanes == outplanes and not (project_first and index == 0)
        same = step == 1 and fits
        residual: Residual = "identity" if same else "projection"
        pooling = pool if step > 1 else False
        blocks.append(
            BlockPlan(
                inplanes=inplanes,
                midplanes=midplanes,
                outplanes=outplanes,
                stride=step,
                dilation=dilations[index],
                # Where the channels stay, pooling is all that the shortcut needs.
                residual=True if pooling and fits else residual,
                avg_down=False if same else avg_down,
                pool_on_residual_downsample=pooling,
                drop_path=drop_paths[index],
            )
        )
        inplanes = outplanes
    return tuple(blocks)


def block_channels(
    conv_channels: Sequence[Sequence[Sequence[int]] | None],
    kinds: Sequence[str],
    planes: Sequence[int],
    stage_blocks: Sequence[int],
    *,
    base_channels: int,
    groups: int,
    base_width: int | None,
    reduce_first: int,
) -> list[list[BlockChannels]]:
    """The channels of each block of each stage.

    Args:
        conv_channels: of each convolution of each block, where they are given one by one.
        kinds, planes, stage_blocks: of each stage: kind of block, channels of its 3x3 convolutions,
            number of blocks.
        base_channels, groups, base_width, reduce_first: as for ``FlexResNet``.

    Raises:
        ValueError: an option leaves no channel.
    """
    stages: list[list[BlockChannels]] = []
    for given, kind, width, count in zip(conv_channels, kinds, planes, stage_blocks, strict=True):
        if given is not None:
            inner = [one[0] if kind == "basic" else (one[0], one[1]) for one in given]
            stages.append([(mid, one[-1]) for mid, one in zip(inner, given, strict=True)])
            continue
        middle: int | tuple[int, int]
        if kind == "basic":
            middle = _reduced(width, reduce_first)
        else:
            whole = _bottleneck_width(width, base_channels, groups, base_width)
            middle = _reduced(whole, reduce_first), whole
        stages.append([(middle, width * EXPANSION[kind])] * count)
    return stages


def _reduced(planes: int, reduce_first: int) -> int:
    if planes % check_int("reduce_first", reduce_first):
        raise ValueError(f"reduce_first={reduce_first}: does not divide {planes} channels")
    return planes // reduce_first


def _bottleneck_width(planes: int, base_channels: int, groups: int, base_width: int | None) -> int:
    """Channels in the middle of a bottleneck (ResNeXt, arXiv 1611.05431)."""
    check_int("groups", groups)
    if base_width is None:
        base_width = base_channels if groups == 1 else 4
    per_group = planes * base_width // base_channels
    if per_group < 1:
        raise ValueError(
            f"base_width={base_width}: leaves a stage of {planes} channels no channel per group; "
            "give a larger one"
        )
    return per_group * groups
