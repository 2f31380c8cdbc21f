"""Boxes of MMDetection's dense heads: those of single-stage detectors, and region proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from mmdet.models.dense_heads import GFLHead, RPNHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from torch import Tensor, nn

from ...deploy.graph.half import halved
from ...deploy.graph.selection import Detections, best, listed, of_rows, padded, suppress
from .parts import clipped, iou_threshold, require

DECODED = ("predict_by_feat", "_predict_by_feat_single", "_bbox_post_process")


class Boxes(NamedTuple):
    """The best boxes of all levels: ``(N, M, 4)``, and ``(N, M)`` of each other."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    valid: Tensor
    levels: Tensor


class DenseHead(nn.Module):
    """A dense head with its decoding, as MMDetection's ``predict_by_feat`` does it image by image.

    Args:
        head: the head; is used as it is.
        role: what messages call it.
        fp16: whether its layers compute in half precision.

    Raises:
        ExportError: it decodes in its own way.
    """

    def __init__(self, head: Any, role: str, fp16: bool = False) -> None:
        super().__init__()
        self.proposes = isinstance(head, RPNHead)
        self.distributed = isinstance(head, GFLHead)
        base = RPNHead if self.proposes else GFLHead if self.distributed else BaseDenseHead
        require(head, base, DECODED[1:], role)
        require(head, BaseDenseHead, DECODED[:1], role)
        self.head: Any = head
        self.layers = halved(head, fp16)
        cfg = head.test_cfg
        self.most_before, self.most = cfg.get("nms_pre", -1), int(cfg.max_per_img)
        self.score_threshold = None if self.proposes else float(cfg.get("score_thr", 0))
        self.smallest = float(cfg.get("min_bbox_size", -1))
        self.iou_threshold = iou_threshold(cfg.nms, role)
        self.agnostic = bool(cfg.nms.get("class_agnostic", False))

    def forward(self, maps: Sequence[Tensor], height: int, width: int) -> Detections:
        """Detections, or with an RPN proposals, in an image of that size."""
        found = self._best_boxes(maps, height, width)
        groups = found.levels if self.proposes else found.labels
        chosen = listed(found.boxes, found.scores, groups, found.valid)
        number = len(self.head.prior_generator.strides) if self.proposes else self._classes
        kept = suppress(chosen, self.iou_threshold, classes=number, agnostic=self.agnostic)
        return padded(kept, found.boxes, self.most)

    @property
    def _classes(self) -> int:
        return self.head.num_classes

    def _best_boxes(self, maps: Sequence[Tensor], height: int, width: int) -> Boxes:
        logits, distances, *factors = self.layers(tuple(maps))
        sizes = [one.shape[-2:] for one in logits]
        priors = self.head.prior_generator.grid_priors(sizes, logits[0].dtype, logits[0].device)
        rows = []
        for level, one in enumerate(logits):
            scores = self._scores(_rows(one, self.head.cls_out_channels))  # (N, HWA, C)
            number = scores.shape[2]
            top, index = best(scores.flatten(1), self.most_before)
            anchor, label = index // number, index % number
            boxes = self._decoded(
                of_rows(_rows(distances[level], self._numbers_a_box), anchor),
                priors[level][anchor],
                level,
            )
            boxes = clipped(self.head.bbox_coder, boxes, height, width)
            valid = torch.ones_like(top, dtype=torch.bool)
            if self.score_threshold is not None:
                valid = top > self.score_threshold
            if self.smallest >= 0:
                extent = boxes[..., 2:] - boxes[..., :2]
                valid = valid & (extent > self.smallest).all(2)
            if factors:
                top = top * _rows(factors[0][level], 1).sigmoid()[..., 0].gather(1, anchor)
            rows.append(Boxes(boxes, top, label, valid, torch.full_like(label, level)))
        return Boxes(*(torch.cat(parts, 1) for parts in zip(*rows, strict=True)))

    def _scores(self, logits: Tensor) -> Tensor:
        if getattr(self.head.loss_cls, "custom_cls_channels", False):
            return self.head.loss_cls.get_activation(logits)
        return logits.sigmoid() if self.head.use_sigmoid_cls else logits.softmax(-1)[..., :-1]

    @property
    def _numbers_a_box(self) -> int:
        return 4 * (self.head.reg_max + 1) if self.distributed else self.head.bbox_coder.encode_size

    def _decoded(self, distances: Tensor, priors: Tensor, level: int) -> Tensor:
        """Boxes ``(N, K, 4)`` of ``(N, K, D)``."""
        shape = (*priors.shape[:2], 4)
        distances, priors = distances.flatten(0, 1), priors.flatten(0, 1)
        if self.distributed:
            stride = self.head.prior_generator.strides[level][0]
            distances = self.head.integral(distances) * stride
            priors = self.head.anchor_center(priors)
        return self.head.bbox_coder.decode(priors, distances).view(shape)


def _rows(maps: Tensor, numbers: int) -> Tensor:
    """(N, A numbers, H, W) -> (N, HWA, numbers)."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, numbers)
