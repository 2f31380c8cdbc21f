"""torchvision's detectors as one graph: Faster and Mask R-CNN, RetinaNet, FCOS.

Their own code walks over images and levels and lets sizes depend on what is found, which
``torch.export`` refuses; here all images are one batch, and what is missing is padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ExportError
from ..graph.half import halved
from ..graph.masks import paste_whole_pixels
from ..graph.preparation import Preparation
from ..graph.regions import pool_regions, with_image_numbers
from ..graph.selection import Detections, best, clip, listed, of_rows, padded, suppress

#: torchvision's own: smaller boxes are no objects.
SMALLEST = 1e-2
#: The parts of a detector that are layers alone; between them boxes are chosen.
LAYERS = (
    "backbone",
    "head",
    "rpn.head",
    "roi_heads.box_head",
    "roi_heads.box_predictor",
    "roi_heads.mask_head",
    "roi_heads.mask_predictor",
)


class Detector(nn.Module):
    """What the detectors share: preparation, feature maps, anchors.

    Args:
        model: is used as it is; with ``fp16`` its layers become float16.
        fp16: whether they compute in half precision.
    """

    def __init__(self, model: Any, fp16: bool = False) -> None:
        super().__init__()
        transform = model.transform
        self.prepare = Preparation(
            [255 * value for value in transform.image_mean],
            [255 * value for value in transform.image_std],
            divisor=transform.size_divisible,
        )
        self.model: Any = model
        for part in LAYERS if fp16 else ():
            path, _, name = part.rpartition(".")
            parent = getattr(model, path, None) if path else model
            if getattr(parent, name, None) is not None:
                setattr(parent, name, halved(getattr(parent, name), fp16))

    def maps_of(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        x = self.prepare(images)
        maps = self.model.backbone(x)
        return x, {"0": maps} if isinstance(maps, Tensor) else maps

    def anchors(self, generator: Any, x: Tensor, maps: Sequence[Tensor]) -> list[Tensor]:
        """Of each level ``(HWA, 4)``."""
        levels = []
        for base, one in zip(generator.cell_anchors, maps, strict=True):
            height, width = one.shape[2:]
            # Not the level's stride: the last levels have odd sizes.
            down = torch.arange(height) * (x.shape[2] // height)
            across = torch.arange(width) * (x.shape[3] // width)
            y, x_ = down[:, None].expand(-1, width), across[None].expand(height, -1)
            shifts = torch.stack((x_, y, x_, y), 2).reshape(-1, 1, 4)
            levels.append((shifts.to(base.dtype) + base[None]).reshape(-1, 4))
        return levels


class SingleStage(Detector):
    """RetinaNet (arXiv 1708.02002) and FCOS (arXiv 1904.01355)."""

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        height, width = images.shape[2:]
        x, named = self.maps_of(images)
        maps, model = list(named.values()), self.model
        outputs = model.head(maps)
        priors = self.anchors(model.anchor_generator, x, maps)
        boxes, scores, labels, begin = [], [], [], 0
        for anchors in priors:
            rows = slice(begin, begin + anchors.shape[0])
            begin = begin + anchors.shape[0]
            surety = outputs["cls_logits"][:, rows].sigmoid()
            if "bbox_ctrness" in outputs:
                surety = (surety * outputs["bbox_ctrness"][:, rows].sigmoid()).sqrt()
            classes = surety.shape[2]
            top, index = best(surety.flatten(1), model.topk_candidates)
            anchor, label = index // classes, index % classes
            deltas = of_rows(outputs["bbox_regression"][:, rows], anchor).flatten(0, 1)
            decode = getattr(model.box_coder, "decode_single", model.box_coder.decode)
            decoded = decode(deltas, anchors[anchor].flatten(0, 1)).view(*top.shape, 4)
            boxes.append(clip(decoded, height, width))
            scores.append(top)
            labels.append(label)
        score = torch.cat(scores, 1)
        found = listed(torch.cat(boxes, 1), score, torch.cat(labels, 1), score > model.score_thresh)
        kept = suppress(found, model.nms_thresh, classes=classes)
        return tuple(padded(kept, score, model.detections_per_img))


class TwoStage(Detector):
    """Faster R-CNN (arXiv 1506.01497) and Mask R-CNN (arXiv 1703.06870).

    Raises:
        ExportError: it has keypoints.
    """

    def __init__(self, model: Any, raw_masks: bool = False, fp16: bool = False) -> None:
        super().__init__(model, fp16)
        if model.roi_heads.has_keypoint():
            raise ExportError(f"{type(model).__name__}: keypoints are not written")
        self.raw_masks, self.has_masks = raw_masks, model.roi_heads.has_mask()
        with torch.no_grad():
            maps = self.model.backbone(torch.zeros(1, 3, 256, 256))
        maps = {"0": maps} if isinstance(maps, Tensor) else maps
        self.scales = {
            name: 2.0 ** round(math.log2(one.shape[2] / 256)) for name, one in maps.items()
        }

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        height, width = images.shape[2:]
        x, maps = self.maps_of(images)
        proposals = self._proposals(x, list(maps.values()), height, width)
        found = self._objects(maps, proposals, height, width)
        if not self.has_masks:
            return tuple(found)
        return (*found, self._masks(maps, found, height, width))

    def _proposals(self, x: Tensor, maps: list[Tensor], height: int, width: int) -> Detections:
        rpn = self.model.rpn
        logits, deltas = rpn.head(maps)
        boxes, scores, levels = [], [], []
        anchors = self.anchors(rpn.anchor_generator, x, maps)
        for level, prior in enumerate(anchors):
            number = logits[level].shape[0]
            surety = logits[level].permute(0, 2, 3, 1).reshape(number, -1)
            values = deltas[level].view(number, -1, 4, *deltas[level].shape[2:])
            values = values.permute(0, 3, 4, 1, 2).reshape(number, -1, 4)
            top, index = best(surety, rpn._pre_nms_top_n["testing"])
            chosen = of_rows(values, index).flatten(0, 1)
            decoded = rpn.box_coder.decode_single(chosen, prior[index].flatten(0, 1))
            boxes.append(clip(decoded.view(*top.shape, 4), height, width))
            scores.append(top.sigmoid())
            levels.append(torch.full_like(index, level))
        box, score = torch.cat(boxes, 1), torch.cat(scores, 1)
        valid = ((box[..., 2:] - box[..., :2]) >= rpn.min_size).all(2) & (score >= rpn.score_thresh)
        found = listed(box, score, torch.cat(levels, 1), valid)
        kept = suppress(found, rpn.nms_thresh, classes=len(maps))
        return padded(kept, score, rpn._post_nms_top_n["testing"])

    def _objects(
        self, maps: dict[str, Tensor], proposals: Detections, height: int, width: int
    ) -> Detections:
        heads = self.model.roi_heads
        pooled = self._pooled(heads.box_roi_pool, maps, proposals.boxes)
        logits, deltas = heads.box_predictor(heads.box_head(pooled))
        batch, number = proposals.scores.shape
        classes = logits.shape[1]
        boxes = heads.box_coder.decode_single(deltas, proposals.boxes.flatten(0, 1))
        boxes = clip(boxes.view(-1, classes, 4)[:, 1:], height, width).reshape(batch, -1, 4)
        scores = logits.softmax(1)[:, 1:].reshape(batch, -1)  # 0 is the background
        labels = torch.arange(1, classes).repeat(number).expand_as(scores)
        real = torch.arange(number) < proposals.counts[:, None]
        real = real[:, :, None].expand(-1, -1, classes - 1).flatten(1)
        large = ((boxes[..., 2:] - boxes[..., :2]) >= SMALLEST).all(2)
        found = listed(boxes, scores, labels, (scores > heads.score_thresh) & real & large)
        kept = suppress(found, heads.nms_thresh, classes=classes)
        return padded(kept, scores, heads.detections_per_img)

    def _pooled(self, pool: Any, maps: dict[str, Tensor], boxes: Tensor) -> Tensor:
        names = [name for name in maps if name in pool.featmap_names]
        regions = with_image_numbers(boxes)
        scales = [self.scales[name] for name in names]
        area = (regions[:, 3] - regions[:, 1]) * (regions[:, 4] - regions[:, 2])
        # Eq. 1 of the FPN paper (arXiv 1612.03144).
        level = pool.canonical_level + torch.log2(area.sqrt() / pool.canonical_scale) + 1e-6
        first, last = (-round(math.log2(scale)) for scale in (scales[0], scales[-1]))
        return pool_regions(
            [maps[name] for name in names],
            regions,
            level.floor().clamp(first, last).to(torch.int64) - first,
            size=pool.output_size,
            scales=scales,
            sampling_ratio=pool.sampling_ratio,
            aligned=False,
        )

    def _masks(self, maps: dict[str, Tensor], found: Detections, height: int, width: int) -> Tensor:
        heads = self.model.roi_heads
        pooled = self._pooled(heads.mask_roi_pool, maps, found.boxes)
        masks = heads.mask_predictor(heads.mask_head(pooled)).sigmoid()
        index = found.labels.flatten()[:, None, None, None].expand(-1, 1, *masks.shape[2:])
        masks = masks.gather(1, index)[:, 0]
        if not self.raw_masks:
            boxes = found.boxes.flatten(0, 1)
            masks = paste_whole_pixels(masks, boxes, height, width) > 0.5
        return masks.view(*found.scores.shape, *masks.shape[1:])
