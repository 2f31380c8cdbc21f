"""Each format is trained on, validated and predicted; labels go by name whatever their order."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("mmdet")
pytest.importorskip("mmseg")
sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

import written_formats as formats  # noqa: E402
from small_sets import coco, write_coco  # noqa: E402

from resblock_backbones.commands.front import main  # noqa: E402
from resblock_backbones.openmmlab.training.launch import test as measured  # noqa: E402

NO_WORKERS = [f"{split}_dataloader.num_workers=0" for split in ("train", "val", "test")]
WRITERS = {
    "yolo": formats.as_yolo,
    "yolo_polygons": formats.as_yolo_polygons,
    "roboflow_yolo": formats.as_roboflow_yolo,
    "voc": formats.as_voc,
    "labelme": formats.as_labelme,
    "cvat": formats.as_cvat,
    "label_studio": formats.as_label_studio,
    "label_studio_min": formats.as_label_studio_min,
    "roboflow_coco": formats.as_roboflow_coco,
    "coco_without_a_split": formats.as_coco_without_a_split,
    "masks": formats.as_masks,
}
MODELS = {
    "yolo": "fcos", "voc": "retinanet", "yolo_polygons": "mask-rcnn", "cvat": "mask-rcnn",
    "masks": "deeplabv3plus",
}  # fmt: skip


def run(capfd, *arguments):
    capfd.readouterr()
    status = main(list(map(str, arguments)))
    out, err = capfd.readouterr()
    assert status == 0, err
    return out + err


def trained(capfd, data, model, *more):
    """The config and the last checkpoint of a training on a folder."""
    said = run(
        capfd, "train", "--data", data, "--model", model, "--batch", "auto", "--width", 0.25,
        "--work-dir", "run", *more, "--cfg-options", *NO_WORKERS,
    )  # fmt: skip
    config = next(line.split()[1] for line in said.splitlines() if line.startswith("config "))
    return config, Path(Path("run/last_checkpoint").read_text()), said


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_trained_on_validated_and_predicted(tmp_path, monkeypatch, capfd, name):
    monkeypatch.chdir(tmp_path)
    WRITERS[name](Path(name))
    model = MODELS.get(name, "faster-rcnn")
    masks = model == "deeplabv3plus"
    config, checkpoint, said = trained(capfd, name, model, "--epochs", 1, "--imgsz", 64)
    # After one epoch a one-stage detector may find nothing, which MMDetection says.
    nothing = "testing results of the whole dataset is empty"
    assert ("mIoU" if masks else "coco/bbox_mAP") in said or nothing in said
    run(
        capfd, "predict", config, checkpoint, name, "--out", "out",
        *([] if masks else ["--score-threshold", 0.0]),
    )  # fmt: skip
    if masks:
        assert len(list(Path("out").rglob("*.png"))) >= 8
    else:
        predicted = json.loads(Path("out/predictions.json").read_text())
        assert len(predicted["images"]) == 8
        assert [one["name"] for one in predicted["categories"]] == ["cat", "dog"]


@pytest.mark.slow
def test_categories_in_reverse_give_the_same_metrics_and_predictions(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_coco(Path("pets"), coco(), "train.json")
    write_coco(Path("pets"), coco(), "val.json")
    config, checkpoint, _ = trained(capfd, "pets", "faster-rcnn", "--epochs", 40, "--imgsz", 64)
    content = coco()
    content["categories"].reverse()
    Path("pets/reversed.json").write_text(json.dumps(content))
    results, predicted = {}, {}
    for name in ("val", "reversed"):
        changes = {
            "test_dataloader.dataset.ann_file": str(Path(f"pets/{name}.json").absolute()),
            "test_evaluator.ann_file": str(Path(f"pets/{name}.json").absolute()),
            "test_dataloader.num_workers": 0,
        }
        results[name] = measured(
            config, str(checkpoint), work_dir=f"test_{name}", cfg_options=changes
        )
        run(
            capfd, "predict", config, checkpoint, "pets", "--out", name, "--score-threshold", 0.05,
            "--cfg-options", *(f"{key}={value}" for key, value in changes.items()),
        )  # fmt: skip
        predicted[name] = json.loads(Path(name, "predictions.json").read_text())
    assert results["val"] == results["reversed"] and results["val"]["coco/bbox_mAP"] > 0.1
    names = {
        name: {one["id"]: one["name"] for one in content["categories"]}
        for name, content in predicted.items()
    }
    boxes = {
        name: [
            (names[name][one["category_id"]], one["bbox"], one["score"])
            for one in content["annotations"]
        ]
        for name, content in predicted.items()
    }
    assert boxes["val"] and boxes["val"] == boxes["reversed"]
