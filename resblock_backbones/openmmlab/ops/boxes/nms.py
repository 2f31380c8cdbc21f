"""Hard non-maximum suppression of axis-aligned boxes, on torchvision's kernel."""

import ctypes

import torch
import torchvision
from torch import Tensor

from ..kernel import in_working_dtype


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that no better-scored kept box overlaps by more than `iou_threshold`.

    Args:
        boxes: (N, 4) as x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: a box is suppressed if its IoU is greater than this, not if it is equal.
        offset: 1 if x2 and y2 are the last pixel inside, so that a width is x2 - x1 + 1; else 0.

    Returns:
        (K,) int64 on the device of `boxes`, by descending score, equal scores in input order.
    """
    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.long, device=boxes.device)
    boxes, scores = in_working_dtype(boxes, scores)
    if offset:
        # All widths, heights and overlaps grow by the offset when the far corners move by it.
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    if boxes.dtype == torch.float32:
        # torchvision compares with a double. Boxes on whole pixels often have an IoU of exactly
        # 0.3 in float32, which is above the double 0.3 but, as in MMCV, not above the float32 one.
        iou_threshold = ctypes.c_float(iou_threshold).value
    return torchvision.ops.nms(boxes, scores, iou_threshold)
