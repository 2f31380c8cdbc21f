"""Overlaps of axis-aligned boxes and groups of NMS through mmcv.ops, against their definitions."""

import functools

import pytest
import torch
import torchvision
from literal_overlaps import common_over, suppression_groups
from mmcv.ops import bbox_overlaps, nms, nms_match


def some_boxes(count: int, seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Boxes that overlap a lot, some outside the image, on whole pixels."""
    generator = torch.Generator().manual_seed(seed)
    corner = (torch.rand(count, 2, generator=generator) * 40 - 5).round()
    size = (torch.rand(count, 2, generator=generator) * 20).round() + 1
    return torch.cat([corner, corner + size], 1).to(dtype)


@pytest.mark.parametrize("mode", ["iou", "iof"])
@pytest.mark.parametrize("offset", [0, 1])
def test_overlaps_follow_the_definition(mode, offset):
    first, second = some_boxes(12, seed=0), some_boxes(9, seed=1)
    expected = torch.tensor(
        [[common_over(a, b, mode, offset) for b in second.tolist()] for a in first.tolist()]
    )
    result = bbox_overlaps(first, second, mode, offset=offset)
    torch.testing.assert_close(result, expected)
    aligned = bbox_overlaps(first[:9], second, mode, aligned=True, offset=offset)
    torch.testing.assert_close(aligned, expected[:9].diagonal())


def test_overlaps_equal_torchvision_where_that_has_the_same_question():
    first, second = some_boxes(50, seed=2), some_boxes(40, seed=3)
    expected = torchvision.ops.box_iou(first, second)
    torch.testing.assert_close(bbox_overlaps(first, second), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_overlaps_of_other_dtypes_are_the_rounded_result(dtype):
    first, second = some_boxes(10, seed=4, dtype=dtype), some_boxes(10, seed=5, dtype=dtype)
    result = bbox_overlaps(first, second)
    assert result.dtype == dtype
    expected = bbox_overlaps(first.float(), second.float()).to(dtype)
    torch.testing.assert_close(result, expected)


def test_no_boxes_have_no_overlaps():
    some, none = some_boxes(3, seed=6), torch.zeros(0, 4)
    assert bbox_overlaps(none, some).shape == (0, 3)
    assert bbox_overlaps(some, none).shape == (3, 0)
    assert bbox_overlaps(none, none, aligned=True).shape == (0,)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9])
def test_groups_follow_the_definition(threshold):
    overlap = functools.partial(common_over, mode="iou")
    for seed in range(3):
        boxes = some_boxes(70, seed)
        scores = torch.rand(70, generator=torch.Generator().manual_seed(seed))
        scores = (scores * 20).round() / 20
        groups = nms_match(torch.cat([boxes, scores[:, None]], 1), threshold)
        # IoUs of exactly 0.1 or 0.9 are decided in float32, as compiled MMCV does.
        limit = float(torch.tensor(threshold)) - 1e-7
        expected = suppression_groups(boxes.tolist(), scores.tolist(), overlap, limit)
        assert [group.tolist() for group in groups] == expected
        assert all(group.dtype == torch.long for group in groups)


def test_an_overlap_of_exactly_the_threshold_joins_the_group_though_nms_would_keep_it():
    boxes = torch.tensor([[0.0, 0, 4, 1], [0, 0, 2, 1]])
    scores = torch.tensor([0.9, 0.8])
    groups = nms_match(torch.cat([boxes, scores[:, None]], 1), 0.5)
    assert [group.tolist() for group in groups] == [[0, 1]]
    assert nms(boxes, scores, 0.5)[1].tolist() == [0, 1]


def test_groups_do_not_depend_on_how_many_pairs_are_looked_at_together(monkeypatch):
    from resblock_backbones.openmmlab.ops.boxes import box_overlap

    dets = torch.cat([some_boxes(50, seed=7), torch.rand(50, 1)], 1)
    expected = [group.tolist() for group in nms_match(dets, 0.3)]
    monkeypatch.setattr(box_overlap, "PAIRS_AT_ONCE", 130)
    assert [group.tolist() for group in nms_match(dets, 0.3)] == expected


def test_groups_of_arrays_of_no_boxes_and_of_half_precision():
    assert nms_match(torch.zeros(0, 5), 0.5) == []
    dets = torch.cat([some_boxes(20, seed=8), torch.arange(20.0)[:, None] / 20], 1)
    expected = [group.tolist() for group in nms_match(dets.half().float(), 0.3)]
    assert [group.tolist() for group in nms_match(dets.half().float().numpy(), 0.3)] == expected
    assert [group.tolist() for group in nms_match(dets.half(), 0.3)] == expected
