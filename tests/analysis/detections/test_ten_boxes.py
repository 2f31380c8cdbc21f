"""Four objects and six predictions whose numbers are written out, and COCO's own evaluation.

```
object          class  box             prediction  class  score  box
G0              a       0..10          P0          a      0.95    0..10   right
G1              a      20..30          P1          a      0.90    0..10   duplicate of P0
G2              b      40..50          P2          b      0.85   20..30   classification
G3              a      60..70          P3          b      0.80   44..54   localisation, IoU 6/14
                                       P4          b      0.70   65..75   both, IoU 5/15
                                       P5          a      0.97   80..90   background
```
All are 10 high. G3 is missed: P4 is of another class and out of place.
"""

import numpy as np
import pytest

from resblock_backbones.analysis.detections.coco import evaluate
from resblock_backbones.analysis.detections.confusion import confusion
from resblock_backbones.analysis.detections.curves import best_for_all, curves
from resblock_backbones.analysis.detections.errors import KINDS, costs, errors_of
from resblock_backbones.analysis.detections.matching import FALSE, IGNORED, MISSED, match
from resblock_backbones.analysis.detections.results import ImageResult, Objects

A, B = 0, 1


def objects(rows, scores=None, ignored=()):
    left, right, labels = zip(*rows, strict=True) if rows else ((), (), ())
    boxes = [[x1, 0, x2, 10] for x1, x2 in zip(left, right, strict=True)]
    return Objects(
        np.array(boxes, float).reshape(-1, 4),
        np.array(labels, int),
        None if scores is None else np.array(scores, float),
        np.array(ignored, bool),
    )


TRUTH = objects([(0, 10, A), (20, 30, A), (40, 50, B), (60, 70, A)])
FOUND = objects(
    [(80, 90, A), (0, 10, A), (0, 10, A), (20, 30, B), (44, 54, B), (65, 75, B)],
    [0.97, 0.95, 0.90, 0.85, 0.80, 0.70],
)
CASE = ImageResult(0, "a.png", (100, 10), TRUTH, FOUND)


def test_each_prediction_is_of_its_kind():
    matching = match(CASE)
    assert matching.of_found.tolist() == [FALSE, 0, FALSE, FALSE, FALSE, FALSE]
    assert matching.of_truth.tolist() == [1, MISSED, MISSED, MISSED]
    errors = errors_of(CASE, matching)
    assert [KINDS[kind] if kind >= 0 else "right" for kind in errors.kinds] == [
        "background",
        "right",
        "duplicate",
        "classification",
        "localisation",
        "both",
    ]
    assert errors.targets.tolist() == [-1, -1, -1, 1, 2, -1]
    assert errors.missed.tolist() == [False, False, False, True]
    assert errors.counts().tolist() == [1, 1, 1, 1, 1, 1]


def test_the_cost_of_each_kind_follows_from_the_curve_without_it():
    # a now: false, right, false of 3: precision 1/2 up to a recall of 1/3: 34 of the 101 points.
    # b now: nothing is right. So AP50 is (17 + 0) / 101 / 2.
    matching = match(CASE)
    now, won = costs([CASE], [matching], [errors_of(CASE, matching)], 2)
    assert now == pytest.approx(8.5 / 101)
    # P2 as a: false, right, false, right: 1/2 up to 2/3, 67 points; b gets nothing.
    assert won["classification"] == pytest.approx(33.5 / 2 / 101 - now)
    # P3 in place: b is false, right: 1/2 everywhere.
    assert won["localisation"] == pytest.approx(0.5 / 2)
    # Without P4, and without P1, nothing changes before the last right one.
    assert won["both"] == won["duplicate"] == 0
    # Without P5: a is right, false: 1 up to 1/3.
    assert won["background"] == pytest.approx(34 / 2 / 101 - now)
    # Without G3: a has 2 objects, 1/2 up to a recall of 1/2: 51 points.
    assert won["missed"] == pytest.approx(25.5 / 2 / 101 - now)


def test_confusions_have_one_partner_each():
    assert confusion([CASE], 2).tolist() == [[1, 1, 1], [0, 0, 1], [2, 2, 0]]
    # From 0.9 on there are P5, P0 and P1.
    assert confusion([CASE.above(0.9)], 2).tolist() == [[1, 0, 2], [0, 0, 1], [2, 0, 0]]


def test_precision_recall_and_the_best_threshold():
    found = curves([CASE], [match(CASE)], 2)
    assert found[A].scores.tolist() == [0.97, 0.95, 0.90]
    assert found[A].precision.tolist() == [0, 1 / 2, 1 / 3]
    assert found[A].recall.tolist() == [0, 1 / 3, 1 / 3]
    best = found[A].best()
    assert best.threshold == pytest.approx((0.95 + 0.90) / 2) and not best.is_lowest
    assert best.f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)) == pytest.approx(0.4)
    together = best_for_all([CASE], [match(CASE)])
    assert together.threshold == pytest.approx(best.threshold)
    assert (together.precision, together.recall) == (1 / 2, 1 / 4)


def test_average_precision_is_that_of_pycocotools():
    _, table = evaluate([CASE], 2, "bbox")
    found = curves([CASE], [match(CASE)], 2)
    assert [curve.average_precision for curve in found] == pytest.approx(table[:, 1].tolist())
    assert table[:, 1] * 101 == pytest.approx([17, 0])


def test_confusions_are_those_of_supervision():
    supervision = pytest.importorskip("supervision")
    sides = [
        supervision.Detections(xyxy=one.boxes, class_id=one.labels, confidence=one.scores)
        for one in (FOUND, TRUTH)
    ]
    theirs = supervision.ConfusionMatrix.from_detections(
        [sides[0]], [sides[1]], classes=["a", "b"], conf_threshold=0.0, iou_threshold=0.5
    )
    assert theirs.matrix.tolist() == confusion([CASE], 2).tolist()


def test_what_lies_in_an_ignored_region_counts_as_nothing():
    truth = objects([(0, 10, A), (50, 100, A)], ignored=[False, True])
    found = objects([(0, 10, A), (60, 70, A), (60, 70, B)], [0.9, 0.8, 0.7])
    case = ImageResult(0, "a.png", (100, 10), truth, found)
    matching = match(case)
    assert matching.of_found.tolist() == [0, IGNORED, FALSE]
    assert confusion([case], 2).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert errors_of(case, matching).counts().tolist() == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("side", ["truth", "found"])
def test_an_image_without_objects_on_one_side(side):
    nothing = objects([]) if side == "truth" else objects([], [])
    case = ImageResult(
        0, "a.png", (100, 10), *((nothing, FOUND) if side == "truth" else (TRUTH, nothing))
    )
    counts = errors_of(case, match(case)).counts()
    assert counts.tolist() == ([0, 0, 0, 0, 6, 0] if side == "truth" else [0, 0, 0, 0, 0, 4])
    numbers, _ = evaluate(
        [CASE, case.__class__(1, "b.png", (100, 10), case.truth, case.found)], 2, "bbox"
    )
    assert 0 <= numbers["AP50"] <= 17 / 202
