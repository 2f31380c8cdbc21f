"""An operator inside an exported program computes on new inputs what it computes outside of it.

Operators fill tensors that MMCV hands them, which an exporter can miss without a word.
"""

import mmcv.ops as ops
import pytest
import torch
from mmcv.ops.active_rotated_filter import active_rotated_filter
from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
from torch import nn


def normal(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape, seed):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def boxes(number, seed):
    """(number, 4) in an image of 16 x 16."""
    corner, size = 8 * uniform(number, 2, seed=seed), 1 + 7 * uniform(number, 2, seed=seed + 1)
    return torch.cat((corner, corner + size), 1)


def regions(seed):
    return torch.cat((torch.tensor([[0.0], [1.0], [1.0]]), boxes(3, seed)), 1)


def maps(seed, channels=4):
    return normal(2, channels, 8, 8, seed=seed)


def rotated(number, seed):
    angle = uniform(number, 1, seed=seed + 2)
    return torch.cat(
        (8 + 4 * normal(number, 2, seed=seed), 2 + 4 * uniform(number, 2, seed=seed + 1), angle), 1
    )


def quadrilaterals(number, seed):
    """(number, 8) boxes with corners in order, written as quadrilaterals."""
    return boxes(number, seed)[:, [0, 1, 2, 1, 2, 3, 0, 3]]


def attention(value, points, weights):
    shapes = torch.tensor([[4, 4], [2, 2]])
    return MultiScaleDeformableAttnFunction.apply(
        value, shapes, torch.tensor([0, 16]), points, weights, 64
    )


#: name -> function, and inputs for a seed.
OPERATORS = {
    "roi_align": (lambda x, r: ops.roi_align(x, r, 2, 0.5, 2), lambda s: (maps(s), regions(s))),
    "roi_align of one point a pixel": (
        lambda x, r: ops.roi_align(x, r, 2, 0.5, 0),
        lambda s: (maps(s), regions(s)),
    ),
    "roi_align, maximum": (
        lambda x, r: ops.roi_align(x, r, 2, 0.5, 2, "max"),
        lambda s: (maps(s), regions(s)),
    ),
    "roi_pool": (lambda x, r: ops.roi_pool(x, r, 2, 0.5), lambda s: (maps(s), regions(s))),
    "deform_roi_pool": (
        lambda x, r, o: ops.deform_roi_pool(x, r, o, (2, 2), 0.5, 2, 0.1),
        lambda s: (maps(s), regions(s), normal(3, 2, 2, 2, seed=s)),
    ),
    "border_align": (
        lambda x, b: ops.border_align(x, b, 3),
        lambda s: (maps(s, 8), boxes(2 * 64, s).view(2, 64, 4) / 2),
    ),
    "bezier_align": (
        lambda x, r: ops.bezier_align(x, r, 2, 0.5, 2),
        lambda s: (maps(s), torch.cat((torch.ones(2, 1), 16 * uniform(2, 16, seed=s)), 1)),
    ),
    "prroi_pool": (
        lambda x, r: ops.prroi_pool(x, r, (2, 2), 0.5),
        lambda s: (maps(s), regions(s)),
    ),
    "correlation": (ops.Correlation(3, 2, padding=1), lambda s: (maps(s), maps(s + 9))),
    "tin_shift": (
        ops.tin_shift,
        lambda s: (
            normal(2, 4, 8, 3, seed=s),
            torch.tensor([[1, 0, 1, -2], [-2, 1, -1, s]], dtype=torch.int32),
        ),
    ),
    "deform_conv": (
        lambda x, o, w: ops.deform_conv2d(x, o, w, 1, 1),
        lambda s: (maps(s), normal(2, 18, 8, 8, seed=s), normal(3, 4, 3, 3, seed=s)),
    ),
    "modulated_deform_conv": (
        lambda x, o, m, w, b: ops.modulated_deform_conv2d(x, o, m, w, b, 1, 1),
        lambda s: (
            maps(s),
            normal(2, 18, 8, 8, seed=s),
            uniform(2, 9, 8, 8, seed=s),
            normal(3, 4, 3, 3, seed=s),
            normal(3, seed=s),
        ),
    ),
    "carafe": (
        lambda x, m: ops.carafe(x, m, 3, 1, 2),
        lambda s: (maps(s), uniform(2, 9, 16, 16, seed=s)),
    ),
    "carafe_naive": (
        lambda x, m: ops.carafe_naive(x, m, 3, 1, 2),
        lambda s: (maps(s), uniform(2, 9, 16, 16, seed=s)),
    ),
    "masked_conv": (
        lambda x, m, w, b: ops.masked_conv2d(x, m, w, b, 1),
        lambda s: (
            maps(s)[:1],
            (uniform(1, 8, 8, seed=s) > 0.5).float(),
            normal(3, 4, 3, 3, seed=s),
            normal(3, seed=s),
        ),
    ),
    "psa_mask": (
        lambda x: ops.psa_mask.PSAMask("collect", (15, 15))(x),
        lambda s: (normal(1, 225, 8, 8, seed=s),),
    ),
    "ms_deform_attn": (
        attention,
        lambda s: (
            normal(2, 20, 2, 3, seed=s),
            uniform(2, 5, 2, 2, 4, 2, seed=s),
            uniform(2, 5, 2, 2, 4, seed=s),
        ),
    ),
    "nms": (
        lambda b, s: ops.nms(b, s, 0.5)[0],
        lambda s: (boxes(20, s), uniform(20, seed=s)),
    ),
    "soft_nms": (
        lambda b, s: ops.soft_nms(b, s, 0.5)[0],
        lambda s: (boxes(20, s), uniform(20, seed=s)),
    ),
    "nms_rotated": (
        lambda b, s: ops.nms_rotated(b, s, 0.5)[0],
        lambda s: (rotated(20, s), uniform(20, seed=s)),
    ),
    "box_iou_rotated": (ops.box_iou_rotated, lambda s: (rotated(5, s), rotated(6, s + 9))),
    "roi_align_rotated": (
        lambda x, r: ops.roi_align_rotated(x, r, 2, 0.5, 2),
        lambda s: (maps(s), torch.cat((torch.tensor([[0.0], [1]]), rotated(2, s)), 1)),
    ),
    "riroi_align_rotated": (
        lambda x, r: ops.riroi_align_rotated(x, r, 2, 0.5, 2, 4),
        lambda s: (maps(s), torch.cat((torch.tensor([[0.0], [1]]), rotated(2, s)), 1)),
    ),
    "rotated_feature_align": (
        lambda x, b: ops.rotated_feature_align(x, b.view(2, 8, 8, 5), 0.5, 5),
        lambda s: (maps(s), rotated(128, s)),
    ),
    "active_rotated_filter": (
        active_rotated_filter,
        lambda s: (
            normal(2, 3, 4, 1, 1, seed=s),
            1 + torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]]).view(4, 1, 1, 2),
        ),
    ),
    "box_iou_quadri": (
        ops.box_iou_quadri,
        lambda s: (quadrilaterals(5, s), quadrilaterals(6, s + 9)),
    ),
    "nms_quadri": (
        lambda b, s: ops.nms_quadri(b, s, 0.5)[0],
        lambda s: (quadrilaterals(20, s), uniform(20, seed=s)),
    ),
    "points_in_polygons": (
        ops.points_in_polygons,
        lambda s: (16 * uniform(9, 2, seed=s), quadrilaterals(5, s)),
    ),
    "convex_iou": (ops.convex_iou, lambda s: (16 * uniform(4, 18, seed=s), quadrilaterals(5, s))),
    "convex_giou": (ops.convex_giou, lambda s: (16 * uniform(5, 18, seed=s), quadrilaterals(5, s))),
    "min_area_polygons": (ops.min_area_polygons, lambda s: (uniform(4, 18, seed=s),)),
    "diff_iou_rotated": (
        ops.diff_iou_rotated_2d,
        lambda s: (rotated(5, s)[None], rotated(5, s + 9)[None]),
    ),
    "bbox_overlaps": (ops.bbox_overlaps, lambda s: (boxes(5, s), boxes(6, s + 9))),
    "sigmoid_focal_loss": (
        lambda x, t: ops.sigmoid_focal_loss(x, t, 2.0, 0.25, None, "mean"),
        lambda s: (normal(6, 5, seed=s), torch.tensor([0, 1, 2, 3, 4, 5])),
    ),
    "softmax_focal_loss": (
        lambda x, t: ops.softmax_focal_loss(x, t, 2.0, 0.25, None, "mean"),
        lambda s: (normal(6, 5, seed=s), torch.tensor([0, 1, 2, 3, 4, 0])),
    ),
}
#: Their loops and sizes depend on numbers that an exporter has not.
REFUSED = {
    "roi_align, maximum",
    "roi_pool",
    "deform_roi_pool",
    "bezier_align",
    "prroi_pool",
    "masked_conv",
    "soft_nms",
    "nms_rotated",
    "box_iou_rotated",
    "roi_align_rotated",
    "riroi_align_rotated",
    "box_iou_quadri",
    "nms_quadri",
    "convex_iou",
    "convex_giou",
    "min_area_polygons",
}


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def exported(function, inputs):
    with torch.no_grad():
        return torch.export.export(Called(function), inputs)


@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - REFUSED))
def test_an_exported_program_computes_what_the_operator_does(name):
    function, inputs = OPERATORS[name]
    program = exported(function, inputs(1)).module()
    for seed in (2, 3):
        torch.testing.assert_close(program(*inputs(seed)), function(*inputs(seed)))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_the_others_are_refused(name):
    function, inputs = OPERATORS[name]
    with pytest.raises(Exception, match="data-dependent|not supported for tensor subclasses"):
        exported(function, inputs(1))


def test_a_region_in_onnx_is_pooled_not_zero():
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    x, region = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[0.0, 0, 0, 1, 1]])
    program = torch.onnx.export(ops.RoIAlign((2, 2), 1.0, 2).eval(), (x, region), verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    names = [one.name for one in session.get_inputs()]
    (pooled,) = session.run(None, dict(zip(names, (x.numpy(), region.numpy()), strict=True)))
    assert pooled.ravel().tolist() == [1, 1.25, 1.5, 1.75]
