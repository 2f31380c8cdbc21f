"""A network's channels as options: a width if it suffices, else those of each convolution."""

from __future__ import annotations

from typing import Any

from ...resnet.plan.network_plan import EXPANSION
from ..errors import CheckpointError
from .shapes import BlockShapes, Shapes

BASE_CHANNELS = 64


def grouping(stages: list[list[BlockShapes]], name: str) -> tuple[int, tuple[bool, ...]]:
    """The number of groups of all stages, and which stages are depthwise instead.

    Raises:
        CheckpointError: stages have different numbers of groups.
    """
    depthwise = tuple(blocks[0].is_depthwise for blocks in stages)
    groups = {block.groups for blocks in stages for block in blocks}
    if len(groups) == 1 and not all(depthwise):
        return groups.pop(), (False,) * len(stages)
    others = {
        block.groups
        for blocks, is_depthwise in zip(stages, depthwise, strict=True)
        for block in blocks
        if not is_depthwise
    }
    if others - {1}:
        raise CheckpointError(
            f"{name}: its stages have {', '.join(map(str, sorted(groups)))} groups; FlexResNet has "
            "one number for all"
        )
    return 1, depthwise


def channel_options(shapes: Shapes, stages: list[list[BlockShapes]], groups: int) -> dict[str, Any]:
    """``width``, ``base_width``, ``reduce_first`` and the stem's channels, or ``conv_channels``.

    Args:
        shapes: of a backbone's tensors, by ``FlexResNet``'s names.
        stages: the same, by stage and block.
        groups: of the stages that are not depthwise.
    """
    options = _regular(stages, groups)
    if options is None:
        channels = tuple(tuple(block.channels for block in blocks) for blocks in stages)
        options = {"conv_channels": channels}
    return options | _stem(shapes, options)


def _regular(stages: list[list[BlockShapes]], groups: int) -> dict[str, Any] | None:
    """Options of a network whose channels follow from a width; None for a pruned one."""
    planes = []
    for blocks in stages:
        expansion = EXPANSION[blocks[0].kind]
        if blocks[0].channels[-1] % expansion:
            return None
        planes.append(blocks[0].channels[-1] // expansion)
    # Exact: the denominators are powers of two.
    widths = [count / (BASE_CHANNELS * 2**index) for index, count in enumerate(planes)]
    options: dict[str, Any] = {}
    if len(set(widths)) > 1:
        options["width"] = tuple(widths)
    elif widths[0] != 1:
        options["width"] = widths[0]

    base_width, reduce_first = _inner_rule(stages, planes, groups)
    if base_width is None or reduce_first is None:
        return None
    for blocks, count in zip(stages, planes, strict=True):
        for block in blocks:
            if block.channels != _expected(block.kind, count, base_width * groups, reduce_first):
                return None
    if base_width != (BASE_CHANNELS if groups == 1 else 4):
        options["base_width"] = base_width
    if reduce_first != 1:
        options["reduce_first"] = reduce_first
    return options


def _inner_rule(
    stages: list[list[BlockShapes]], planes: list[int], groups: int
) -> tuple[int | None, int | None]:
    """``base_width`` and ``reduce_first``, from the first block that shows them."""
    first = stages[0][0]
    base_width = BASE_CHANNELS if groups == 1 else 4
    for blocks, count in zip(stages, planes, strict=True):
        block = blocks[0]
        if block.kind == "bottleneck":
            scaled = block.channels[1] * BASE_CHANNELS
            if scaled % (groups * count):
                return None, None
            base_width = scaled // (groups * count)
            break
    wide, narrow = first.channels[1], first.channels[0]
    return base_width, None if wide % narrow else wide // narrow


def _expected(kind: str, planes: int, base_width: int, reduce_first: int) -> tuple[int, ...]:
    if kind == "basic":
        return planes // reduce_first, planes
    middle = planes * base_width // BASE_CHANNELS
    return middle // reduce_first, middle, planes * EXPANSION["bottleneck"]


def _stem(shapes: Shapes, options: dict[str, Any]) -> dict[str, Any]:
    stem: dict[str, Any] = {}
    is_deep = "stem.0.weight" in shapes
    channels = shapes["stem.6.weight" if is_deep else "conv1.weight"][0]
    width = options.get("width", 1)
    first_width = width[0] if isinstance(width, tuple) else width
    if channels != max(1, round(BASE_CHANNELS * first_width)):
        stem["stem_channels"] = channels
    if is_deep:
        inner = (shapes["stem.0.weight"][0], shapes["stem.3.weight"][0])
        if inner != (channels // 2, channels // 2):
            stem["deep_stem_channels"] = inner
    return stem
