"""A network in numbers, stage by stage."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...console.table import text_table
from ...layers import run_layers
from ...layers.folding.conv_norm import folding_off
from ...options.checks import check_int
from ..network import FlexResNet
from ..plan import NetworkPlan
from .flops import copy_to_meta, flop_counter
from .receptive_field import receptive_fields
from .saved_activations import saved_bytes


@dataclass(frozen=True, kw_only=True)
class StageSummary:
    """The stem, or a stage.

    Attributes:
        name: ``'stem'``, ``'layer1'``, ...
        parameters: how many.
        flops: of one image; a multiply-add counts as two.
        channels, stride: of its output.
        receptive_field: pixels of the image's width that a feature depends on.
        size: height and width of its output.
    """

    name: str
    parameters: int
    flops: int
    channels: int
    stride: int
    receptive_field: int
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A ``FlexResNet`` in numbers, for one image.

    Attributes:
        plan: what it is made of.
        image: height and width of the image.
        stages: the stem, then each stage.
        saved: bytes that a training step saves for its backward pass, half of those for two
            images; with norms in eval mode: ``'folded'`` into their convolutions, as they are, and
            ``'unfolded'``; and with batch statistics, ``'batch_statistics'``.
    """

    plan: NetworkPlan
    image: tuple[int, int]
    stages: tuple[StageSummary, ...]
    saved: dict[str, int]

    @property
    def parameters(self) -> int:
        """Parameters of the whole network."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def flops(self) -> int:
        """FLOPs of the whole network for one image."""
        return sum(stage.flops for stage in self.stages)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, and the plan, for programs."""
        return {
            "plan": asdict(self.plan),
            "image": self.image,
            "parameters": self.parameters,
            "flops": self.flops,
            "stages": [asdict(stage) for stage in self.stages],
            "outputs": {
                "channels": self.plan.out_channels,
                "strides": self.plan.out_strides,
            },
            "saved_bytes": self.saved,
        }

    def __str__(self) -> str:
        head = ("part", "parameters", "MFLOPs", "channels", "stride", "receptive field", "map")
        rows = [
            (
                stage.name,
                f"{stage.parameters:,}",
                f"{stage.flops / 1e6:,.1f}",
                str(stage.channels),
                str(stage.stride),
                str(stage.receptive_field),
                "{}x{}".format(*stage.size),
            )
            for stage in self.stages
        ]
        total = ("all", f"{self.parameters:,}", f"{self.flops / 1e6:,.1f}", "", "", "", "")
        table = text_table([head, *rows, total], right=range(1, len(head)))
        saved = ", ".join(
            f"{size / 2**20:.1f} MiB {SAVED_NAMES[kind]}" for kind, size in self.saved.items()
        )
        size = "{}x{}".format(*self.image)
        return (
            f"{self.plan}\n\nfor one image of {size} (a multiply-add is two FLOPs):\n{table}\n"
            f"saved activations of a training step: {saved}"
        )


#: How a table calls what was saved.
SAVED_NAMES = {
    "folded": "with frozen norms folded",
    "unfolded": "with frozen norms as layers of their own",
    "batch_statistics": "with batch statistics",
}


def summarise(net: FlexResNet, image: tuple[int, int] = (224, 224)) -> Summary:
    """Parameters, FLOPs, maps, receptive fields and saved activations of a network.

    FLOPs and sizes come from a forward pass without memory where the layers allow that, saved
    activations from real ones on the CPU.

    Args:
        net: stays as it is.
        image: height and width, in pixels.

    Raises:
        ValueError, TypeError: an impossible size.

    Example:
        >>> summary = summarise(FlexResNet(18, width=0.25), (64, 64))
        >>> summary.stages[-1].size, summary.stages[-1].receptive_field, summary.parameters
        ((2, 2), 435, 702096)
    """
    height, width = (check_int("size", side) for side in image)
    try:
        parts = _run_parts(copy_to_meta(net), height, width)
    except (NotImplementedError, RuntimeError):  # a layer that cannot compute shapes alone
        parts = _run_parts(copy.deepcopy(net).cpu(), height, width)
    fields = receptive_fields(net)
    plan = net.plan
    channels = [plan.stem.out_channels, *(stage.outplanes for stage in plan.stages)]
    strides = [fields[0].stride, *(stage.out_stride for stage in plan.stages)]
    modules = [net.stem_layers, *([stage] for stage in net.stages)]
    stages = tuple(
        StageSummary(
            name=f"layer{number}" if number else "stem",
            parameters=sum(one.numel() for layer in layers for one in layer.parameters()),
            flops=flops,
            channels=channels[number],
            stride=strides[number],
            receptive_field=fields[number].size,
            size=size,
        )
        for number, (layers, (flops, size)) in enumerate(zip(modules, parts, strict=True))
    )
    saved = _saved(net, torch.zeros(2, plan.stem.in_channels, height, width))
    return Summary(plan=plan, image=(height, width), stages=stages, saved=saved)


def _run_parts(net: FlexResNet, height: int, width: int) -> list[tuple[int, tuple[int, int]]]:
    """FLOPs, and height and width of the output, of the stem and each stage."""
    device = next(net.parameters()).device
    x = torch.zeros(1, net.plan.stem.in_channels, height, width, device=device)
    measured = []
    with torch.no_grad():
        for layers in (net.eval().stem_layers, *([stage] for stage in net.stages)):
            with flop_counter() as counter:
                x = run_layers(layers, x)
            measured.append((counter.get_total_flops(), (x.shape[2], x.shape[3])))
    return measured


def _saved(net: FlexResNet, x: Tensor) -> dict[str, int]:
    """Bytes that are saved for each image, by what is done with the norms.

    A batch norm has no statistics of the single pixel that one small image may come down to: ``x``
    has two images.
    """
    net = copy.deepcopy(net).cpu()
    net.frozen_stages, net.norm_eval = -1, True
    net.weights_are_given = True  # their values do not matter here
    net.train().requires_grad_(True)
    for module in net.modules():
        if isinstance(module, nn.SyncBatchNorm):  # computes on a GPU only, and keeps as much
            module.__class__ = nn.BatchNorm2d  # type: ignore[assignment]
    saved = {"folded": saved_bytes(net, x)}
    with folding_off():
        saved["unfolded"] = saved_bytes(net, x)
    net.norm_eval = False
    net.train()
    saved["batch_statistics"] = saved_bytes(net, x)
    return {kind: size // len(x) for kind, size in saved.items()}
