"""Models of MMDetection and MMSegmentation as one graph, from the image to what is in it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...deploy.errors import ExportError
from ...deploy.graph.half import halved
from ...deploy.graph.preparation import Preparation
from ...deploy.graph.regions import free_pooling
from ...deploy.models.kinds import copied
from .parts import require


class Detector(nn.Module):
    """A detector of ``(N, 3, H, W)``, RGB, 0 to 255.

    Args:
        model: a single-stage or two-stage detector of MMDetection's.
        raw_masks: give masks as the network does, small ones.
        fp16: compute what is not the choice of boxes in half precision.

    Returns:
        Boxes ``(N, K, 4)``, scores ``(N, K)``, labels ``(N, K)``, their number ``(N,)``, and masks
        ``(N, K, H, W)`` where it has any.

    Raises:
        ExportError: a part of it works in a way that is not known.
    """

    def __init__(self, model: Any, raw_masks: bool = False, fp16: bool = False) -> None:
        from mmdet.models.detectors import SingleStageDetector, TwoStageDetector

        from .dense_heads import DenseHead
        from .region_heads import RegionHead

        super().__init__()
        self.prepare = preparation(model.data_preprocessor)
        self.two_stage = isinstance(model, TwoStageDetector)
        base = TwoStageDetector if self.two_stage else SingleStageDetector
        require(model, base, ("predict", "extract_feat"), "detector")
        self.features = halved(features_of(model), fp16)
        if self.two_stage:
            if not model.with_rpn:
                raise ExportError(f"{type(model).__name__}: takes proposals from outside")
            self.propose = DenseHead(model.rpn_head, "rpn_head", fp16)
            self.regions = RegionHead(model.roi_head, raw_masks, fp16)
        else:
            self.head = DenseHead(model.bbox_head, "bbox_head", fp16)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        height, width = images.shape[2:]
        maps = self.features(self.prepare(images))
        if not self.two_stage:
            return tuple(self.head(maps, height, width))
        proposals = self.propose(maps, height, width)
        found, masks = self.regions(maps, proposals, height, width)
        return tuple(found) if masks is None else (*found, masks)


class Segmentor(nn.Module):
    """A segmentor of ``(N, 3, H, W)``, RGB, 0 to 255: the class of each pixel, ``(N, H, W)``.

    Args:
        model: an ``EncoderDecoder`` of MMSegmentation's.
        logits: give ``(N, C, H, W)`` in place of classes.
        fp16: compute in half precision.

    Raises:
        ExportError: it works in a way that is not known.
    """

    def __init__(self, model: Any, logits: bool = False, fp16: bool = False) -> None:
        from mmseg.models.decode_heads.decode_head import BaseDecodeHead
        from mmseg.models.segmentors import CascadeEncoderDecoder, EncoderDecoder

        super().__init__()
        cascade = isinstance(model, CascadeEncoderDecoder)
        base = CascadeEncoderDecoder if cascade else EncoderDecoder
        require(model, base, ("encode_decode", "extract_feat", "inference", "predict"), "segmentor")
        heads = list(model.decode_head) if cascade else [model.decode_head]
        require(heads[-1], BaseDecodeHead, ("predict", "predict_by_feat"), "decode_head")
        if model.test_cfg.get("mode", "whole") != "whole":
            raise ExportError(
                f"test_cfg.mode={model.test_cfg.mode!r}: windows are no part of a file; "
                "with model.test_cfg.mode=whole the model sees the image at once"
            )
        self.prepare = preparation(model.data_preprocessor, "test_cfg")
        self.features = halved(features_of(model), fp16)
        self.align_corners = heads[-1].align_corners
        self.threshold = heads[-1].threshold if heads[-1].out_channels == 1 else None
        self.heads: Any = nn.ModuleList(halved(head, fp16) for head in heads)
        self.logits = logits

    def forward(self, images: Tensor) -> Tensor:
        x = self.prepare(images)
        size = x.shape[2:]
        maps = self.features(x)
        scores = self.heads[0](maps)
        for head in self.heads[1:]:
            scores = head(maps, scores)
        scores = F.interpolate(scores, size, mode="bilinear", align_corners=self.align_corners)
        scores = scores[:, :, : images.shape[2], : images.shape[3]]
        if self.logits:
            return scores
        if self.threshold is not None:
            return (scores.sigmoid()[:, 0] > self.threshold).to(torch.int64)
        return scores.argmax(1)


def features_of(model: Any) -> nn.Sequential:
    """Backbone and neck."""
    return nn.Sequential(model.backbone, model.neck if model.with_neck else nn.Identity())


def preparation(preprocessor: Any, settings: str | None = None) -> Preparation:
    """What a data preprocessor does with an image in test mode.

    Args:
        preprocessor: the model's.
        settings: the attribute with what holds in test mode, where it has one.
    """
    mean, std = (0.0,) * 3, (1.0,) * 3
    if getattr(preprocessor, "_enable_normalize", False) or getattr(preprocessor, "mean", None):
        mean, std = preprocessor.mean.flatten().tolist(), preprocessor.std.flatten().tolist()
    if len(mean) == 1:
        raise ExportError("data_preprocessor: images of one channel; files take RGB")
    test: dict[str, Any] = (settings and getattr(preprocessor, settings, None)) or {}
    if test.get("size"):
        raise ExportError(f"data_preprocessor.test_cfg.size={test['size']}: images are fixed")
    converts = getattr(preprocessor, "_channel_conversion", None)
    if converts is None:
        converts = getattr(preprocessor, "channel_conversion", False)
    return Preparation(
        mean,
        std,
        reverse=not converts,
        divisor=int(
            test.get("size_divisor") or getattr(preprocessor, "pad_size_divisor", None) or 1
        ),
        pad_value=float(getattr(preprocessor, "pad_value", getattr(preprocessor, "pad_val", 0))),
    )


def whole_model(
    model: Any, *, raw_masks: bool = False, logits: bool = False, fp16: bool = False
) -> Any:
    """A copy of a detector or segmentor as one graph, in eval mode.

    Raises:
        ExportError: it is another kind of model, or a part of it is not known.
    """
    kinds = {base.__name__ for base in type(model).__mro__}
    if "BaseTTAModel" in kinds:
        raise ExportError(
            f"{type(model).__name__}: test-time augmentation merges several views of an image; "
            f"the model inside can be written, {type(model.module).__name__}"
        )
    model = free_pooling(copied(model))
    if kinds & {"SingleStageDetector", "TwoStageDetector"}:
        if logits:
            raise ExportError(f"{type(model).__name__}: logits are those of a segmentor")
        return Detector(model, raw_masks, fp16).eval()
    if "EncoderDecoder" in kinds:
        return Segmentor(model, logits, fp16).eval()
    raise ExportError(
        f"{type(model).__name__}: is no single-stage or two-stage detector, and no EncoderDecoder"
    )
