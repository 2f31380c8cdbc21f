"""One training step of a whole Faster R-CNN R50-FPN, with MMDetection's ResNet and FlexResNet."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import resblock_backbones  # noqa: F401  (before MMDetection, which asks for MMCV's operators)

from mmdet.registry import MODELS  # isort: skip
from mmdet.structures import DetDataSample  # isort: skip
from mmdet.utils import register_all_modules  # isort: skip
from mmengine.config import Config  # isort: skip
from mmengine.structures import InstanceData  # isort: skip

CONFIG = Path(__file__).parents[1] / "configs/_base_/models/faster-rcnn_flexr_fpn.py"
NAMES = ("MMDetection's ResNet", "FlexResNet")


def detectors(depth: int) -> dict[str, nn.Module]:
    """The same detector twice, with the same weights."""
    register_all_modules(init_default_scope=True)
    config = Config.fromfile(CONFIG).model
    config.backbone.update(depth=depth, init_cfg=None)
    if depth < 50:
        config.neck.in_channels = [64, 128, 256, 512]
    torch.manual_seed(0)
    ours = MODELS.build(copy.deepcopy(config))
    logging.disable(logging.INFO)  # a line for each layer
    ours.init_weights()
    logging.disable(logging.NOTSET)
    config.backbone.type = "ResNet"
    theirs = MODELS.build(config)
    state = theirs.state_dict()
    renamed = {key: ours_key for ours_key in ours.state_dict() for key in (_theirs(ours_key),)}
    theirs.load_state_dict({key: ours.state_dict()[renamed[key]] for key in state})
    return {NAMES[0]: theirs.train(), NAMES[1]: ours.train()}


def _theirs(name: str) -> str:
    return name.replace(".residual.", ".downsample.") if name.startswith("backbone.") else name


class Step:
    """A training step: losses, gradients, SGD with momentum; with a rate of 0 all stay equal."""

    def __init__(self, model: nn.Module, size: int) -> None:
        self.model = model
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(learning, lr=0.0, momentum=0.9)
        torch.manual_seed(1)
        self.image = torch.randn(1, 3, size, size)
        corners = torch.rand(10, 2) * size / 2
        boxes = torch.cat([corners, corners + size / 16 + torch.rand(10, 2) * size / 3], 1)
        sample = DetDataSample(
            metainfo={
                "img_shape": (size, size),
                "pad_shape": (size, size),
                "batch_input_shape": (size, size),
                "scale_factor": (1.0, 1.0),
            }
        )
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.randint(80, (10,)))
        self.samples = [sample]

    def __call__(self) -> float:
        """The sum of the losses."""
        loss = self.forward()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def forward(self) -> Tensor:
        """The sum of the losses, before the backward pass."""
        torch.manual_seed(2)  # the samples of proposals are then the same
        return _total(self.model.loss(self.image, copy.deepcopy(self.samples)))


def _total(losses: dict[str, Any]) -> Tensor:
    listed = (loss for name, loss in losses.items() if "loss" in name)
    return sum(sum(loss) if isinstance(loss, list) else loss for loss in listed)  # type: ignore[return-value]
