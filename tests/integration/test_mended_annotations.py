"""What is mended gives the same numbers, to the last digit, from training to predictions."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("mmdet")

from pycocotools.coco import COCO  # noqa: E402
from pycocotools.cocoeval import COCOeval  # noqa: E402

from resblock_backbones.data import make_shapes  # noqa: E402
from resblock_backbones.openmmlab.prediction.predict import predict  # noqa: E402
from resblock_backbones.openmmlab.training.launch import test as run_test  # noqa: E402
from resblock_backbones.openmmlab.training.launch import train as run_train  # noqa: E402
from resblock_backbones.options.errors import InputError  # noqa: E402

CONFIG = Path(__file__).parents[2] / "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
VAL = Path("data/shapes/annotations/instances_val.json")
TRAIN = Path("data/shapes/annotations/instances_train.json")
OPTIONS = {
    "train_cfg.max_epochs": 4,
    "train_cfg.val_interval": 9,
    "train_dataloader.num_workers": 0,
    "val_dataloader.num_workers": 0,
    "test_dataloader.num_workers": 0,
    "optim_wrapper.optimizer.lr": 0.002,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A detector that finds something, its data, and what it scores."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_shapes("data/shapes", train=200, val=10, size=96, progress=False)
        run_train(str(CONFIG), work_dir="run", cfg_options=OPTIONS)
        metrics = measured()
    assert metrics["coco/bbox_mAP"] > 0
    return folder, metrics


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    folder, metrics = trained
    shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return metrics


def measured(**options):
    return run_test(str(CONFIG), "run/epoch_4.pth", work_dir="test", cfg_options=OPTIONS | options)


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def score_of_predictions():
    """What pycocotools says of predict's JSON against an untouched file of annotations."""
    predict(
        str(CONFIG), "run/epoch_4.pth", ["data/shapes/val"], "out", force=True, progress=False,
        score_threshold=0.0, cfg_options=OPTIONS,
    )  # fmt: skip
    truth = COCO(str(VAL))
    found = truth.loadRes(json.loads(Path("out/predictions.json").read_text())["annotations"])
    evaluation = COCOeval(truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def test_categories_in_another_order_score_the_same(here):
    before = score_of_predictions()
    edit(VAL, lambda content: content["categories"].reverse())
    assert measured() == here
    assert score_of_predictions() == before > 0


@pytest.mark.parametrize("kind", ["ids from 0", "no iscrowd", "byte-order mark"])
def test_what_is_certain_scores_the_same(here, kind):
    if kind == "ids from 0":
        edit(VAL, lambda content: [one.update(id=one["id"] - 1) for one in content["annotations"]])
    elif kind == "no iscrowd":
        edit(VAL, lambda content: [one.pop("iscrowd") for one in content["annotations"]])
    else:
        VAL.write_text(VAL.read_text(), encoding="utf-8-sig")
    assert measured() == here


def test_classes_in_another_order_than_in_training_are_refused(here):
    classes = ["ring", "star", "triangle", "square", "circle"]
    with pytest.raises(InputError, match="was trained with the classes in the order"):
        measured(**{"test_dataloader.dataset.metainfo.classes": classes})


def test_a_test_set_without_annotations_gives_predictions(here):
    edit(VAL, lambda content: content.pop("annotations"))
    measured(**{"test_evaluator.format_only": True, "test_evaluator.outfile_prefix": "found/run"})
    found = json.loads(Path("found/run.bbox.json").read_text())
    assert {one["category_id"] for one in found} <= {1, 2, 3, 4, 5} and found
