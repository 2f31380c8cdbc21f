"""Overlaps and NMS of rotated boxes through mmcv.ops, against cutting polygon by polygon."""

import math

import pytest
import torch
from literal_overlaps import common_over, rotated_common_over, suppression_groups
from mmcv.ops import batched_nms, box_iou_rotated, nms_rotated
from pretended_gpu import pretended_gpu

from resblock_backbones.openmmlab.ops.boxes import suppression
from resblock_backbones.openmmlab.ops.rotated import rotated_boxes


def some_boxes(count: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Boxes that overlap a lot; of three, one is turned by a multiple of 45 degrees."""
    generator = torch.Generator().manual_seed(seed)
    box = torch.rand(count, 5, generator=generator, dtype=torch.float64)
    box[:, :2] *= 20
    box[:, 2:4] = box[:, 2:4] * 12 + 0.5
    box[:, 4] = box[:, 4] * 4 - 2
    box[::3, :4] = box[::3, :4].round() + 1
    box[::3, 4] = (box[::3, 4] / (math.pi / 4)).round() * (math.pi / 4)
    return box.to(dtype)


@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_overlaps_follow_the_definition(mode):
    first, second = some_boxes(25, seed=0), some_boxes(20, seed=1)
    expected = torch.tensor(
        [[rotated_common_over(a, b, mode) for b in second.tolist()] for a in first.tolist()],
        dtype=torch.float64,
    )
    result = box_iou_rotated(first, second, mode)
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-7)
    aligned = box_iou_rotated(first[:20], second, mode, aligned=True)
    torch.testing.assert_close(aligned, expected[:20].diagonal(), rtol=1e-6, atol=1e-7)


def test_without_angles_they_are_ordinary_boxes():
    boxes = some_boxes(30, seed=2).round() + torch.tensor([0, 0, 1, 1, 0])
    for quarter_turns in range(4):
        turned = boxes.clone()
        turned[:, 4] = quarter_turns * math.pi / 2
        half = boxes[:, 2:4] / 2 if quarter_turns % 2 == 0 else boxes[:, [3, 2]] / 2
        straight = torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], 1).tolist()
        expected = torch.tensor(
            [[common_over(a, b, "iou") for b in straight] for a in straight], dtype=torch.float64
        )
        torch.testing.assert_close(box_iou_rotated(turned, turned), expected)


def test_the_same_box_overlaps_itself_fully_however_it_is_written():
    box = torch.tensor([[500.0, 300.0, 40.0, 10.0, 0.3]], dtype=torch.float64)
    for turn in range(-4, 5):
        other = box.clone()
        other[0, 4] += turn * math.pi / 2
        if turn % 2:
            other[0, 2:4] = box[0, [3, 2]]
        assert box_iou_rotated(box, other).item() == pytest.approx(1)


def test_boxes_that_only_touch_do_not_overlap():
    boxes = torch.tensor(
        [[0.0, 0, 2, 2, 0], [2, 0, 2, 2, 0], [2, 2, 2, 2, 0], [1 + math.sqrt(2), 0, 2, 2, 0.785398]]
    )
    expected = torch.eye(4)
    expected[1:3, 3] = expected[3, 1:3] = box_iou_rotated(boxes[1:3], boxes[3:])[:, 0]
    torch.testing.assert_close(box_iou_rotated(boxes, boxes), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("angle", [1e-3, 1e-6, 1e-7, 3e-8, 1e-8, 3e-9, 1e-12])
def test_almost_parallel_edges_on_each_other_are_no_danger(angle):
    boxes = torch.tensor([[5.0, 3, 8, 2, 0.4], [5, 3, 8, 2, 0.4 + angle], [5, 3, 4, 2, 0.4]])
    boxes = boxes.double()
    boxes[1, 4] = boxes[0, 4] + angle
    result = box_iou_rotated(boxes, boxes)
    assert result[0, 1].item() == pytest.approx(1, abs=4 * angle + 1e-7)
    assert result[1, 2].item() == pytest.approx(0.5, abs=4 * angle + 1e-7)


def test_angles_can_be_counted_the_other_way_round():
    first, second = some_boxes(8, seed=3), some_boxes(8, seed=4)
    flipped = [boxes * torch.tensor([1, 1, 1, 1, -1]) for boxes in (first, second)]
    torch.testing.assert_close(
        box_iou_rotated(*flipped, clockwise=False), box_iou_rotated(first, second)
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_overlaps_of_other_dtypes_are_the_rounded_result(dtype):
    first, second = some_boxes(10, seed=5, dtype=dtype), some_boxes(10, seed=6, dtype=dtype)
    result = box_iou_rotated(first, second)
    assert result.dtype == dtype
    assert torch.equal(result, box_iou_rotated(first.double(), second.double()).to(dtype))


def test_boxes_without_area_overlap_nothing():
    flat = torch.tensor([[1.0, 1, 0, 3, 0.2], [1, 1, 2, 0, 0]])
    assert not box_iou_rotated(flat, flat).any()


def test_no_boxes_have_no_overlaps_and_are_not_suppressed():
    some, none = some_boxes(3, seed=7), torch.zeros(0, 5, dtype=torch.float64)
    assert box_iou_rotated(none, some).shape == (0, 3)
    assert box_iou_rotated(some, none).shape == (3, 0)
    assert box_iou_rotated(none, none, aligned=True).shape == (0,)
    assert nms_rotated(none, torch.zeros(0), 0.5)[0].shape == (0, 5)
    kept = rotated_boxes.nms_rotated(none, torch.zeros(0), none, none, none, 0.5, False)
    assert kept.shape == (0,)


@pytest.mark.parametrize("threshold", [0.1, 0.4])
def test_it_suppresses_what_the_definition_does_in_the_same_order(threshold):
    for seed in range(2):
        boxes = some_boxes(50, seed)
        scores = torch.rand(50, generator=torch.Generator().manual_seed(seed))
        dets, kept = nms_rotated(boxes, scores, threshold)
        groups = suppression_groups(boxes.tolist(), scores.tolist(), rotated_common_over, threshold)
        assert kept.tolist() == [group[0] for group in groups]
        torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], 1)[kept])


def test_an_overlap_of_exactly_the_threshold_is_suppressed():
    boxes = torch.tensor([[2.0, 0.5, 4, 1, 0], [1, 0.5, 2, 1, 0]])
    scores = torch.tensor([0.9, 0.8])
    assert nms_rotated(boxes, scores, 0.5)[1].tolist() == [0]
    with pretended_gpu() as gpu:
        assert nms_rotated(boxes.to(gpu), scores.to(gpu), 0.5)[1].tolist() == [0, 1]


def test_labels_are_not_looked_at_as_in_compiled_mmcv():
    boxes = some_boxes(30, seed=8, dtype=torch.float32)
    scores = torch.linspace(0, 1, 30)
    labels = torch.arange(30.0) % 2
    assert torch.equal(
        nms_rotated(boxes, scores, 0.3, labels)[1], nms_rotated(boxes, scores, 0.3)[1]
    )


def test_results_do_not_depend_on_how_many_pairs_are_looked_at_together(monkeypatch):
    boxes, scores = some_boxes(40, seed=9), torch.linspace(0, 1, 40)
    overlaps, kept = box_iou_rotated(boxes, boxes), nms_rotated(boxes, scores, 0.3)[1]
    monkeypatch.setattr(suppression, "PAIRS_AT_ONCE", 90)
    monkeypatch.setattr(rotated_boxes, "PAIRS_AT_ONCE", 90)
    monkeypatch.setattr(rotated_boxes, "POLYGONS_AT_ONCE", 7)
    torch.testing.assert_close(box_iou_rotated(boxes, boxes), overlaps)
    assert torch.equal(nms_rotated(boxes, scores, 0.3)[1], kept)


def test_batched_nms_takes_rotated_boxes_class_by_class():
    boxes, scores = some_boxes(40, seed=10), torch.linspace(1, 0, 40)
    classes = torch.arange(40) % 2
    _, kept = batched_nms(boxes, scores, classes, {"type": "nms_rotated", "iou_threshold": 0.3})
    expected = [
        index
        for label in (0, 1)
        for index in range(label, 40, 2)
        if index // 2 in nms_rotated(boxes[label::2], scores[label::2], 0.3)[1].tolist()
    ]
    assert sorted(kept.tolist()) == sorted(expected)
