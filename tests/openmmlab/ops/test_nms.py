"""Hard NMS through mmcv.ops, against its definition and torchvision."""

import pytest
import torch
import torchvision
from literal_formulas import non_maximum_suppression
from mmcv.ops import batched_nms, nms


def some_boxes(count: int, seed: int, whole_pixels: bool = False) -> tuple[torch.Tensor, ...]:
    """Boxes that overlap a lot, some outside the image, with many equal scores."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 40 - 5
    size = torch.rand(count, 2, generator=generator) * 20
    if whole_pixels:
        corner, size = corner.round(), size.round()
    scores = (torch.rand(count, generator=generator) * 20).round() / 20
    return torch.cat([corner, corner + size], 1), scores


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("whole_pixels", [False, True])
def test_it_keeps_what_the_definition_keeps_in_the_same_order(offset, threshold, whole_pixels):
    for seed in range(3):
        boxes, scores = some_boxes(80, seed, whole_pixels)
        dets, kept = nms(boxes, scores, threshold, offset=offset)
        # IoUs of exactly 0.3 or 0.7 are decided in float32, as compiled MMCV does.
        limit = float(torch.tensor(threshold)) + 1e-7
        assert kept.tolist() == non_maximum_suppression(boxes, scores, limit, offset), seed
        torch.testing.assert_close(dets, torch.cat([boxes, scores[:, None]], 1)[kept])


def test_it_equals_torchvision_where_that_has_the_same_question():
    boxes, scores = some_boxes(500, seed=0)
    _, kept = nms(boxes, scores, 0.5)
    assert torch.equal(kept, torchvision.ops.nms(boxes, scores, 0.5))


def test_a_box_that_overlaps_by_exactly_the_threshold_stays():
    # 3 common pixels of 10: the IoU is 0.3, which float32 rounds up.
    boxes = torch.tensor([[0.0, 0, 6, 1], [3, 0, 10, 1]])
    _, kept = nms(boxes, torch.tensor([0.9, 0.8]), 0.3)
    assert kept.tolist() == [0, 1]


def test_offset_one_counts_the_last_pixel():
    # Neighbouring one-pixel boxes share nothing with offset 0 and, being the same, all with 1.
    boxes = torch.tensor([[2.0, 2, 2, 2], [2, 2, 2, 2], [3, 2, 3, 2]])
    scores = torch.tensor([0.5, 0.9, 0.8])
    assert nms(boxes, scores, 0.5, offset=0)[1].tolist() == [1, 2, 0]
    assert nms(boxes, scores, 0.5, offset=1)[1].tolist() == [1, 2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_decide_as_float32_does(dtype):
    boxes, scores = some_boxes(100, seed=3, whole_pixels=True)
    dets, kept = nms(boxes.to(dtype), scores.to(dtype), 0.45)
    assert dets.dtype == dtype
    assert torch.equal(kept, nms(boxes, scores.to(dtype).float(), 0.45)[1])


def test_boxes_and_scores_may_differ_in_dtype():
    boxes, scores = some_boxes(50, seed=4, whole_pixels=True)
    assert torch.equal(nms(boxes.half(), scores, 0.5)[1], nms(boxes, scores, 0.5)[1])


def test_no_boxes_give_no_boxes():
    dets, kept = nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.long


def test_score_threshold_and_max_num_are_honoured():
    boxes, scores = some_boxes(80, seed=5)
    _, kept = nms(boxes, scores, 0.5, score_threshold=0.4, max_num=7)
    expected = [i for i in non_maximum_suppression(boxes, scores, 0.5) if scores[i] > 0.4][:7]
    assert kept.tolist() == expected


def test_numpy_arrays_are_taken_too():
    boxes, scores = some_boxes(40, seed=6)
    _, kept = nms(boxes.numpy(), scores.numpy(), 0.5)
    assert kept.tolist() == non_maximum_suppression(boxes, scores, 0.5)


@pytest.mark.parametrize("split", [10000, 10])
def test_batched_nms_suppresses_within_a_class_only(split):
    boxes, scores = some_boxes(120, seed=7)
    scores = scores + torch.linspace(0, 0.01, 120)  # no ties: the split path sorts again
    classes = torch.arange(120) % 3
    config = {"type": "nms", "iou_threshold": 0.4, "split_thr": split}
    _, kept = batched_nms(boxes, scores, classes, config)
    expected = torchvision.ops.batched_nms(boxes, scores, classes, 0.4)
    assert torch.equal(kept, expected)


def test_autocast_changes_nothing():
    boxes, scores = some_boxes(60, seed=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, kept = nms(boxes, scores, 0.5)
    assert torch.equal(kept, nms(boxes, scores, 0.5)[1])
