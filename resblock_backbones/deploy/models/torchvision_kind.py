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
from ..errors import ExportError
from ..graph.half import halved
from ..graph.preparation import Preparation
from ..graph.regions import free_pooling
from .compare import Found
from .kinds import WholeModel, copied
from .torchvision_detectors import SingleStage, TwoStage

#: What torchvision's own weights for segmentation are used with.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Segmentation models: logits of each pixel under ``"out"``. Adapters add their own.
SEGMENTATION_MODELS: list[type[nn.Module]] = [_SimpleSegmentationModel]


class Segmentor(nn.Module):
    """One of torchvision's segmentation models with its preparation: the class of each pixel.

    Args:
        model: is used as it is; with ``fp16`` it becomes float16.
        logits: give ``(N, C, H, W)`` in place of classes.
        fp16: compute in half precision.
    """

    def __init__(self, model: nn.Module, logits: bool = False, fp16: bool = False) -> None:
        super().__init__()
        self.prepare = Preparation([255 * one for one in MEAN], [255 * one for one in STD])
        self.model, self.logits = halved(model, fp16), logits

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model(self.prepare(images))["out"]
        return logits if self.logits else logits.argmax(1)


def torchvision_model(
    model: nn.Module, *, raw_masks: bool = False, logits: bool = False, fp16: bool = False
) -> WholeModel | None:
    """A detector or segmentation model of torchvision's as one graph; None of another model.

    Raises:
        ExportError: a part of it cannot be written.
    """
    segments = isinstance(model, tuple(SEGMENTATION_MODELS))
    if not segments and not isinstance(model, FasterRCNN | RetinaNet | FCOS):
        return None
    ready: Any = free_pooling(copied(model))
    told: dict[str, Any] = {"precision": "float16" if fp16 else "float32"}
    told["made_by"] = {
        "resblock_backbones": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }
    if segments:
        told |= {"mean": MEAN, "std": STD, "logits": logits}
        card = Card("segmentation", type(model).__name__, **told)
        graph: nn.Module = Segmentor(ready, logits, fp16)
        return WholeModel(graph.eval(), SegmentorReference(model, logits), card)
    if logits:
        raise ExportError(f"{type(model).__name__}: logits are those of a segmentor")
    two_stage = isinstance(ready, FasterRCNN)
    graph = TwoStage(ready, raw_masks, fp16) if two_stage else SingleStage(ready, fp16)
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
        **told,
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
    """A segmentation model asked about images ``(N, 3, H, W)``, uint8; for classes or logits."""

    def __init__(self, model: Any, logits: bool = False) -> None:
        self.model, self.logits = model, logits

    def __call__(self, images: Tensor) -> list[Found]:
        model = copy.deepcopy(self.model).cpu().eval()
        mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
        with torch.no_grad():
            logits = model((images / 255 - mean) / std)["out"]
        if self.logits:
            return [{"logits": one.numpy()} for one in logits]
        return [{"label_map": one.argmax(0).numpy()} for one in logits]
