"""Strides and anchors of the model of a config, for comparison with its objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.registry import init_default_scope

from ...analysis.data_set.anchors import AnchorLevel
from ...analysis.data_set.objects import ModelFacts
from ..configs.scopes import scope_of


def model_facts(cfg: Mapping[str, Any]) -> ModelFacts:
    """What the model of a config needs of objects; little where it is of an unknown kind."""
    model = cfg.get("model") or {}
    head = model.get("rpn_head") or model.get("bbox_head") or {}
    if not isinstance(head, Mapping):
        return ModelFacts()
    generator = head.get("anchor_generator")
    if not generator:
        strides = head.get("strides")
        return ModelFacts(stride=float(min(strides)) if strides else None)
    init_default_scope(scope_of(cfg) or "mmengine")
    from mmdet.registry import TASK_UTILS

    built = TASK_UTILS.build(generator)
    levels = [
        AnchorLevel(np.asarray(anchors, float), (float(stride[0]), float(stride[1])))
        for anchors, stride in zip(built.base_anchors, built.strides, strict=True)
    ]
    trained = model.get("train_cfg") or {}
    assigner = (trained.get("rpn") or trained).get("assigner") or {}
    negative = assigner.get("neg_iou_thr", 0.3)
    if isinstance(negative, list | tuple):
        negative = max(negative)
    strides = [min(one.stride) for one in levels]
    return ModelFacts(min(strides), tuple(levels), float(negative))
