"""Where predictions take the names of classes from, and what they do without any."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmdet")
from pycocotools.coco import COCO  # noqa: E402

from resblock_backbones.openmmlab.configs.scopes import import_scope  # noqa: E402
from resblock_backbones.openmmlab.prediction.predictor import classes_and_palette  # noqa: E402
from resblock_backbones.prediction.files import CocoPredictions  # noqa: E402
from resblock_backbones.prediction.prediction import Prediction  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def registered():
    import_scope("mmdet")


def names(meta, dataset, scope="mmdet"):
    return classes_and_palette(meta, dataset, scope).get("classes")


def test_a_checkpoint_of_mmdetection_2_has_them_in_its_meta():
    assert names({"CLASSES": ("cat", "dog")}, {"type": "CocoDataset"}) == ("cat", "dog")
    new = {"CLASSES": ("cat", "dog"), "dataset_meta": {"classes": ("owl",)}}
    assert names(new, {}) == ("owl",)


def test_without_any_they_are_those_of_the_data_sets_class_looked_up_in_its_package():
    assert len(names({}, {"type": "CocoDataset"})) == 80
    assert len(names({}, {"type": "mmdet.CocoDataset"}, None)) == 80
    given = {"type": "CocoDataset", "metainfo": {"classes": ("one",)}}
    assert names({}, given) == ("one",)
    assert names({}, {"type": "CocoDataset"}, "mmseg") is None


def test_predictions_without_names_are_still_read_by_pycocotools(tmp_path):
    written = CocoPredictions((), {})
    boxes = np.array([[0.0, 0, 4, 5], [1, 1, 3, 3]])
    found = Prediction(boxes=boxes, labels=np.array([7, 2]), scores=np.array([0.9, 0.8]))
    written.add(Path("image.png"), (8, 8), found)
    written.write(tmp_path / "predictions.json")
    read = COCO(str(tmp_path / "predictions.json"))
    assert [read.cats[one["category_id"]]["name"] for one in read.anns.values()] == ["7", "2"]
    assert json.loads((tmp_path / "predictions.json").read_text())["categories"]
