"""Variants of one ResNet: FlexResNet's, torchvision's, timm's, MMDetection's, MMEngine's.

All have the same weights, so all compute the same network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import timm
import torch
import torchvision
from backbone_engines import onnxruntime_engine, openvino_engine
from torch import Tensor, nn

import resblock_backbones  # noqa: F401  (before MMDetection, which asks for MMCV's operators)
from resblock_backbones import FlexResNet, fuse

from mmdet.models.backbones import ResNet  # isort: skip
from mmengine.model.efficient_conv_bn_eval import (  # isort: skip
    turn_on_efficient_conv_bn_eval_for_single_model as fold_by_mmengine,
)

#: As in training of detectors: the first stage frozen, norms in eval mode.
FROZEN = {"frozen_stages": 1, "norm_eval": True}
#: As in training from scratch: every norm uses batch statistics.
SCRATCH = {"frozen_stages": -1, "norm_eval": False}


class Recipe(NamedTuple):
    """How a variant is built.

    Attributes:
        build: function of the depth and the training options.
        last: whether weights and input are in channels_last format.
        compiled: whether to use ``torch.compile``, with freezing for inference.
        folded: whether it folds norms in eval mode, which it can do but does not by itself.
        own_type: whether it chooses its dtype itself, so that autocast is off.
    """

    build: Callable[..., nn.Module]
    last: bool = False
    compiled: bool = False
    folded: bool = False
    own_type: bool = False


class Way(NamedTuple):
    """A network that is ready to run."""

    name: str
    net: nn.Module
    last: bool
    own_type: bool

    def input(self, x: Tensor) -> Tensor:
        """``x`` in the memory format of this network."""
        return x.to(memory_format=torch.channels_last) if self.last else x

    @property
    def parameters(self) -> list[Tensor]:
        return list(self.net.parameters())


@functools.lru_cache(maxsize=1)
def weights_of(depth: int) -> dict[str, Tensor]:
    """Weights under torchvision's names: He's initialisation, and random running statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(depth)
        state = torchvision.models.get_model(f"resnet{depth}", weights=None).state_dict()
        for name, tensor in state.items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                tensor.normal_(0, 0.1)
    return {name: tensor for name, tensor in state.items() if not name.startswith("fc.")}


class Stages(nn.Module):
    """Torchvision's ResNet, returning the output of each stage."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.net = torchvision.models.get_model(f"resnet{depth}", weights=None)
        self.net.fc = nn.Identity()

    def forward(self, x: Tensor) -> list[Tensor]:
        net = self.net
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        outputs = []
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
            outputs.append(x)
        return outputs


def by_torchvision(depth: int, **options: Any) -> nn.Module:
    net = Stages(depth)
    net.net.load_state_dict(weights_of(depth))
    return net


def by_timm(depth: int, **options: Any) -> nn.Module:
    net = timm.create_model(f"resnet{depth}", features_only=True, out_indices=(1, 2, 3, 4))
    net.load_state_dict(weights_of(depth))
    return net


def by_mmdetection(depth: int, **options: Any) -> nn.Module:
    """As its configs build it."""
    net = ResNet(depth, norm_cfg={"type": "BN", "requires_grad": True}, **options)
    net.load_state_dict(weights_of(depth))
    return net


def by_mmengine(depth: int, **options: Any) -> nn.Module:
    net = by_mmdetection(depth, **options)
    fold_by_mmengine(net)
    return net


def by_flex(depth: int, channels_last: Any = "auto", **options: Any) -> nn.Module:
    net = FlexResNet(depth, channels_last=channels_last, **options)
    net.load_state_dict(weights_of(depth))
    return net


def by_fuse(depth: int, dtype: torch.dtype | None = None, **options: Any) -> nn.Module:
    return fuse(by_flex(depth), dtype)


def by_onnxruntime(depth: int, **options: Any) -> nn.Module:
    return onnxruntime_engine(by_flex(depth))


def by_openvino(depth: int, **options: Any) -> nn.Module:
    return openvino_engine(by_flex(depth))


def in_bfloat16(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """The network with weights and input in bfloat16, and outputs in the input's type."""

    class Low(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> list[Tensor]:
            return [output.to(x.dtype) for output in self.net(x.bfloat16())]

    return lambda depth, **options: Low(build(depth, **options).bfloat16())


flex_last = functools.partial(by_flex, channels_last=True)
fused_low = functools.partial(by_fuse, dtype=torch.bfloat16)

INFERENCE = {
    "torchvision": Recipe(by_torchvision),
    "torchvision, channels last": Recipe(by_torchvision, last=True),
    "torchvision, compiled, frozen": Recipe(by_torchvision, compiled=True),
    "torchvision, channels last, bfloat16": Recipe(
        in_bfloat16(by_torchvision), last=True, own_type=True
    ),
    "timm": Recipe(by_timm),
    "MMDetection": Recipe(by_mmdetection),
    "MMDetection, efficient_conv_bn_eval": Recipe(by_mmengine),
    "FlexResNet": Recipe(by_flex),
    "FlexResNet, compiled, frozen": Recipe(by_flex, compiled=True),
    "FlexResNet, fused": Recipe(by_fuse),
    "FlexResNet, fused, bfloat16": Recipe(fused_low, own_type=True),
}
#: One ResNet by the engines that users would take for inference.
ENGINE_ROWS = {
    "torchvision": INFERENCE["torchvision"],
    "torchvision, channels last": INFERENCE["torchvision, channels last"],
    "torchvision, compiled, frozen": INFERENCE["torchvision, compiled, frozen"],
    "ONNX Runtime": Recipe(by_onnxruntime),
    "OpenVINO": Recipe(by_openvino),
    "FlexResNet": INFERENCE["FlexResNet"],
    "FlexResNet, fused": INFERENCE["FlexResNet, fused"],
}
TRAINING = {
    "MMDetection": Recipe(by_mmdetection),
    "MMDetection, channels last": Recipe(by_mmdetection, last=True),
    "MMDetection, efficient_conv_bn_eval": Recipe(by_mmengine),
    "MMDetection, efficient_conv_bn_eval, channels last": Recipe(by_mmengine, last=True),
    "FlexResNet": Recipe(by_flex),
    "FlexResNet, channels_last=True": Recipe(flex_last, last=True),
    "FlexResNet, channels_last=False": Recipe(functools.partial(by_flex, channels_last=False)),
}
NORMS = {
    "torchvision": Recipe(by_torchvision),
    "torchvision, channels last": Recipe(by_torchvision, last=True),
    "FlexResNet": Recipe(by_flex),
    "FlexResNet, channels_last=True": Recipe(flex_last, last=True),
    "FlexResNet, channels_last=False": Recipe(functools.partial(by_flex, channels_last=False)),
}
#: Under bfloat16 autocast; all but the first with channels last.
CUDA_INFERENCE = {
    "MMDetection": Recipe(by_mmdetection),
    "MMDetection, channels last": Recipe(by_mmdetection, last=True),
    "MMDetection, channels last, compiled": Recipe(by_mmdetection, last=True, compiled=True),
    "MMDetection, efficient_conv_bn_eval, channels last": Recipe(by_mmengine, last=True),
    "torchvision, channels last": Recipe(by_torchvision, last=True),
    "torchvision, channels last, compiled": Recipe(by_torchvision, last=True, compiled=True),
    "torchvision, channels last, compiled, folded": Recipe(
        by_torchvision, last=True, compiled=True, folded=True
    ),
    "timm, channels last": Recipe(by_timm, last=True),
    "FlexResNet, channels_last=True": Recipe(flex_last, last=True),
    "FlexResNet, channels_last=True, compiled": Recipe(flex_last, last=True, compiled=True),
    "FlexResNet, fused": Recipe(by_fuse, last=True),
    "FlexResNet, fused, bfloat16": Recipe(fused_low, last=True, own_type=True),
    "FlexResNet, fused, bfloat16, compiled": Recipe(
        fused_low, last=True, compiled=True, own_type=True
    ),
}
CUDA_TRAINING = {
    "MMDetection": Recipe(by_mmdetection),
    "MMDetection, channels last": Recipe(by_mmdetection, last=True),
    "MMDetection, channels last, compiled": Recipe(by_mmdetection, last=True, compiled=True),
    "MMDetection, channels last, compiled, folded": Recipe(
        by_mmdetection, last=True, compiled=True, folded=True
    ),
    "MMDetection, efficient_conv_bn_eval, channels last": Recipe(by_mmengine, last=True),
    "FlexResNet": Recipe(by_flex),
    "FlexResNet, channels_last=True": Recipe(flex_last, last=True),
    "FlexResNet, channels_last=True, compiled": Recipe(flex_last, last=True, compiled=True),
}
TABLES = {
    "inference": INFERENCE,
    "engines inference": ENGINE_ROWS,
    "training": TRAINING,
    "norms": NORMS,
    "cuda inference": CUDA_INFERENCE,
    "cuda training": CUDA_TRAINING,
    "cuda norms": NORMS,
}


def make(table: str, name: str, depth: int, device: torch.device) -> Way:
    """One variant of a table, on a device, in the table's mode."""
    recipe = TABLES[table][name]
    learns = not table.endswith("inference")
    options = SCRATCH if table.endswith("norms") else FROZEN if learns else {}
    net = recipe.build(depth, **options).to(device)
    net.train(learns)  # MMDetection's returns None
    if recipe.last:
        net = net.to(memory_format=torch.channels_last)
    if recipe.compiled:
        choices = {"freezing": not learns, "efficient_conv_bn_eval_fx_passes": recipe.folded}
        # For each size anew: code for all sizes is slower.
        net = torch.compile(net, dynamic=False, options=choices)
    return Way(name, net, recipe.last, recipe.own_type)
