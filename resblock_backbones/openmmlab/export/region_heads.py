"""Boxes and masks of MMDetection's region heads: Faster, Mask and Cascade R-CNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
from mmdet.models.roi_heads.bbox_heads import BBoxHead
from mmdet.models.roi_heads.mask_heads import FCNMaskHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor, nn

from ...deploy.errors import ExportError
from ...deploy.graph.half import halved
from ...deploy.graph.masks import paste
from ...deploy.graph.regions import pool_regions, with_image_numbers
from ...deploy.graph.selection import Detections, listed, padded, suppress
from .parts import clipped, iou_threshold, require


class RegionHead(nn.Module):
    """A region head with its decoding, as MMDetection's ``predict`` does it image by image.

    Args:
        head: the head; is used as it is.
        raw_masks: give masks as the network does, small ones, not of the image's size.
        fp16: whether its layers compute in half precision.

    Raises:
        ExportError: a part of it works in its own way.
    """

    def __init__(self, head: Any, raw_masks: bool = False, fp16: bool = False) -> None:
        super().__init__()
        self.cascade = isinstance(head, CascadeRoIHead)
        base = CascadeRoIHead if self.cascade else StandardRoIHead
        methods: tuple[str, ...] = ("predict", "predict_bbox", "_bbox_forward")
        methods += ("_refine_roi",) if self.cascade else ()
        methods += ("predict_mask", "_mask_forward") if head.with_mask else ()
        require(head, base, methods, "roi_head")
        if getattr(head, "with_semantic", False):
            raise ExportError(f"roi_head {type(head).__name__}: has a semantic branch")
        self.head: Any = head
        self.raw_masks = raw_masks
        for stage in self._stages:
            require(stage, BBoxHead, ("_predict_by_feat_single", "regress_by_class"), "bbox_head")
        for extractor in self._listed("bbox_roi_extractor"):
            require(extractor, SingleRoIExtractor, ("forward", "map_roi_levels"), "roi extractor")
        if head.with_mask:
            for extractor in self._listed("mask_roi_extractor"):
                require(
                    extractor, SingleRoIExtractor, ("forward", "map_roi_levels"), "roi extractor"
                )
            for mask_head in self._listed("mask_head"):
                names = ("predict_by_feat", "_predict_by_feat_single")
                require(mask_head, FCNMaskHead, names, "mask_head")
        self.shared = halved(head.shared_head, fp16) if head.with_shared_head else nn.Identity()
        self.ask_boxes: Any = nn.ModuleList(halved(one, fp16) for one in self._stages)
        masks = self._listed("mask_head") if head.with_mask else []
        self.ask_masks: Any = nn.ModuleList(halved(one, fp16) for one in masks)
        cfg = head.test_cfg
        self.score_threshold, self.most = float(cfg.score_thr), int(cfg.max_per_img)
        self.iou_threshold = iou_threshold(cfg.nms, "roi_head")
        self.agnostic = bool(cfg.nms.get("class_agnostic", False))

    @property
    def _stages(self) -> list[Any]:
        return self._listed("bbox_head")

    def _listed(self, name: str) -> list[Any]:
        part = getattr(self.head, name)
        return list(part) if isinstance(part, nn.ModuleList) else [part]

    def forward(
        self, maps: Sequence[Tensor], proposals: Detections, height: int, width: int
    ) -> tuple[Detections, Tensor | None]:
        """Detections, and their masks ``(N, K, H, W)`` where the model has any."""
        batch, number = proposals.scores.shape
        regions = proposals.boxes.flatten(0, 1)
        total: Tensor | None = None
        for index, stage in enumerate(self._stages):
            scores, deltas = self._ask(index, maps, regions.view(batch, number, 4))
            total = scores if total is None else total + scores
            if index + 1 < len(self._stages):
                regions = _refined(stage, regions, scores, deltas, height, width)
        assert total is not None
        boxes = _boxes(stage, regions, deltas, height, width)  # (NR, C or 1, 4)
        scores = _activated(stage, total / len(self._stages))[:, :-1]
        classes = scores.shape[1]
        boxes = boxes.expand(-1, classes, -1).reshape(batch, -1, 4)
        scores = scores.reshape(batch, -1)
        # What fills the proposals up to their number is none.
        place = torch.arange(number, device=scores.device)
        real = (place < proposals.counts[:, None])[:, :, None].expand(-1, -1, classes)
        labels = torch.arange(classes, device=scores.device).repeat(number).expand_as(scores)
        valid = (scores > self.score_threshold) & real.flatten(1)
        chosen = suppress(
            listed(boxes, scores, labels, valid),
            self.iou_threshold,
            classes=classes,
            agnostic=self.agnostic,
        )
        found = padded(chosen, scores, self.most)
        return found, self._masks(maps, found, height, width) if self.head.with_mask else None

    def _ask(self, index: int, maps: Sequence[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        extractor = self._listed("bbox_roi_extractor")[index]
        return self.ask_boxes[index](self._pooled(extractor, maps, boxes))

    def _pooled(self, extractor: Any, maps: Sequence[Tensor], boxes: Tensor) -> Tensor:
        used = maps[: extractor.num_inputs]
        regions = with_image_numbers(boxes)
        layer = extractor.roi_layers[0]
        if type(layer).__name__ != "RoIAlign" or layer.pool_mode != "avg":
            raise ExportError(f"roi extractor: {layer}: only RoIAlign with averages is written")
        pooled = pool_regions(
            used,
            regions,
            extractor.map_roi_levels(regions, len(used)),
            size=layer.output_size,
            scales=[one.spatial_scale for one in extractor.roi_layers[: len(used)]],
            sampling_ratio=layer.sampling_ratio,
            aligned=layer.aligned,
        )
        return self.shared(pooled)

    def _masks(self, maps: Sequence[Tensor], found: Detections, height: int, width: int) -> Tensor:
        labels = found.labels.flatten()
        total: Tensor | None = None
        heads = self.ask_masks
        for extractor, head in zip(self._listed("mask_roi_extractor"), heads, strict=True):
            masks = head(self._pooled(extractor, maps, found.boxes)).sigmoid()  # (NK, C, h, w)
            if masks.shape[1] > 1:
                index = labels[:, None, None, None].expand(-1, 1, *masks.shape[2:])
                masks = masks.gather(1, index)
            total = masks[:, 0] if total is None else total + masks[:, 0]
        assert total is not None
        masks = total / len(heads)
        if not self.raw_masks:
            masks = paste(masks, found.boxes.flatten(0, 1), height, width)
            masks = masks >= self.head.test_cfg.mask_thr_binary
        return masks.view(*found.scores.shape, *masks.shape[1:])


def _activated(stage: Any, logits: Tensor) -> Tensor:
    return stage.loss_cls.get_activation(logits) if stage.custom_cls_channels else logits.softmax(1)


def _boxes(stage: Any, regions: Tensor, deltas: Tensor, height: int, width: int) -> Tensor:
    """(R, C or 1, 4) of (R, 4) and (R, 4 C) or (R, 4)."""
    number = deltas.shape[1] // 4
    repeated = regions[:, None].expand(-1, number, -1).reshape(-1, 4)
    boxes = stage.bbox_coder.decode(repeated, deltas.reshape(-1, 4))
    boxes = clipped(stage.bbox_coder, boxes, height, width)
    return boxes.view(-1, number, 4)


def _refined(
    stage: Any, regions: Tensor, logits: Tensor, deltas: Tensor, height: int, width: int
) -> Tensor:
    """The regions of the next stage of a cascade."""
    scores = stage.loss_cls.get_activation(logits) if stage.custom_activation else logits
    boxes = _boxes(stage, regions, deltas, height, width)
    if boxes.shape[1] == 1:
        return boxes[:, 0]
    label = scores[:, :-1].argmax(1)
    return boxes.gather(1, label[:, None, None].expand(-1, 1, 4))[:, 0]
