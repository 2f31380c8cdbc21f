"""Soft-NMS through mmcv.ops, against its definition."""

import functools

import pytest
import torch
from literal_overlaps import common_over, soft_suppression
from mmcv.ops import batched_nms, soft_nms


def some_boxes(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes that overlap a lot, some outside the image, with scores that all differ."""
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 40 - 5
    size = torch.rand(count, 2, generator=generator) * 20
    return torch.cat([corner, corner + size], 1), torch.rand(count, generator=generator)


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("min_score", [0.0, 1e-3, 0.2])
def test_it_keeps_and_lowers_what_the_definition_does_in_the_same_order(method, offset, min_score):
    overlap = functools.partial(common_over, mode="iou", offset=offset)
    for seed, threshold, sigma in [(0, 0.3, 0.5), (1, 0.5, 0.3), (2, 0.05, 1.0)]:
        boxes, scores = some_boxes(60, seed)
        if min_score == 0 and method == "naive":
            scores = scores.clamp(min=0.01)  # zeroed scores are equal: see the test of ties
            min_score = 1e-6
        dets, kept = soft_nms(boxes, scores, threshold, sigma, min_score, method, offset)
        expected = soft_suppression(
            boxes.double().tolist(), scores.tolist(), overlap, threshold, sigma, min_score, method
        )
        assert kept.tolist() == [index for index, _ in expected], seed
        lowered = torch.tensor([score for _, score in expected])
        torch.testing.assert_close(dets, torch.cat([boxes[kept], lowered[:, None]], 1))


def test_a_box_with_exactly_the_threshold_is_lowered():
    boxes = torch.tensor([[0.0, 0, 4, 1], [2, 0, 6, 1], [0, 0, 1, 1]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    # Overlaps with the first: 1/3 and 1/4.
    dets, kept = soft_nms(boxes, scores, 0.25, method="linear", min_score=0)
    assert kept.tolist() == [0, 1, 2]
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.9, 0.8 * 2 / 3, 0.7 * 3 / 4]))


def test_the_best_box_stays_even_below_min_score():
    boxes, scores = some_boxes(5, seed=0)
    _, kept = soft_nms(boxes, scores * 0.1, min_score=0.5)
    assert kept.tolist() == [scores.argmax()]


def test_equal_scores_come_in_the_order_of_mmcvs_swaps():
    """Taking a box puts the first of the others in its place; dropping one, the last."""
    apart = torch.tensor([[10.0 * i, 0, 10 * i + 5, 5] for i in range(5)])
    _, kept = soft_nms(apart, torch.tensor([0.5, 0.5, 0.9, 0.5, 0.5]))
    assert kept.tolist() == [2, 1, 0, 3, 4]
    boxes = apart.clone()
    boxes[1] = boxes[2]  # goes with box 2
    _, kept = soft_nms(boxes, torch.tensor([0.5, 0.5, 0.9, 0.5, 0.5]), method="naive")
    assert kept.tolist() == [2, 4, 0, 3]


def test_boxes_without_area_keep_their_scores():
    boxes = torch.tensor([[3.0, 1, 3, 1]] * 3)
    for method in ("naive", "linear", "gaussian"):
        dets, kept = soft_nms(boxes, torch.tensor([0.4, 0.6, 0.5]), 0.3, method=method)
        assert kept.tolist() == [1, 2, 0]
        torch.testing.assert_close(dets[:, 4], torch.tensor([0.6, 0.5, 0.4]))


def test_no_boxes_give_no_boxes():
    dets, kept = soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
    assert kept.dtype == torch.long


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_decide_as_float32_does(dtype):
    boxes, scores = some_boxes(60, seed=3)
    boxes, scores = boxes.round().to(dtype), scores.to(dtype)
    dets, kept = soft_nms(boxes, scores, 0.37)
    expected, expected_kept = soft_nms(boxes.float(), scores.float(), 0.37)
    assert dets.dtype == dtype
    assert torch.equal(kept, expected_kept)
    torch.testing.assert_close(dets, expected.to(dtype))


def test_numpy_arrays_are_taken_too_and_nothing_given_is_changed():
    boxes, scores = some_boxes(40, seed=4)
    before = boxes.clone(), scores.clone()
    dets, kept = soft_nms(boxes.numpy(), scores.numpy())
    assert torch.equal(boxes, before[0])
    assert torch.equal(scores, before[1])
    assert kept.tolist() == soft_nms(boxes, scores)[1].tolist()
    assert dets.shape == (len(kept), 5)


@pytest.mark.parametrize("split", [10000, 10])
def test_batched_nms_lowers_within_a_class_only(split):
    boxes, scores = some_boxes(60, seed=5)
    classes = torch.arange(60) % 2
    config = {"type": "soft_nms", "iou_threshold": 0.3, "min_score": 0.05, "split_thr": split}
    dets, kept = batched_nms(boxes, scores, classes, config)
    expected = {}
    for label in (0, 1):
        of_class = (classes == label).nonzero().flatten()
        part, part_kept = soft_nms(boxes[of_class], scores[of_class], 0.3, min_score=0.05)
        expected.update(zip(of_class[part_kept].tolist(), part[:, 4].tolist(), strict=True))
    assert sorted(kept.tolist()) == sorted(expected)
    lowered = torch.tensor([expected[i] for i in kept.tolist()])
    torch.testing.assert_close(dets[:, 4], lowered, rtol=1e-4, atol=1e-6)
