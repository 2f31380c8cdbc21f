"""Eight pixels whose numbers are written out, and MMSegmentation's own on random maps."""

import numpy as np
import pytest

from resblock_backbones.analysis.report import Report
from resblock_backbones.analysis.segmentation.counts import (
    border_distances,
    image_pixels,
    iou,
    shares,
)
from resblock_backbones.analysis.segmentation.page import add_label_maps, worst_first

TRUTH = np.array([[0, 0, 1, 1], [0, 0, 1, 255]])
PREDICTED = np.array([[0, 1, 1, 1], [0, 0, 0, 1]])


def test_pixels_by_class():
    one = image_pixels(0, "a.png", TRUTH, PREDICTED, 2)
    assert one.table.tolist() == [[3, 1, 0], [1, 2, 0]]
    assert iou(one.table).tolist() == [3 / 5, 2 / 4]
    assert [list(each) for each in shares(one.table)] == [[3 / 4, 2 / 3], [3 / 4, 2 / 3]]
    assert one.mean_iou == pytest.approx(0.55) and one.accuracy == pytest.approx(5 / 7)


def test_pixels_by_their_distance_to_a_border():
    one = image_pixels(0, "a.png", TRUTH, PREDICTED, 2)
    # The pixel of no class is in no band, and has no border with its neighbours.
    assert one.bands.tolist() == [[4, 2], [3, 0], [0, 0], [0, 0], [0, 0], [0, 0]]
    assert border_distances(TRUTH, TRUTH < 2)[:, :3].tolist() == [[2, 1, 1], [2, 1, 1]]
    assert one.near.tolist() == one.table.tolist()


def test_predictions_of_no_class_are_wrong_and_told():
    one = image_pixels(0, "a.png", TRUTH, np.where(PREDICTED == 1, -1, 0), 2)
    assert one.table.tolist() == [[3, 0, 1], [1, 0, 2]]
    report = Report("maps")
    add_label_maps(report, [one], ["a", "b"])
    told = [line for _, line in report.findings]
    assert "42.9% of the pixels have no class" in told and "never predicted: 'b'" in told
    assert not any("taken for" in line for line in told)


def test_a_class_that_is_often_taken_for_another_is_told():
    report = Report("maps")
    add_label_maps(report, [image_pixels(0, "a.png", TRUTH, PREDICTED, 2)], ["a", "b"])
    assert ("warning", "33% of the pixels of 'b' are taken for 'a'") in report.findings


def test_an_image_without_a_pixel_of_a_class_is_left_out_of_the_worst():
    nothing = image_pixels(0, "a.png", np.full((2, 2), 255), np.zeros((2, 2), int), 2)
    some = image_pixels(1, "b.png", TRUTH, PREDICTED, 2)
    assert [one.name for one in worst_first([nothing, some])] == ["b.png"]


def test_the_numbers_are_those_of_mmsegmentation():
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("mmseg.evaluation")
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(3):
        truth = random.integers(0, 4, (12, 9))
        truth[0, :3] = 255
        pairs.append((truth, np.where(random.random(truth.shape) < 0.3, 1, truth % 4)))
    images = [image_pixels(n, "a.png", *pair, 5) for n, pair in enumerate(pairs)]
    numbers = add_label_maps(Report("maps"), images, list("abcde"))
    areas = [
        metrics.IoUMetric.intersect_and_union(torch.tensor(p), torch.tensor(t), 5, 255)
        for t, p in pairs
    ]
    theirs = metrics.IoUMetric.total_area_to_metrics(
        *(sum(each) for each in zip(*areas, strict=True)), ["mIoU"]
    )
    table = np.sum([one.table for one in images], 0)
    np.testing.assert_allclose(iou(table), theirs["IoU"])
    assert numbers["mIoU"] == pytest.approx(np.nanmean(theirs["IoU"]))
    assert numbers["aAcc"] == pytest.approx(float(theirs["aAcc"]))
    assert numbers["mAcc"] == pytest.approx(np.nanmean(theirs["Acc"]))
