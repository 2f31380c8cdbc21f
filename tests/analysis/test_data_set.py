"""Statistics of data sets: what stands out is a finding."""

import numpy as np
import pytest

from resblock_backbones.analysis.data_set.anchors import AnchorLevel, best_overlaps
from resblock_backbones.analysis.data_set.label_maps import add_label_maps
from resblock_backbones.analysis.data_set.objects import ModelFacts, add_objects
from resblock_backbones.analysis.ground_truth import GroundTruth
from resblock_backbones.analysis.report import Report


def test_the_best_anchor_is_the_best_of_all_that_mmdetection_places():
    generators = pytest.importorskip("mmdet.models.task_modules.prior_generators")
    from mmdet.structures.bbox import bbox_overlaps
    from torch import as_tensor

    rng = np.random.default_rng(0)
    for offset in (0.0, 0.5):
        generator = generators.AnchorGenerator(
            strides=[8, 16], ratios=[0.5, 1.0, 2.0], scales=[3, 8], center_offset=offset
        )
        size = (100, 70)
        maps = [(-(-size[1] // stride), -(-size[0] // stride)) for stride in (8, 16)]
        placed = [one for level in generator.grid_priors(maps, device="cpu") for one in level]
        corner, extent = rng.uniform(-10, 90, (200, 2)), rng.uniform(1, 60, (200, 2))
        boxes = np.concatenate([corner, corner + extent], 1)
        overlaps = bbox_overlaps(as_tensor(boxes), as_tensor(np.stack(placed)).double())
        levels = [
            AnchorLevel(anchors.double().numpy(), stride)
            for anchors, stride in zip(generator.base_anchors, generator.strides, strict=True)
        ]
        ours = best_overlaps(boxes, size, levels)
        np.testing.assert_allclose(ours, overlaps.max(1).values.numpy(), atol=1e-6)


def truth(name, *boxes, size=(100, 100)):
    return GroundTruth(name, size, np.array(boxes, float).reshape(-1, 4), np.zeros(len(boxes), int))


def findings(before, after, model=None):
    report = Report("t")
    numbered = list(enumerate(after))
    add_objects(report, before, numbered, ["cat"], model or ModelFacts())
    return report, [f"{level}: {line}" for level, line in report.findings]


def test_a_set_without_faults_has_no_findings():
    good = [truth("a", [10, 10, 60, 60]), truth("b", [20, 20, 90, 70])]
    report, found = findings(good, good, ModelFacts(stride=4))
    assert not found and {"classes.csv", "sizes.png", "smallest_objects.csv"} <= report.files.keys()


def test_objects_that_a_resize_makes_vanish_are_told():
    before = [truth("a", [10, 10, 60, 60]), truth("b", [0, 0, 50, 50])]
    after = [truth("a", [1, 1, 3, 3], size=(5, 5)), truth("b", size=(5, 5))]
    _, found = findings(before, after, ModelFacts(stride=4))
    assert "100% of the objects are smaller than 4 pixels after the pipeline" in found[0]
    assert "the pipeline leaves 1 of 2 objects" in found[1]


def test_images_without_objects_are_told_and_all_of_them_are_an_error():
    some = [truth("a", [10, 10, 60, 60]), truth("b", [10, 10, 60, 60]), truth("c")]
    assert findings(some, some)[1] == ["note: 1 of 3 images have no object of the classes: c"]
    none = [truth("a"), truth("b")]
    _, found = findings(none, none)
    assert found[0] == "error: 2 of 2 images have no object of the classes: a, b"
    assert found[1] == "error: no draw through the pipeline has any object left"


def test_anchors_that_fit_no_object_are_told():
    small = [truth("a", [10, 10, 14, 14])]
    level = AnchorLevel(np.array([[-32.0, -32, 32, 32]]), (16, 16))
    _, found = findings(small, small, ModelFacts(16, (level,)))
    assert any("no anchor has an IoU of 0.3 with 100% of the objects" in one for one in found)


def test_ignored_objects_are_neither_counted_nor_missed():
    one = GroundTruth(
        "a", (9, 9), np.array([[0, 0, 9, 9.0]]), np.array([0]), ignored=np.array([True])
    )
    assert len(one.learnt[0]) == 0


def test_classes_that_the_pipeline_cuts_away_and_maps_without_any_class_are_told():
    report = Report("t")
    before = [np.array([90, 10, 0]), np.array([95, 5, 0]), np.array([0, 0, 100])]
    after = [(0, np.array([100, 0, 0])), (1, np.array([100, 0, 0]))]
    add_label_maps(report, before, after, ["road", "sign"], ["a", "b", "c"], 3)
    lines = [line for _, line in report.findings]
    assert lines[0].startswith("'sign' is in 2 draws before the pipeline and in 0 after it")
    assert lines[1] == "1 of 3 label maps hold no class at all: c"
