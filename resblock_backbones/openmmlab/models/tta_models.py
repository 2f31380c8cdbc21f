"""Models under test-time augmentation: one prediction of several views of an image.

MMDetection's `DetTTAModel` refuses masks, and MMSegmentation's `SegTTAModel` takes the sigmoid of a
model with one channel twice, so that all pixels are foreground. These two do what both mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.models import DetTTAModel
from mmengine.structures import InstanceData, PixelData
from mmseg.models import SegTTAModel
from torch import Tensor

#: Axes of `(N, H, W)` that a view was mirrored along.
AXES = {"horizontal": [2], "vertical": [1], "diagonal": [1, 2]}


class ObjectsOfViews(DetTTAModel):
    """MMDetection's `DetTTAModel`; an object of a model with masks keeps that of its best view."""

    def _merge_single_sample(self, data_samples: Sequence[Any]) -> Any:
        if "masks" not in data_samples[0].pred_instances:
            return super()._merge_single_sample(data_samples)
        views = [one.pred_instances for one in data_samples]
        boxes, scores = self.merge_aug_bboxes(
            [one.bboxes for one in views],
            [one.scores for one in views],
            [one.metainfo for one in data_samples],
        )
        if not len(boxes):
            return data_samples[0]
        labels = torch.cat([one.labels for one in views])
        masks = torch.cat([_turned_back(one) for one in data_samples])
        found, kept = batched_nms(boxes, scores, labels, self.tta_cfg.nms)
        found, kept = found[: self.tta_cfg.max_per_img], kept[: self.tta_cfg.max_per_img]
        merged = data_samples[0]
        merged.pred_instances = InstanceData(
            bboxes=found[:, :4], scores=found[:, 4], labels=labels[kept], masks=masks[kept]
        )
        return merged


class ScoresOfViews(SegTTAModel):
    """MMSegmentation's `SegTTAModel`; the mean of the views' probabilities is kept beside it."""

    def merge_preds(self, data_samples_list: Sequence[Sequence[Any]]) -> list[Any]:
        return [self._merged(views) for views in data_samples_list]

    def _merged(self, views: Sequence[Any]) -> Any:
        scores = [one.seg_logits.data for one in views]
        if len(scores[0]) > 1:  # of one channel they are probabilities already
            scores = [one.softmax(0) for one in scores]
        mean = torch.stack(scores).mean(0)
        if len(mean) > 1:
            label_map = mean.argmax(0, keepdim=True)
        else:
            label_map = (mean > self.module.decode_head.threshold).long()
        merged = views[0]
        merged.set_data(
            {"seg_logits": PixelData(data=mean), "pred_sem_seg": PixelData(data=label_map)}
        )
        return merged


def _turned_back(view: Any) -> Tensor:
    masks = torch.as_tensor(view.pred_instances.masks)
    if not view.metainfo["flip"]:
        return masks
    return masks.flip(AXES[view.metainfo["flip_direction"]])
