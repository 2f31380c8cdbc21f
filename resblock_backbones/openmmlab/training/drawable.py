"""Ground truth and predictions of MMDetection and MMSegmentation, converted for drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...prediction.run_lengths import mask_of
from .drawings import LabelMap, Objects


def ground_truth_of(info: Mapping[str, Any], result: Any) -> Objects | LabelMap | None:
    """The ground truth of an image.

    Args:
        info: the data set's annotations of it (``get_data_info``).
        result: its data sample, as returned by the model.

    Returns:
        None if there is nothing to draw.
    """
    if "gt_sem_seg" in result:
        return LabelMap(result.gt_sem_seg.data[0].cpu().numpy())
    if "instances" not in info:
        return None
    annotated = [one for one in info["instances"] if not one.get("ignore_flag")]
    boxes = np.array([one["bbox"] for one in annotated], dtype=float).reshape(-1, 4)
    labels = np.array([one["bbox_label"] for one in annotated], dtype=int)
    masks = None
    if "masks" in result.get("pred_instances", ()) and all("mask" in one for one in annotated):
        size = (info["height"], info["width"])
        masks = np.array([mask_of(one["mask"], *size) for one in annotated]).reshape(-1, *size)
    return Objects(boxes, labels, masks=masks)


def prediction_of(result: Any, score_threshold: float) -> Objects | LabelMap | None:
    """The prediction for an image.

    Args:
        result: its data sample, as returned by the model.
        score_threshold: objects with a lower score are left out.

    Returns:
        None if there is nothing to draw.
    """
    if "pred_sem_seg" in result:
        return LabelMap(result.pred_sem_seg.data[0].cpu().numpy())
    if "pred_instances" not in result:
        return None
    found = result.pred_instances.cpu()
    found = found[found.scores >= score_threshold]
    masks = found.masks.numpy() if "masks" in found else None
    return Objects(found.bboxes.numpy(), found.labels.numpy(), found.scores.numpy(), masks)
