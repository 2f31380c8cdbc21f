"""What a config's data sets are is told before a run, and repaired where it is certain."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mmdet")
pytest.importorskip("mmseg")
sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

from mmengine.config import ConfigDict  # noqa: E402
from small_sets import coco, write_coco  # noqa: E402

from resblock_backbones.openmmlab.configs.scopes import import_scope  # noqa: E402
from resblock_backbones.openmmlab.datasets.copies import with_copies  # noqa: E402
from resblock_backbones.openmmlab.datasets.dataset_checks import check_datasets  # noqa: E402
from resblock_backbones.options.errors import InputError  # noqa: E402

LOAD = {"type": "LoadImageFromFile"}


@pytest.fixture
def detection(tmp_path, monkeypatch):
    """A config of a detector of cats and dogs, and the folder of its data."""
    monkeypatch.chdir(tmp_path)
    import_scope("mmdet")
    for split, first in (("train", 0), ("val", 100)):
        write_coco(tmp_path / split)
        for number in range(8):  # two splits of one image each would share it
            pixels = np.full((24, 32, 3), first + number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / split / f"{number}.png")

    def loader(split, **more):
        return {
            "batch_size": 2,
            "dataset": {
                "type": "CocoDataset",
                "data_root": split,
                "ann_file": "a.json",
                "data_prefix": {"img": ""},
                "metainfo": {"classes": ("cat", "dog")},
                "pipeline": [
                    LOAD,
                    {"type": "LoadAnnotations", "with_bbox": True},
                    {"type": "PackDetInputs"},
                ],
                **more,
            },
        }

    cfg = {
        "default_scope": "mmdet",
        "work_dir": "run",
        "model": {"bbox_head": {"num_classes": 2}},
        "train_dataloader": loader("train", filter_cfg={"filter_empty_gt": True}),
        "val_dataloader": loader("val", test_mode=True),
        "val_evaluator": {"type": "CocoMetric", "ann_file": "val/a.json", "metric": "bbox"},
    }
    return ConfigDict(cfg), tmp_path


BOTH = ["train_dataloader", "val_dataloader"]


def refused(cfg, loaders=BOTH):
    with pytest.raises(InputError) as caught:
        check_datasets(cfg, loaders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_of_correct_data_only_the_tables_are_told(detection):
    cfg, _ = detection
    result = check_datasets(cfg, BOTH)
    assert (result.notes, result.warnings, result.copies) == ([], [], {})
    assert [table.splitlines()[0] for table in result.tables] == [
        "train_dataloader.dataset: 8 of 8 images, 16 of 16 objects",
        "val_dataloader.dataset: 8 of 8 images, 16 of 16 objects",
    ]


def test_loader_and_evaluator_read_the_same_mended_copy(detection):
    cfg, folder = detection
    file = folder / "val/a.json"
    edit(file, lambda content: content["categories"].reverse())
    edit(file, lambda content: [one.pop("iscrowd") for one in content["annotations"]])
    before = file.read_bytes()
    result = check_datasets(cfg, BOTH)
    assert list(result.copies) == [file.resolve()] and file.read_bytes() == before
    loader = with_copies(cfg.val_dataloader, result.copies)
    evaluator = with_copies([cfg.val_evaluator], result.copies)[0]
    assert loader["dataset"]["ann_file"] == evaluator["ann_file"]
    assert json.loads(Path(evaluator["ann_file"]).read_text()) == coco()
    assert cfg.val_evaluator.ann_file == "val/a.json"
    assert with_copies(cfg.train_dataloader, result.copies) == cfg.train_dataloader
    assert any("labels go by name" in note for note in result.notes)


def test_masks_are_wanted_where_they_are_learnt_or_measured(detection):
    cfg, folder = detection
    edit(folder / "val/a.json", lambda content: content["annotations"][3].pop("segmentation"))
    check_datasets(cfg, BOTH)
    cfg.val_evaluator.metric = ["bbox", "segm"]
    assert "annotations[3] (id 4): has no 'segmentation'" in refused(cfg)
    shutil.copy(folder / "train/a.json", folder / "val/a.json")
    check_datasets(cfg, BOTH)
    cfg.train_dataloader.dataset.pipeline[1] |= {"with_mask": True, "poly2mask": False}
    assert "8 of 16 masks are run lengths" in refused(cfg)
    cfg.train_dataloader.dataset.pipeline[1].poly2mask = True
    check_datasets(cfg, BOTH)
    cfg.model.roi_head = {"mask_head": {"type": "FCNMaskHead", "num_classes": 2}}
    cfg.train_dataloader.dataset.pipeline[1].with_mask = False
    assert "the model has a mask head, and its pipeline loads no masks" in refused(cfg)


def test_a_test_set_without_annotations_is_for_predictions_alone(detection):
    cfg, folder = detection
    edit(folder / "val/a.json", lambda content: content.pop("annotations"))
    assert "has no 'annotations'" in refused(cfg)
    assert "val_evaluator.format_only=True" in refused(cfg)
    cfg.val_evaluator |= {"format_only": True, "outfile_prefix": "out"}
    assert "0 of 0 objects" in check_datasets(cfg, BOTH).tables[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"val_evaluator.ann_file": "train/b.json"}, "val_evaluator.ann_file: train/b.json is"),
        ({"model.bbox_head.num_classes": 3}, "write num_classes=2"),
        ({"model.bbox_head.loss_cls": {"class_weight": [1, 1]}}, "2 weights.*write 3"),
        ({"train_dataloader.dataset.metainfo.classes": "cat"}, r"write \('cat',\)"),
        ({"train_dataloader.dataset.metainfo.classes": ("dog", "cat")}, "another class"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_parts_that_do_not_fit_each_other_are_told(detection, change, message):
    cfg, folder = detection
    edit(folder / "train/a.json", lambda content: None)
    content = coco()
    content["images"], content["annotations"] = content["images"][:4], content["annotations"][:8]
    (folder / "train/b.json").write_text(json.dumps(content))
    for key, value in change.items():
        *parents, last = key.split(".")
        part = cfg
        for name in parents:
            part = part[name]
        part[last] = value
    with pytest.raises(InputError, match=message):
        check_datasets(cfg, BOTH)


def test_images_that_are_in_both_splits_are_a_warning(detection):
    cfg, _ = detection
    cfg.val_dataloader.dataset.data_root = "train"
    cfg.val_evaluator.ann_file = "train/a.json"
    [warning] = check_datasets(cfg, BOTH).warnings
    assert "8 of 8 images are also in train_dataloader.dataset (0.png, ...)" in warning
    cfg.val_dataloader.dataset.data_root = "copy"
    cfg.val_evaluator.ann_file = "copy/a.json"
    shutil.copytree("train", "copy")
    [warning] = check_datasets(cfg, BOTH).warnings
    assert "copy/0.png is a copy of " in warning


def test_a_class_in_the_images_alone_of_val_is_named(detection):
    cfg, folder = detection
    edit(folder / "val/a.json", lambda content: content["categories"].pop())
    edit(
        folder / "val/a.json",
        lambda content: content.update(annotations=content["annotations"][::2]),
    )
    assert "has no category 'dog' of val_dataloader.dataset.metainfo.classes" in refused(cfg)


# --- label maps ---


@pytest.fixture
def segmentation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import_scope("mmseg")
    for number in range(40):
        labels = np.zeros((24, 32), np.uint8)
        labels[4:12, number % 9 :] = 1
        for name, pixels in (("img", np.full((24, 32, 3), number, np.uint8)), ("seg", labels)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    dataset = {
        "type": "BaseSegDataset",
        "img_suffix": ".png",
        "data_prefix": {"img_path": "img", "seg_map_path": "seg"},
        "metainfo": {"classes": ("paper", "cat")},
        "pipeline": [LOAD, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}],
    }
    cfg = {
        "default_scope": "mmseg",
        "model": {"decode_head": {"num_classes": 2}, "data_preprocessor": {}},
        "train_dataloader": {"batch_size": 2, "dataset": dataset},
    }
    return ConfigDict(cfg), tmp_path


def test_every_label_map_is_looked_at(segmentation):
    cfg, folder = segmentation
    result = check_datasets(cfg, ["train_dataloader"])
    assert result.warnings == [] and "40 of 40 images" in result.tables[0]
    labels = np.array(Image.open(folder / "seg/23.png"))
    labels[0, 0] = 7
    Image.fromarray(labels).save(folder / "seg/23.png")
    assert "23.png: holds label 7 (1 pixels), and there are 2 classes" in refused(
        cfg, ["train_dataloader"]
    )


def test_images_of_several_sizes_are_told_with_what_to_add(segmentation):
    cfg, folder = segmentation
    for name in ("img", "seg"):
        image = Image.open(folder / name / "5.png")
        image.crop((0, 0, 30, 20)).save(folder / name / "5.png")
    message = refused(cfg, ["train_dataloader"])
    assert "images of 2 sizes (30x20, 32x24, ...) cannot be made batches of 2" in message
    assert "RandomCrop" in message and "data_preprocessor" in message
    cfg.model.data_preprocessor.size = (32, 32)
    check_datasets(cfg, ["train_dataloader"])


def test_reduce_zero_label_in_the_pipeline_alone_is_told(segmentation):
    cfg, _ = segmentation
    cfg.train_dataloader.dataset.pipeline[1].reduce_zero_label = True
    assert "write reduce_zero_label in the data set alone" in refused(cfg, ["train_dataloader"])


def test_class_weights_and_classes_have_to_agree(segmentation):
    cfg, _ = segmentation
    cfg.model.decode_head.loss_decode = {"type": "CrossEntropyLoss", "class_weight": [1, 2, 3]}
    message = refused(cfg, ["train_dataloader"])
    assert "model.decode_head.loss_decode.class_weight has 3 weights" in message
    assert "write 2" in message


# --- the numbers of an evaluation ---


def score(cfg):
    """The metrics of detections that are the objects of the correct file, labelled by name."""
    import torch
    from mmdet.registry import DATASETS, METRICS

    copies = check_datasets(cfg, BOTH).copies
    loaded = with_copies(cfg.val_dataloader, copies)["dataset"]
    dataset = DATASETS.build({**loaded, "pipeline": []})  # its annotations alone are read
    metric = METRICS.build(with_copies(cfg.val_evaluator, copies))
    metric.dataset_meta = dataset.metainfo
    names = {one["id"]: one["name"] for one in coco()["categories"]}
    for number in range(len(dataset)):
        info = dataset.get_data_info(number)
        objects = [one for one in coco()["annotations"] if one["image_id"] == info["img_id"]]
        boxes = torch.tensor([one["bbox"] for one in objects], dtype=torch.float)
        boxes[:, 2:] += boxes[:, :2]
        labels = [cfg.val_dataloader.dataset.metainfo.classes.index(names[o["category_id"]])
                  for o in objects]  # fmt: skip
        scores = torch.ones(len(objects))
        found = {"bboxes": boxes, "scores": scores, "labels": torch.tensor(labels)}
        metric.process({}, [{"img_id": info["img_id"], "ori_shape": (24, 32),
                             "pred_instances": found}])  # fmt: skip
    return metric.evaluate(len(dataset))


def ids_from_0(content):
    for number, one in enumerate(content["annotations"]):
        one["id"] = number


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["categories"].reverse(),
        ids_from_0,
        lambda content: [one.pop("iscrowd") for one in content["annotations"]],
        lambda content: [one.pop("area") for one in content["annotations"]],
    ],
    ids=["categories reversed", "ids from 0", "no iscrowd", "no area"],
)
def test_what_is_mended_scores_the_same(detection, change):
    cfg, folder = detection
    right = score(cfg)
    assert right["coco/bbox_mAP"] == 1.0
    edit(folder / "val/a.json", change)
    assert score(cfg) == right
    for loader in BOTH:
        cfg[loader].dataset.metainfo.classes = ("dog", "cat")
    assert score(cfg) == right
