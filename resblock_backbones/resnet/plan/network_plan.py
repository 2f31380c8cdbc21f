"""The plan of a network: plain data that can be compared and printed, without any module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal

from ...console.table import text_table
from ...layers import AntiAlias
from ...layers.registry import LayerCfg
from ..feature_info import FeatureInfo, resnet_info
from ..shortcut import Pooling, Residual
from .local_layers import StorablePlan

BlockKind = Literal["basic", "bottleneck"]
StemPool = Literal["max", "average", "conv"]

#: Channels of a block's output over those of its 3x3 convolutions.
EXPANSION = {"basic": 1, "bottleneck": 4}

#: The convolution and the pooling of every stem halve the image.
STEM_STRIDE = 4


@dataclass(frozen=True, kw_only=True)
class SharedPlan(StorablePlan):
    """Options that stem and stages share, as in ``FlexResNet``."""

    style: str = "pytorch"
    groups: int = 1
    down_kernel_size: int = 1
    anti_alias: AntiAlias = False
    conv_cfg: LayerCfg | None = None
    norm_cfg: LayerCfg | None = None
    act_cfg: LayerCfg | None = None

    def __hash__(self) -> int:  # a layer may be a dict, which has none
        return hash((self.style, self.groups, self.down_kernel_size, self.anti_alias))


@dataclass(frozen=True, kw_only=True)
class StemPlan:
    """The layers before the stages.

    Attributes:
        in_channels: of the image.
        conv_channels: of each convolution: one, or the three of a deep stem.
        kernel_size: of each convolution, in pixels.
        pool: ``'max'``, ``'average'``, or ``'conv'``.
        bn_momentum: of the norms' running statistics.
    """

    in_channels: int
    conv_channels: tuple[int, ...]
    kernel_size: int = 7
    pool: StemPool = "max"
    bn_momentum: float | None = 0.1

    @property
    def is_deep(self) -> bool:
        """Whether it has three 3x3 convolutions in place of one."""
        return len(self.conv_channels) > 1

    @property
    def out_channels(self) -> int:
        """Channels of the stem's output."""
        return self.conv_channels[-1]


@dataclass(frozen=True, kw_only=True)
class BlockPlan:
    """What differs between the blocks of a stage, as the parameters of ``ResBlock``.

    Attributes:
        midplanes: channels between the convolutions; in a bottleneck those before and after the
            N x N convolution.
    """

    inplanes: int
    midplanes: int | tuple[int, int]
    outplanes: int
    stride: int = 1
    dilation: int = 1
    residual: Residual = "identity"
    avg_down: bool = False
    pool_on_residual_downsample: Pooling = False
    drop_path: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StagePlan(StorablePlan):
    """The blocks of a stage, and what they have in common.

    Attributes:
        kind: of the blocks: ``'basic'`` or ``'bottleneck'``.
        blocks: in the order of the forward pass; the first one changes size and channels.
        out_stride: of the stage's output against the image.
        dcn: deformable convolution in the middle of the bottlenecks, or None.
        plugins: ``dict(cfg=..., position=...)`` each.

    The others are ``ResBlock``'s.
    """

    kind: BlockKind
    blocks: tuple[BlockPlan, ...]
    out_stride: int
    kernel_size: int = 3
    depthwise: bool = False
    spatial_separable: bool = False
    bn_momentum: float | None = 0.1
    attention: LayerCfg | None = None
    dcn: Mapping[str, Any] | None = None
    plugins: tuple[Mapping[str, Any], ...] = ()

    def __hash__(self) -> int:
        return hash((self.kind, self.blocks, self.out_stride, self.kernel_size))

    @property
    def inplanes(self) -> int:
        """Channels of the stage's input."""
        return self.blocks[0].inplanes

    @property
    def outplanes(self) -> int:
        """Channels of the stage's output."""
        return self.blocks[-1].outplanes


@dataclass(frozen=True, kw_only=True)
class NetworkPlan:
    """The structure of a ``FlexResNet``; two networks with equal plans have the same layers.

    Options of training and inference are not part of it: ``frozen_stages``, ``norm_eval``,
    ``with_cp``, ``recompute``, ``channels_last``, ``zero_init_residual`` and ``init_cfg`` may
    differ between networks of the same plan, which can load each other's weights.

    Example:
        >>> from resblock_backbones import FlexResNet
        >>> plan = FlexResNet.plan_of(depth=50, output_stride=16, stem_pool="conv")
        >>> plan.out_channels, plan.out_strides
        ((256, 512, 1024, 2048), (4, 8, 16, 16))
        >>> print(plan)
        part    blocks        channels      stride  dilation  options
        stem    conv 7x7      3 -> 64       4       1         pool='conv'
        layer1  bottleneck 3  64 -> 256     4       1
        layer2  bottleneck 4  256 -> 512    8       1
        layer3  bottleneck 6  512 -> 1024   16      1
        layer4  bottleneck 3  1024 -> 2048  16      2
        outputs: layer1, layer2, layer3, layer4
    """

    stem: StemPlan
    stages: tuple[StagePlan, ...]
    shared: SharedPlan
    out_indices: tuple[int, ...]

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each output."""
        return tuple(self.stages[index].outplanes for index in self.out_indices)

    @property
    def out_strides(self) -> tuple[int, ...]:
        """Stride of each output; H rows of the input become ``ceil(H / stride)``."""
        return tuple(self.stages[index].out_stride for index in self.out_indices)

    @property
    def feature_info(self) -> FeatureInfo:
        """Channels, strides and module names, with timm's interface."""
        maps = [(stage.outplanes, stage.out_stride) for stage in self.stages]
        first = "stem" if self.stem.is_deep else "relu"
        return resnet_info(first, self.stem.out_channels, maps, self.out_indices)

    def __str__(self) -> str:
        kernel = f"conv {self.stem.kernel_size}x{self.stem.kernel_size}"
        head = ("part", "blocks", "channels", "stride", "dilation", "options")
        stem = (
            "stem",
            f"{kernel} {len(self.stem.conv_channels)}" if self.stem.is_deep else kernel,
            " -> ".join(map(str, (self.stem.in_channels, *self.stem.conv_channels))),
            str(STEM_STRIDE),
            "1",
            ", ".join(_unusual(self.stem, leave_out="kernel_size")),
        )
        unusual = [_unusual(stage) + _unusual_blocks(stage) for stage in self.stages]
        everywhere = [one for one in unusual[0] if all(one in others for others in unusual)]
        stages = [
            (
                f"layer{number}",
                f"{stage.kind} {len(stage.blocks)}",
                f"{stage.inplanes} -> {stage.outplanes}",
                str(stage.out_stride),
                _several([block.dilation for block in stage.blocks]),
                ", ".join(one for one in others if one not in everywhere),
            )
            for number, (stage, others) in enumerate(zip(self.stages, unusual, strict=True), 1)
        ]
        lines = [text_table([head, stem, *stages])]
        if everywhere := _unusual(self.shared) + everywhere:
            lines.append(f"everywhere: {', '.join(everywhere)}")
        outputs = ", ".join(f"layer{index + 1}" for index in self.out_indices)
        return "\n".join([*lines, f"outputs: {outputs}"])


def _unusual(part: SharedPlan | StemPlan | StagePlan, leave_out: str = "") -> list[str]:
    """The fields that differ from their defaults, as they are written in a call."""
    return [
        f"{field.name}={_brief(getattr(part, field.name))}"
        for field in fields(part)
        if field.default is not MISSING
        and field.name != leave_out
        and getattr(part, field.name) != field.default
    ]


def _unusual_blocks(stage: StagePlan) -> list[str]:
    """Options of the blocks that differ from those of a plain ResNet."""
    parts = []
    if any(block.midplanes != _usual_midplanes(stage.kind, block) for block in stage.blocks):
        parts.append(f"midplanes={_several([block.midplanes for block in stage.blocks])}")
    first = stage.blocks[0]
    keeps_shape = first.inplanes == first.outplanes and first.stride == 1
    if keeps_shape and first.residual == "projection":
        parts.append("project_first=True")
    usual = {"avg_down": False, "pool_on_residual_downsample": False, "drop_path": 0.0}
    for name, value in usual.items():
        found = [getattr(block, name) for block in stage.blocks]
        if others := [one for one in found if one != value]:
            parts.append(f"{name}={_several(others)}")
    return parts


def _usual_midplanes(kind: BlockKind, block: BlockPlan) -> int | tuple[int, int]:
    quarter = block.outplanes // 4
    return block.outplanes if kind == "basic" else (quarter, quarter)


def _several(values: list[Any]) -> str:
    """One value where all are the same, else those of the first blocks, or a range of fractions.

    >>> _several([1, 1]), _several([1, 2, 4]), _several([0.1, 0.2, 0.3])
    ('1', '1 2 4', '0.1 to 0.3')
    """
    if isinstance(values[0], float) and values[0] != values[-1]:
        return f"{values[0]:.3g} to {values[-1]:.3g}"
    texts = [_brief(one) for one in values]
    if len(set(texts)) == 1:
        return texts[0]
    return " ".join(texts if len(texts) < 6 else [*texts[:4], "...", texts[-1]])


def _brief(value: Any) -> str:
    """A value in a table: a class by its name, two equal channels as one.

    >>> _brief("SE"), _brief(dict), _brief((64, 64))
    ("'SE'", 'dict', '64')
    """
    if isinstance(value, tuple) and len(set(map(str, value))) == 1:
        return _brief(value[0])
    return value.__name__ if isinstance(value, type) else repr(value)
