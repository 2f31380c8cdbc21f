"""Growing text kernels through mmcv.ops, against a queue that takes a pixel at a time."""

from collections import deque

import numpy as np
import pytest
import torch
from mmcv.ops import contour_expand, pixel_group

UP_DOWN_LEFT_RIGHT = ((-1, 0), (1, 0), (0, -1), (0, 1))
LEFT_RIGHT_UP_DOWN = UP_DOWN_LEFT_RIGHT[2:] + UP_DOWN_LEFT_RIGHT[:2]


def grown(labels, front, may_take, moves):
    """Let the pixels of a queue take their neighbours; those that took none."""
    stuck, queue = [], deque(front)
    while queue:
        y, x = queue.popleft()
        took = False
        for down, right in moves:
            there = y + down, x + right
            inside = 0 <= there[0] < labels.shape[0] and 0 <= there[1] < labels.shape[1]
            if inside and labels[there] == 0 and may_take(there, labels[y, x]):
                labels[there] = labels[y, x]
                queue.append(there)
                took = True
        if not took:
            stuck.append((y, x))
    return stuck


def random_kernels(seed):
    """Labels of small kernels, and masks that contain each other, the largest first."""
    dice = np.random.default_rng(seed)
    labels = np.zeros((17, 23), np.int32)
    for label in range(1, 6):
        y, x = dice.integers(0, 15), dice.integers(0, 20)
        labels[y : y + dice.integers(1, 3), x : x + dice.integers(1, 4)] = label
    masks = [labels > 0]
    for share in (0.3, 0.5, 0.8):
        masks.insert(0, masks[0] | (dice.random(labels.shape) < share))
    return dice, labels, np.stack(masks).astype(np.uint8)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("min_area", [0, 3])
def test_contours_expand_mask_by_mask(seed, min_area):
    _, labels, masks = random_kernels(seed)
    expected = labels.copy()
    for label in range(1, 6):
        if (labels == label).sum() < min_area:
            expected[labels == label] = 0
    front = list(zip(*expected.nonzero(), strict=True))
    for mask in masks[-2::-1]:
        front = grown(expected, front, lambda at, _, m=mask: m[at], UP_DOWN_LEFT_RIGHT)
    result = contour_expand(masks, labels, min_area, 6)
    assert result == expected.tolist()
    assert contour_expand(torch.from_numpy(masks), torch.from_numpy(labels), min_area, 6) == result
    assert min_area or (expected > 0).sum() > (labels > 0).sum()


@pytest.mark.parametrize("seed", range(8))
def test_pixels_join_the_kernel_that_is_near_enough(seed):
    dice, labels, masks = random_kernels(seed)
    embedding = dice.random((*labels.shape, 4)).astype(np.float32)
    score = dice.random(labels.shape).astype(np.float32)
    contour = ((dice.random(labels.shape) < 0.8) & (labels > 0)).astype(np.uint8)
    means = {label: embedding[labels == label].mean(0) for label in np.unique(labels) if label}

    def is_near(at, label):
        return masks[0][at] and ((embedding[at] - means[label]) ** 2).sum() < 0.7**2

    expected = labels.copy()
    grown(expected, list(zip(*contour.nonzero(), strict=True)), is_near, LEFT_RIGHT_UP_DOWN)
    result = pixel_group(score, masks[0] > 0, embedding, labels, contour, 6, 0.7)
    assert [len(one) for one in result] == [
        2 + 2 * (expected == n).sum() * (n > 0) for n in range(6)
    ]
    for label in means:
        ys, xs = (expected == label).nonzero()
        mean, number, *places = result[label]
        assert number == len(ys)
        np.testing.assert_allclose(mean, score[ys, xs].mean(), rtol=1e-6)
        assert places == np.stack([xs, ys], 1).ravel().tolist()


def test_the_labels_that_compiled_mmcv_publishes():
    labels, wide = np.zeros((10, 10), np.int32), np.zeros((10, 10), np.uint8)
    labels[3:7, 2:4], labels[3:7, 8] = 1, 2
    wide[3:7, 2:9] = 1
    masks = np.stack([wide, (labels > 0).astype(np.uint8)])
    rows = np.zeros((10, 10), int)
    rows[3:7, 2:6], rows[3:7, 6:9] = 1, 2
    assert contour_expand(masks, labels, 1, 3) == rows.tolist()

    score, embedding = np.zeros((10, 10), np.float32), np.full((10, 10, 8), 10, np.float32)
    score[3:7, 1:9], embedding[:, :7] = 0.9, 0.9
    labels[3:7, 4] = 1
    contour = (labels > 0).astype(np.uint8)
    contour[4:6, 3] = 0
    result = pixel_group(score, score > 0.5, embedding, labels, contour, 3, 0.8)
    assert result[0] == [0, 0]
    for (mean, number, *places), columns in zip(result[1:], (range(1, 7), (7, 8)), strict=True):
        assert number == 4 * len(columns)
        np.testing.assert_allclose(mean, 0.9, rtol=1e-6)
        assert places == [value for y in range(3, 7) for x in columns for value in (x, y)]


def test_a_label_beyond_their_number_is_refused():
    labels = np.full((3, 3), 7, np.int32)
    with pytest.raises(ValueError, match=r"from 7 to 7, which kernel_num does not allow"):
        contour_expand(np.ones((2, 3, 3), np.uint8), labels, 0, 3)
