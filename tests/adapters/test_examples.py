"""The examples train on COCO files and score what pycocotools scores."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
from torchvision.ops import box_convert

pytest.importorskip("pycocotools")

from resblock_backbones.data.shapes import make_shapes

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def examples(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.fixture
def shapes(tmp_path):
    make_shapes(tmp_path / "shapes", train=5, val=2, size=64, progress=False)
    return tmp_path / "shapes"


def example(name):
    if name.endswith("lightning"):
        pytest.importorskip("lightning")
    return importlib.import_module(name)


TINY = ["--epochs", "2", "--eval-every", "1", "--width", "0.125", "--size", "64"]


@pytest.mark.parametrize("name", ["faster_rcnn", "faster_rcnn_lightning"])
def test_it_trains_evaluates_and_keeps_the_weights(name, shapes, tmp_path, capsys):
    score = example(name).main([str(shapes), "--out", str(tmp_path / "out"), *TINY])
    assert 0 <= score <= 1
    assert "epoch 2: " in capsys.readouterr().out
    assert {file.suffix for file in (tmp_path / "out").iterdir()} & {".pt", ".ckpt"}


AXES = [(), (2,), (1,), (1, 2)]


def filled(box, image):
    """A mask of the image's size: the pixels in the box."""
    left, top, right, bottom = box.round().int().tolist()
    mask = torch.zeros(1, *image.shape[1:])
    mask[:, top:bottom, left:right] = 1
    return mask


def test_labels_and_boxes_are_those_of_the_file_and_are_mirrored_with_the_image(shapes):
    module = example("faster_rcnn")
    plain = module.CocoBoxes(shapes, "train")
    file = json.loads((shapes / "annotations/instances_train.json").read_text())
    torch.manual_seed(0)
    mirrored = module.CocoBoxes(shapes, "train", flip=True)
    seen = set()
    for index in range(len(plain)):
        image, target = plain[index]
        told = [one for one in file["annotations"] if one["image_id"] == int(target["image_id"])]
        assert target["labels"].tolist() == [one["category_id"] for one in told]
        xywh = torch.tensor([one["bbox"] for one in told], dtype=torch.float32)
        torch.testing.assert_close(target["boxes"], box_convert(xywh, "xywh", "xyxy"))
        for _ in range(4):
            flipped, moved = mirrored[index]
            (axes,) = (one for one in AXES if torch.equal(image.flip(one), flipped))
            seen.add(axes)
            for before, after in zip(target["boxes"], moved["boxes"], strict=True):
                assert torch.equal(filled(before, image).flip(axes), filled(after, image))
    assert len(seen) >= 3


def test_the_ground_truth_as_detections_scores_one(shapes):
    module = example("faster_rcnn")
    data = module.CocoBoxes(shapes, "val")
    found = [data[index][1] | {"scores": torch.ones(99)} for index in range(len(data))]
    found = [{**one, "scores": one["scores"][: len(one["labels"])]} for one in found]
    entries = module.detections(lambda _: found, [], [data[i][1] for i in range(len(data))], data)
    assert module.mean_average_precision(data, entries) == pytest.approx(1.0)
    assert module.mean_average_precision(data, []) == 0.0


def test_images_without_objects_and_crowds_are_taken(shapes):
    file = shapes / "annotations/instances_train.json"
    told = json.loads(file.read_text())
    first = told["images"][0]["id"]
    for one in told["annotations"]:
        one["iscrowd"] = int(one["image_id"] == first)
    file.write_text(json.dumps(told))
    image, target = example("faster_rcnn").CocoBoxes(shapes, "train", flip=True)[0]
    assert target["boxes"].shape == (0, 4) and target["labels"].dtype == torch.int64


@pytest.mark.slow
@pytest.mark.parametrize("name", ["faster_rcnn", "faster_rcnn_lightning"])
def test_it_trains_to_the_score_of_make_train(name, tmp_path):
    make_shapes(tmp_path / "shapes", progress=False)
    score = example(name).main([str(tmp_path / "shapes"), "--out", str(tmp_path / "out")])
    assert score >= 0.65


def teardown_module():
    for name in ("faster_rcnn", "faster_rcnn_lightning"):
        sys.modules.pop(name, None)
