"""The options of a backbone, inferred from the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ...layers.attention import eca_kernel_size, squeezed_channels
from ...resnet.plan.resolve import DEPTHS
from ..errors import CheckpointError
from .channels import channel_options, grouping
from .shapes import BlockShapes, Shapes, read_blocks

# The usual number (arXiv 1803.08494); weights show only that it divides the channels.
NORM_GROUPS = 32
# Squeeze and excitation's usual reductions: of the paper, and of ResNet-RS.
SE_RATIOS = (1 / 16, 1 / 4, 1 / 8)
# Options that are inferred for each stage.
PER_STAGE = {
    *("stage_blocks", "block", "width", "conv_channels", "attention", "stage_with_dcn"),
    *("kernel_size", "depthwise", "spatial_separable"),
}


def infer_options(shapes: Shapes, name: str, given: Collection[str] = ()) -> dict[str, Any]:
    """Options of a ``FlexResNet`` with such tensors, without those that have their default.

    Weights determine depth, channels, groups, kernels, the kind of stem, which shortcuts are
    pooled, attention and whether norms have statistics. They do not show strides, dilations,
    ``style``, ``anti_alias``, the stem's pooling without weights, the activation, a norm's eps and
    the groups of a group norm (32 are assumed).

    Args:
        shapes: of a backbone's tensors, by ``FlexResNet``'s names.
        name: of the checkpoint, for messages.
        given: names of options that the caller sets, which are not inferred.

    Raises:
        CheckpointError: no options lead to such tensors.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> net = FlexResNet(50, width=0.5, deep_stem=True, attention="SE")
        >>> infer_options({key: tensor.shape for key, tensor in net.state_dict().items()}, "mine")
        {'deep_stem': True, 'depth': 50, 'width': 0.5, 'attention': 'SE'}
    """
    stages = read_blocks(shapes, name)
    options = _stem(shapes, name)
    options |= _depth(stages)
    groups, depthwise = grouping(stages, name)
    options |= channel_options(shapes, stages, groups)
    if groups != 1:
        options["groups"] = groups
    if any(depthwise):
        options["depthwise"] = _one_or_all(depthwise)
    options |= _convs(stages)
    options |= _shortcuts(shapes, stages, name, "pool_on_residual_downsample" in given)
    if "norm_cfg" not in given:
        options |= _norm(shapes, name)
    attention = _per_stage(stages, _attention)
    if attention is not None:
        options["attention"] = attention
    return options


def describe(options: Mapping[str, Any]) -> str:
    """Options as in a call, with long values abbreviated.

    >>> describe({"depth": 50, "attention": "SE"})
    "depth=50, attention='SE'"
    """
    texts = (f"{name}={value!r}" for name, value in options.items())
    return ", ".join(text if len(text) < 80 else f"{text[:76]} ..." for text in texts)


def first_stages(options: dict[str, Any], num_stages: int) -> dict[str, Any]:
    """Options for a network of only the first stages.

    >>> first_stages({"stage_blocks": (1, 2, 3, 4), "block": "basic"}, 2)
    {'stage_blocks': (1, 2), 'block': 'basic'}
    """
    return {
        key: value[:num_stages] if key in PER_STAGE and isinstance(value, tuple) else value
        for key, value in options.items()
    }


def _stem(shapes: Shapes, name: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    first = shapes.get("stem.0.weight", shapes.get("conv1.weight", ()))
    if len(first) != 4:
        raise CheckpointError(f"{name}: the stem's first convolution is missing")
    if "stem.0.weight" in shapes:
        options["deep_stem"] = True
    elif first[2] != 7:
        options["stem_kernel_size"] = first[2]
    if first[1] != 3:
        options["in_channels"] = first[1]
    if len(shapes.get("maxpool.0.weight", ())) == 4:
        options["stem_pool"] = "conv"
    return options


def _depth(stages: list[list[BlockShapes]]) -> dict[str, Any]:
    kinds = tuple(blocks[0].kind for blocks in stages)
    counts = tuple(len(blocks) for blocks in stages)
    options: dict[str, Any] = {} if len(stages) == 4 else {"num_stages": len(stages)}
    for depth, (kind, blocks) in DEPTHS.items():
        if set(kinds) == {kind} and counts == blocks[: len(counts)]:
            return options | {"depth": depth}
    one_kind = kinds[0] if len(set(kinds)) == 1 else kinds
    return options | {"stage_blocks": counts, "block": one_kind}


def _convs(stages: list[list[BlockShapes]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    kernel_size = _per_stage(stages, lambda blocks: blocks[0].kernel_size)
    if kernel_size != 3:
        options["kernel_size"] = kernel_size
    # The first block of a bottleneck stage downsamples, and is then not separable.
    separable = _per_stage(stages, lambda blocks: blocks[-1].is_separable)
    if separable:
        options["spatial_separable"] = separable
    return options | _dcn(stages)


def _dcn(stages: list[list[BlockShapes]]) -> dict[str, Any]:
    """Deformable convolutions, by the offsets that each tap needs: two, and with a mask three."""
    has = tuple("conv2.conv_offset.weight" in blocks[-1].shapes for blocks in stages)
    if not any(has):
        return {}
    blocks = stages[has.index(True)]
    taps = blocks[-1].kernel_size ** 2
    outputs = blocks[-1].shapes["conv2.conv_offset.weight"][0]
    per_tap = 3 if outputs % (3 * taps) == 0 else 2
    dcn: dict[str, Any] = {
        "type": "DCNv2" if per_tap == 3 else "DCN",
        "deform_groups": outputs // (per_tap * taps),
    }
    if "conv2.conv_offset.weight" not in blocks[0].shapes:
        dcn["fallback_on_stride"] = True
    return {"dcn": dcn, "stage_with_dcn": has}


def _shortcuts(
    shapes: Shapes, stages: list[list[BlockShapes]], name: str, pools: bool
) -> dict[str, Any]:
    firsts = [blocks[0] for blocks in stages]
    options: dict[str, Any] = {}
    numbers = {block.projection for block in firsts} - {None}
    if numbers == {1} and not pools:
        options["avg_down"] = True
    elif len(numbers) > 1 and not pools:
        raise CheckpointError(
            f"{name}: some shortcuts have a pooling before their convolution; weights do not "
            "show its kind: set pool_on_residual_downsample='maxpool' or 'averagepool'"
        )
    stem = shapes.get("stem.6.weight", shapes.get("conv1.weight", ()))
    if stem[0] == firsts[0].channels[-1] and firsts[0].projection is not None and not pools:
        options["project_first"] = True
    for block in firsts[1:]:
        if block.projection == 0 and block.shapes["residual.0.weight"][2] != 1:
            options["down_kernel_size"] = block.shapes["residual.0.weight"][2]
    return options


def _norm(shapes: Shapes, name: str) -> dict[str, Any]:
    key = "stem.1" if "stem.0.weight" in shapes else "bn1"
    if f"{key}.running_var" in shapes:
        return {}
    if f"{key}.weight" not in shapes:
        raise CheckpointError(f"{name}: has no norms that can be recognised; set norm_cfg=")
    return {"norm_cfg": {"type": "GN", "num_groups": NORM_GROUPS}}


def _attention(blocks: list[BlockShapes]) -> Any:
    """The attention of one stage's blocks, as an option's value."""
    shapes, channels = blocks[0].shapes, blocks[0].channels[-1]
    if "se.conv.weight" in shapes:
        taps = shapes["se.conv.weight"][-1]
        usual = taps == eca_kernel_size(channels)
        return "ECA" if usual else {"type": "ECA", "kernel_size": taps}
    if "se.fc1.weight" in shapes:
        hidden = shapes["se.fc1.weight"][0]
        for ratio in SE_RATIOS:
            if hidden == squeezed_channels(channels, ratio, 8):
                return "SE" if ratio == SE_RATIOS[0] else {"type": "SE", "ratio": ratio}
        return {"type": "SE", "ratio": hidden / channels, "divisor": 1}
    return None


def _per_stage(stages: list[list[BlockShapes]], read: Callable[[list[BlockShapes]], Any]) -> Any:
    """One value if all stages have the same, else one for each."""
    values = [read(blocks) for blocks in stages]
    return _one_or_all(values)


def _one_or_all(values: Sequence[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else tuple(values)
