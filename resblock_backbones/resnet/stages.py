"""The stages of a network, built from their plan."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from .blocks import BottleneckResBlock, ResBlock
from .plan import BlockPlan, SharedPlan, StagePlan
from .residual_unit import Recompute, ResidualStage


def build_stage(
    stage: StagePlan, shared: SharedPlan, *, with_cp: bool = False, recompute: Recompute = None
) -> ResidualStage:
    """The blocks of a stage: ``(N, inplanes, H, W)`` to ``(N, outplanes, ceil(H / stride), ...)``.

    Args:
        stage, shared: the plan.
        with_cp: recompute each block in the backward pass.
        recompute: recompute a part of each block there.

    Raises:
        ValueError, TypeError: a block refuses its options.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> plan = FlexResNet.plan_of(depth=18)
        >>> [type(block).__name__ for block in build_stage(plan.stages[0], plan.shared)]
        ['ResBlock', 'ResBlock']
    """
    options: dict[str, Any] = {
        "kernel_size": stage.kernel_size,
        "depthwise": stage.depthwise,
        "spatial_separable": stage.spatial_separable,
        "bn_momentum": stage.bn_momentum,
        "bias": False,
        "groups": shared.groups,
        "conv_cfg": shared.conv_cfg,
        "norm_cfg": shared.norm_cfg,
        "act_cfg": shared.act_cfg,
        "anti_alias": shared.anti_alias,
        "down_kernel_size": shared.down_kernel_size,
        "attention": stage.attention,
        "plugins": stage.plugins,
        "with_cp": with_cp,
        "recompute": recompute,
    }
    block_type: type[ResBlock] | type[BottleneckResBlock] = ResBlock
    if stage.kind == "basic":
        # As MMDetection and MMSegmentation have it; a ResBlock by itself dilates both.
        options["conv2_dilation"] = 1
    else:
        block_type = BottleneckResBlock
        options |= {"style": shared.style, "dcn": stage.dcn}
    return ResidualStage(*(block_type(**_own(block), **options) for block in stage.blocks))


def _own(block: BlockPlan) -> dict[str, Any]:
    return {field.name: getattr(block, field.name) for field in fields(block)}
