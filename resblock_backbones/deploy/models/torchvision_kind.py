"""torchvision's models among those that can be written whole."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.segmentation._utils import _SimpleSegmentationModel

from ...files.model_card import Card
from ...version import __version__
from ..graph.preparation import Preparation
from ..graph.regions import free_pooling
from .compare import Found
from .kinds import WholeModel
from .torchvision_detectors import SingleStage, TwoStage

#: What torchvision's own weights for segmentation are used with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Segmentor(nn.Module):
    """One of torchvision's segmentation models with its preparation: the class of each pixel."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.prepare = Preparation([255 * one for one in MEAN], [255 * one for one in STD])
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return self.model(self.prepare(images))["out"].argmax(1)


def torchvision_model(model: nn.Module, *, raw_masks: bool = False) -> WholeModel | None:
    """A detector or segmentation model of torchvision's as one graph; None of another model."""
    if not isinstance(model, _SimpleSegmentationModel | FasterRCNN | RetinaNet | FCOS):
        return None
    ready: Any = free_pooling(copy.deepcopy(model).cpu().eval().requires_grad_(False))
    made_by = {
        "resblock_backbones": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    if isinstance(ready, _SimpleSegmentationModel):
        card = Card("segmentation", type(model).__name__, mean=MEAN, std=STD, made_by=made_by)
        return WholeModel(Segmentor(ready).eval(), SegmentorReference(model), card)
    graph = TwoStage(ready, raw_masks) if isinstance(ready, FasterRCNN) else SingleStage(ready)
    parts = ready.roi_heads if isinstance(graph, TwoStage) else ready
    masks = isinstance(graph, TwoStage) and graph.has_masks
    transform = ready.transform
    card = Card(
        "detection",
        type(model).__name__,
        resize="keep_ratio",
        size=(int(transform.max_size), int(transform.min_size[-1])),
        most=parts.detections_per_img,
        score_threshold=parts.score_thresh,
        mean=tuple(transform.image_mean),
        std=tuple(transform.image_std),
        divisor=transform.size_divisible,
        masks=("raw" if raw_masks else "whole") if masks else "none",
        made_by=made_by,
    )
    return WholeModel(graph.eval(), DetectorReference(model), card)


class DetectorReference:
    """A detector asked about images as they are, ``(N, 3, H, W)``, uint8."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, images: Tensor) -> list[Found]:
        model = copy.deepcopy(self.model).cpu().eval()
        sides = images.shape[2:]
        model.transform.min_size, model.transform.max_size = (min(sides),), max(sides)
        with torch.no_grad():
            found = model([image.float() / 255 for image in images])
        results = []
        for one in found:
            result = {name: one[name].numpy() for name in ("boxes", "scores", "labels")}
            if "masks" in one:
                result["masks"] = (one["masks"][:, 0] > 0.5).numpy()
            results.append(result)
        return results


class SegmentorReference:
    """A segmentation model asked about images ``(N, 3, H, W)``, uint8."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def __call__(self, images: Tensor) -> list[Found]:
        model = copy.deepcopy(self.model).cpu().eval()
        mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
        with torch.no_grad():
            labels = model((images / 255 - mean) / std)["out"].argmax(1)
        return [{"label_map": one.numpy()} for one in labels]
