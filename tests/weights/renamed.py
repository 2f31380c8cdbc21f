"""Public files' names for networks that other libraries give, written out by hand."""

import re

import torch
from torch import nn


def numbered(state):
    """``nn.Sequential(*resnet.children())``."""
    order = ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "", "fc"]
    return {
        f"{order.index(key.partition('.')[0])}.{key.partition('.')[2]}": tensor
        for key, tensor in state.items()
    }


def rt_detr(state):
    """RT-DETR's own names, from those of timm's resnet50d."""
    renamed = {}
    for key, tensor in state.items():
        if key.startswith("fc."):
            continue
        for number, (conv, norm) in enumerate((("0", "1"), ("3", "4"), ("6", "")), start=1):
            stem = f"conv1.conv1_{number}"
            key = re.sub(rf"^conv1\.{conv}\.", f"{stem}.conv.", key)
            key = re.sub(rf"^conv1\.{norm}\." if norm else r"^bn1\.", f"{stem}.norm.", key)
        match = re.match(r"layer(\d)\.(\d+)\.(\w+?)(\d?)\.(.*)", key)
        if match:
            stage, block, part, number, rest = match.groups()
            base = f"res_layers.{int(stage) - 1}.blocks.{block}"
            if part == "downsample":
                which = {"1": "conv", "2": "norm"}[rest[0]]
                inner = "" if stage == "1" else "conv."
                key = f"{base}.short.{inner}{which}.{rest[2:]}"
            else:
                part = {"conv": "conv", "bn": "norm"}[part]
                key = f"{base}.branch2{'abc'[int(number) - 1]}.{part}.{rest}"
        renamed[key] = tensor
    return renamed


class ClipBlock(nn.Module):
    """A bottleneck that averages in front of its last convolution, as arXiv 2103.00020 says."""

    def __init__(self, inplanes, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)
        self.bn3 = nn.BatchNorm2d(planes * 4)
        self.pool = nn.AvgPool2d(stride)
        if stride > 1 or inplanes != planes * 4:
            self.downsample = nn.Sequential()
            self.downsample.add_module("-1", nn.AvgPool2d(stride))
            self.downsample.add_module("0", nn.Conv2d(inplanes, planes * 4, 1, bias=False))
            self.downsample.add_module("1", nn.BatchNorm2d(planes * 4))
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.pool(self.bn2(self.conv2(y)).relu())
        return (self.bn3(self.conv3(y)) + self.downsample(x)).relu()


class ClipResNet(nn.Module):
    """CLIP's image encoder as far as it is a ResNet, with its names."""

    def __init__(self, blocks=(3, 4, 6, 3), width=64, heads=True):
        super().__init__()
        channels = (3, width // 2, width // 2, width)
        for number in (1, 2, 3):
            conv = nn.Conv2d(
                channels[number - 1],
                channels[number],
                3,
                stride=2 if number == 1 else 1,
                padding=1,
                bias=False,
            )
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", nn.BatchNorm2d(channels[number]))
        inplanes = width
        for stage, count in enumerate(blocks):
            planes = width * 2**stage
            layer = []
            for block in range(count):
                layer.append(ClipBlock(inplanes, planes, 2 if stage and not block else 1))
                inplanes = planes * 4
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layer))
        if heads:
            self.attnpool = nn.Module()
            self.attnpool.positional_embedding = nn.Parameter(torch.zeros(50, inplanes))

    def forward(self, x):
        for number in (1, 2, 3):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)).relu()
        x = nn.functional.avg_pool2d(x, 2)
        outputs = []
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
            outputs.append(x)
        return outputs


def caffe2(state, spelling):
    """Caffe2's names, the four parts of a norm in one of the spellings of Detectron2's files."""
    parts = dict(zip(("weight", "bias", "running_mean", "running_var"), spelling, strict=True))
    renamed = {}
    for key, tensor in state.items():
        layer, _, part = key.rpartition(".")
        if part not in parts or key.startswith("fc."):
            continue
        match = re.match(r"layer(\d)\.(\d+)\.(.*)", layer)
        if match is None:
            base = "conv1" if layer == "conv1" else "res_conv1"
            is_norm = layer == "bn1"
        else:
            stage, block, inner = match.groups()
            is_norm = inner.startswith("bn") or inner == "downsample.1"
            branch = "1" if inner.startswith("downsample") else "2" + "abc"[int(inner[-1]) - 1]
            base = f"res{int(stage) + 1}_{block}_branch{branch}"
        renamed[f"{base}_bn_{parts[part]}" if is_norm else f"{base}_w"] = tensor
    return renamed
