"""Operator name -> function, with the argument names and order that MMCV calls them by.

To add an operator: write it in the module of its kind and enter it here; an operator that is not
entered raises NotImplementedError when called.
"""

from collections.abc import Callable
from typing import Any

import torch
import torchvision

from . import focal_loss
from .boxes import box_overlap, line_nms, nms, soft_nms
from .maps import (
    carafe,
    correlation,
    deform_conv,
    label_growth,
    masked_conv,
    ms_deform_attn,
    psa_mask,
    tin_shift,
)
from .regions import (
    bezier_align,
    border_align,
    deform_roi_pool,
    prroi_pool,
    roi_align,
    roi_pool,
)
from .rotated import (
    chamfer_distance,
    feature_align,
    point_sets,
    quadrilaterals,
    roi_align_rotated,
    rotated_boxes,
    vertex_order,
)

OPERATORS: dict[str, Callable[..., Any]] = {
    "active_rotated_filter_forward": feature_align.active_rotated_filter_forward,
    "active_rotated_filter_backward": feature_align.active_rotated_filter_backward,
    "bbox_overlaps": box_overlap.bbox_overlaps,
    "bezier_align_forward": bezier_align.bezier_align_forward,
    "bezier_align_backward": bezier_align.bezier_align_backward,
    "border_align_forward": border_align.border_align_forward,
    "border_align_backward": border_align.border_align_backward,
    "box_iou_quadri": quadrilaterals.box_iou_quadri,
    "box_iou_rotated": rotated_boxes.box_iou_rotated,
    "carafe_forward": carafe.carafe_forward,
    "carafe_backward": carafe.carafe_backward,
    "carafe_naive_forward": carafe.carafe_naive_forward,
    "carafe_naive_backward": carafe.carafe_naive_backward,
    "chamfer_distance_forward": chamfer_distance.chamfer_distance_forward,
    "chamfer_distance_backward": chamfer_distance.chamfer_distance_backward,
    "contour_expand": label_growth.contour_expand,
    "convex_giou": point_sets.convex_giou,
    "convex_iou": point_sets.convex_iou,
    "correlation_forward": correlation.correlation_forward,
    "correlation_backward": correlation.correlation_backward,
    "deform_conv_forward": deform_conv.deform_conv_forward,
    "deform_conv_backward_input": deform_conv.deform_conv_backward_input,
    "deform_conv_backward_parameters": deform_conv.deform_conv_backward_parameters,
    "deform_roi_pool_forward": deform_roi_pool.deform_roi_pool_forward,
    "deform_roi_pool_backward": deform_roi_pool.deform_roi_pool_backward,
    "diff_iou_rotated_sort_vertices_forward": vertex_order.diff_iou_rotated_sort_vertices_forward,
    "line_nms_forward": line_nms.line_nms_forward,
    "masked_im2col_forward": masked_conv.masked_im2col_forward,
    "masked_col2im_forward": masked_conv.masked_col2im_forward,
    "min_area_polygons": point_sets.min_area_polygons,
    "modulated_deform_conv_forward": deform_conv.modulated_deform_conv_forward,
    "modulated_deform_conv_backward": deform_conv.modulated_deform_conv_backward,
    "ms_deform_attn_forward": ms_deform_attn.ms_deform_attn_forward,
    "ms_deform_attn_backward": ms_deform_attn.ms_deform_attn_backward,
    "nms": nms.nms,
    "nms_match": box_overlap.nms_match,
    "nms_quadri": quadrilaterals.nms_quadri,
    "nms_rotated": rotated_boxes.nms_rotated,
    "pixel_group": label_growth.pixel_group,
    "points_in_polygons_forward": quadrilaterals.points_in_polygons_forward,
    "prroi_pool_forward": prroi_pool.prroi_pool_forward,
    "prroi_pool_backward": prroi_pool.prroi_pool_backward,
    "prroi_pool_coor_backward": prroi_pool.prroi_pool_coor_backward,
    "psamask_forward": psa_mask.psamask_forward,
    "psamask_backward": psa_mask.psamask_backward,
    "riroi_align_rotated_forward": roi_align_rotated.riroi_align_rotated_forward,
    "riroi_align_rotated_backward": roi_align_rotated.riroi_align_rotated_backward,
    "roi_align_forward": roi_align.roi_align_forward,
    "roi_align_backward": roi_align.roi_align_backward,
    "roi_align_rotated_forward": roi_align_rotated.roi_align_rotated_forward,
    "roi_align_rotated_backward": roi_align_rotated.roi_align_rotated_backward,
    "roi_pool_forward": roi_pool.roi_pool_forward,
    "roi_pool_backward": roi_pool.roi_pool_backward,
    "rotated_feature_align_forward": feature_align.rotated_feature_align_forward,
    "rotated_feature_align_backward": feature_align.rotated_feature_align_backward,
    "sigmoid_focal_loss_forward": focal_loss.sigmoid_focal_loss_forward,
    "sigmoid_focal_loss_backward": focal_loss.sigmoid_focal_loss_backward,
    "softmax_focal_loss_forward": focal_loss.softmax_focal_loss_forward,
    "softmax_focal_loss_backward": focal_loss.softmax_focal_loss_backward,
    "softnms": soft_nms.softnms,
    "tin_shift_forward": tin_shift.tin_shift_forward,
    "tin_shift_backward": tin_shift.tin_shift_backward,
}


def compiler_version() -> str:
    """What MMCV's `collect_env` prints as its compiler."""
    return f"none: resblock_backbones on torchvision {torchvision.__version__}"


def cuda_version() -> str:
    """What MMCV's `collect_env` prints as the CUDA version it was compiled with."""
    return f"not available: MMCV is not compiled (PyTorch's CUDA: {torch.version.cuda or 'none'})"


INFORMATION: dict[str, Callable[[], str]] = {
    "get_compiler_version": compiler_version,
    "get_compiling_cuda_version": cuda_version,
}
