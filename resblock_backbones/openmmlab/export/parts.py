"""Whether a part of a model computes what the exported graph writes in its place."""

from __future__ import annotations

from typing import Any

from mmdet.models.task_modules.coders import LegacyDeltaXYWHBBoxCoder
from torch import Tensor

from ...deploy.errors import ExportError
from ...deploy.graph.selection import clip


def require(part: Any, base: type, methods: tuple[str, ...], role: str) -> None:
    """See to it that ``part`` has the methods of ``base``, none of its own.

    Raises:
        ExportError: it has not; names the part and the method.
    """
    kind = type(part)
    for method in methods:
        if getattr(kind, method, None) is not getattr(base, method):
            raise ExportError(
                f"{role} {kind.__name__}: has a {method} of its own, whose steps depend on the "
                f"image in ways that are not written yet; what {base.__name__} does is"
            )


def iou_threshold(nms: Any, role: str) -> float:
    """The threshold of a plain suppression.

    Raises:
        ExportError: it is of another kind.
    """
    given = dict(nms)
    kind = given.pop("type", "nms")
    threshold = given.pop("iou_threshold", None)
    for known in ("class_agnostic", "split_thr"):
        given.pop(known, None)
    if kind != "nms" or threshold is None or given:
        raise ExportError(f"{role}: nms={dict(nms)}: only type='nms' with an iou_threshold")
    return float(threshold)


def clipped(coder: Any, boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes ``(..., 4)`` cut off at an image's borders, as a coder's ``decode`` does it.

    The coder of MMDetection 1.x lets them end at the centre of the last pixel.
    """
    if isinstance(coder, LegacyDeltaXYWHBBoxCoder):
        return clip(boxes, height - 1, width - 1)
    return clip(boxes, height, width) if coder.clip_border else boxes
