"""What MMCV's Python in front of the operators refuses or forgets, and does with this package."""

import inspect
import sys

import mmcv.ops
import pytest
import torch
import torchvision
from mmcv.ops import DeformConv2d, DeformConv2dPack, batched_nms, deform_conv2d

from resblock_backbones.openmmlab.ops import corrections

BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [0, 0, 10, 10.5]])
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6])
CLASSES = torch.tensor([0, 1, 1, 0])


@pytest.mark.parametrize("batch", [1, 33, 40, 63, 65])
def test_a_deformable_convolution_takes_a_batch_of_any_size(batch):
    torch.manual_seed(0)
    x = torch.randn(batch, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(batch, 18, 4, 5, dtype=torch.float64, requires_grad=True)
    layer = DeformConv2d(2, 3, 3, padding=1).double()
    result = layer(x, offset)
    expected = torchvision.ops.deform_conv2d(x, offset, layer.weight, padding=1)
    torch.testing.assert_close(result, expected)
    inputs = (x, offset, layer.weight)
    gradients = torch.autograd.grad(result.square().sum(), inputs)
    expected_gradients = torch.autograd.grad(expected.square().sum(), inputs)
    torch.testing.assert_close(gradients, expected_gradients)


def test_also_with_a_step_of_the_callers_own_and_in_the_layer_that_learns_its_offsets():
    x, weight = torch.randn(5, 2, 4, 4), torch.randn(3, 2, 3, 3)
    offset = torch.randn(5, 18, 4, 4)
    result = deform_conv2d(x, offset, weight, 1, 1, 1, 1, 1, False, 2)
    torch.testing.assert_close(result, torchvision.ops.deform_conv2d(x, offset, weight, padding=1))
    layer = DeformConv2dPack(2, 3, 3, padding=1, im2col_step=4)
    assert layer(torch.randn(7, 2, 4, 4)).shape == (7, 3, 4, 4)


@pytest.mark.parametrize("threshold", [2, 4, 10_000])
@pytest.mark.parametrize("in_settings", [True, False])
def test_suppression_without_classes_is_that_however_many_boxes_there_are(threshold, in_settings):
    settings = {"type": "nms", "iou_threshold": 0.5, "split_thr": threshold}
    if in_settings:
        settings["class_agnostic"] = True
    found, kept = batched_nms(BOXES, SCORES, CLASSES, settings, class_agnostic=not in_settings)
    assert kept.tolist() == torchvision.ops.nms(BOXES, SCORES, 0.5).tolist() == [0, 2]
    torch.testing.assert_close(found, torch.cat([BOXES, SCORES[:, None]], 1)[[0, 2]])


@pytest.mark.parametrize("threshold", [2, 10_000])
def test_suppression_by_classes_and_none_at_all_stay_as_they_are(threshold):
    settings = {"type": "nms", "iou_threshold": 0.5, "split_thr": threshold}
    _, kept = batched_nms(BOXES, SCORES, CLASSES, settings)
    assert kept.tolist() == [0, 1, 2]
    assert settings == {"type": "nms", "iou_threshold": 0.5, "split_thr": threshold}
    _, kept = batched_nms(BOXES, SCORES, CLASSES, None, class_agnostic=True)
    assert kept.tolist() == [0, 1, 2, 3]


def test_mmcvs_modules_are_still_its_own():
    module = sys.modules["mmcv.ops.nms"]
    assert module.__file__ == inspect.getsourcefile(module)
    assert "def nms_match" in inspect.getsource(module)
    assert mmcv.ops.batched_nms is module.batched_nms
    assert inspect.signature(batched_nms).parameters.keys() >= {"nms_cfg", "class_agnostic"}


def test_installing_twice_leaves_one_finder_that_finds_nothing_else():
    corrections.install_corrections()
    finders = [f for f in sys.meta_path if isinstance(f, corrections.CorrectingFinder)]
    assert len(finders) == 1
    assert finders[0].find_spec("mmcv.ops.roi_align", mmcv.ops.__path__) is None
    assert finders[0].find_spec("json", None) is None
