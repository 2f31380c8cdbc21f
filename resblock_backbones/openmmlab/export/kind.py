"""The models of MMDetection and MMSegmentation among those that can be written whole."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from ...deploy.models.compare import Found
from ...deploy.models.kinds import WholeModel
from ...files.model_card import Card
from ...version import __version__

PACKAGES = ("mmdet", "mmseg")


def whole_models(
    model: nn.Module, *, raw_masks: bool = False, logits: bool = False, fp16: bool = False
) -> WholeModel | None:
    """A detector or segmentor as one graph; None of another package's model.

    Raises:
        ExportError: a part of it is not known.
    """
    home = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    if not home & set(PACKAGES):
        return None
    from .whole_models import Detector, whole_model

    graph = whole_model(model, raw_masks=raw_masks, logits=logits, fp16=fp16)
    meta: Mapping[str, Any] = getattr(model, "dataset_meta", None) or {}
    card = Card(
        task="detection" if isinstance(graph, Detector) else "segmentation",
        model=type(model).__name__,
        classes=tuple(meta.get("classes") or ()),
        palette=tuple(map(tuple, meta.get("palette") or ())),
        mean=tuple(graph.prepare.mean.flatten().tolist()),
        std=tuple(graph.prepare.std.flatten().tolist()),
        divisor=graph.prepare.divisor,
        precision="float16" if fp16 else "float32",
        made_by=_versions(),
        **(_of_detector(graph, model) if isinstance(graph, Detector) else _of_segmentor(graph)),
    )
    return WholeModel(graph, Reference(model, logits), card)


class Reference:
    """A model asked as MMEngine asks it, about images ``(N, 3, H, W)``, uint8, RGB.

    Args:
        model: the model.
        logits: give those of a segmentor, in place of classes.
    """

    def __init__(self, model: Any, logits: bool = False) -> None:
        self.model, self.logits = model, logits

    def __call__(self, images: Tensor) -> list[Found]:
        size = tuple(images.shape[2:])
        info = {"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0), "img_id": 0}
        name = "DetDataSample" if self._detects() else "SegDataSample"
        package = "mmdet" if self._detects() else "mmseg"
        sample = getattr(importlib.import_module(f"{package}.structures"), name)
        batch = {
            "inputs": [image.flip(0) for image in images],  # BGR, as loaders give them
            "data_samples": [sample(metainfo=dict(info)) for _ in images],
        }
        training = self.model.training
        self.model.eval()
        try:
            with torch.no_grad():
                return [_found(one, self.logits) for one in self.model.test_step(batch)]
        finally:
            self.model.train(training)

    def _detects(self) -> bool:
        return any(base.__module__.startswith("mmdet.") for base in type(self.model).__mro__)


def _found(result: BaseDataElement, logits: bool) -> Found:
    if logits:
        return {"logits": result.seg_logits.data.cpu().numpy()}
    if hasattr(result, "pred_sem_seg"):
        return {"label_map": result.pred_sem_seg.data[0].cpu().numpy()}
    objects = result.pred_instances
    found = {
        "boxes": objects.bboxes.cpu().numpy(),
        "scores": objects.scores.cpu().numpy(),
        "labels": objects.labels.cpu().numpy(),
    }
    if "masks" in objects:
        found["masks"] = np.asarray(torch.as_tensor(objects.masks).cpu(), bool)
    return found


def _of_detector(graph: Any, model: Any) -> dict[str, Any]:
    last = graph.regions if graph.two_stage else graph.head
    masked = graph.two_stage and model.roi_head.with_mask
    return {
        "most": last.most,
        "score_threshold": last.score_threshold or 0.0,
        "masks": ("raw" if graph.regions.raw_masks else "whole") if masked else "none",
    }


def _of_segmentor(graph: Any) -> dict[str, Any]:
    return {"logits": graph.logits, "score_threshold": float(graph.threshold or 0)}


def _versions() -> dict[str, str]:
    found = {"resblock_backbones": __version__, "torch": torch.__version__}
    for package in ("mmengine", "mmcv", *PACKAGES):
        if package in sys.modules:
            found[package] = sys.modules[package].__version__
    return found
