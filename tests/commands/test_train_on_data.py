"""`resblock train --data` and `resblock new`: from a folder alone to a trained model."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mmdet")
pytest.importorskip("mmseg")
sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

import written_formats as formats  # noqa: E402
from mmengine.config import Config  # noqa: E402
from small_sets import write_coco  # noqa: E402

from resblock_backbones.commands.front import main  # noqa: E402
from resblock_backbones.data.formats.recognise import read_folder  # noqa: E402
from resblock_backbones.data.formats.writing import write_label_maps, write_objects  # noqa: E402
from resblock_backbones.files.shipped_configs import shipped_config  # noqa: E402
from resblock_backbones.openmmlab.datasets.choices import MODELS, choose  # noqa: E402
from resblock_backbones.openmmlab.datasets.new_config import config_for  # noqa: E402
from resblock_backbones.options.errors import InputError  # noqa: E402

NO_WORKERS = [
    f"{split}_dataloader.{key}" for split in ("train", "val") for key in ("num_workers=0",)
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capfd, *arguments):
    capfd.readouterr()
    status = main(list(map(str, arguments)))
    out, err = capfd.readouterr()
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (status == 2), (out, err)
    return status, out + err, errors[0] if errors else ""


def test_a_detector_learns_from_a_folder_alone(here, capfd):
    formats.as_yolo(here / "pets")
    arguments = ["--epochs", 1, "--depth", 18, "--width", 0.25, "--work-dir", "run"]
    status, said, _ = run(
        capfd, "train", "--data", "pets", *arguments, "--cfg-options", *NO_WORKERS
    )
    assert status == 0
    told = said.splitlines()[:5]
    assert [line.split()[0] for line in told] == ["data", "classes", "model", "run", "config"]
    assert "YOLO in" in told[0] and "6 train, 2 val images" in told[0]
    assert "2: cat, dog; 12 objects" in told[1] and "ResNet-18 of width 0.25" in told[2]
    assert Path("run/epoch_1.pth").is_file()
    text = Path(told[4].split()[1]).read_text()
    assert "# the longer sides of the images are 32 pixels (median)" in text
    # The config is one to keep: it trains and tests by itself.
    assert run(capfd, "check", told[4].split()[1])[0] == 0
    status, said, _ = run(
        capfd, "test", told[4].split()[1], "run/epoch_1.pth", "--work-dir", "test",
        "--cfg-options", "test_dataloader.num_workers=0",
    )  # fmt: skip
    assert status == 0
    status, said, _ = run(
        capfd, "predict", told[4].split()[1], "run/epoch_1.pth", "pets/images/val", "--out", "out",
        "--score-threshold", 0.0,
    )  # fmt: skip
    predicted = json.loads(Path("out/predictions.json").read_text())
    assert status == 0 and [one["name"] for one in predicted["categories"]] == ["cat", "dog"]


def test_a_segmentor_learns_from_masks_in_a_folder(here, capfd):
    formats.as_masks(here / "pets", on=255)
    status, said, error = run(
        capfd, "train", "--data", "pets", "--epochs", 1, "--imgsz", 64, "--work-dir", "run",
        "--cfg-options", *NO_WORKERS, "model.backbone.width=0.25",
    )  # fmt: skip
    assert status == 0, error
    assert "rewritten with 0 and 1" in said and "mIoU" in said


@pytest.mark.parametrize("model", [name for name in MODELS if name != "deeplabv3plus"])
def test_the_config_of_every_model_has_the_classes_of_the_data(here, model):
    write_coco(here / "pets")
    data = write_objects(read_folder(here / "pets"), here / "out")
    text = config_for(
        data, choose(data, model=model), Config.fromfile(str(shipped_config(MODELS[model][0])))
    )
    (here / "pets.py").write_text(text)
    cfg = Config.fromfile(str(here / "pets.py"))
    assert re.findall(r"'num_classes': (\d+)", str(cfg.model.to_dict())).count("2") == (
        2 if model == "mask-rcnn" else 1
    )
    for split in ("train", "val", "test"):
        dataset = cfg[f"{split}_dataloader"].dataset
        assert tuple(dataset.metainfo.classes) == ("cat", "dog")
        assert Path(dataset.ann_file).is_file() and Path(dataset.data_root) == here / "pets"
    assert cfg.val_evaluator.ann_file == cfg.val_dataloader.dataset.ann_file


def written(folder):
    write_coco(folder)
    return write_objects(read_folder(folder), folder.parent / "out")


def test_what_is_not_given_is_inferred(here):
    data = replace(
        written(here / "pets"),
        images={"train": 400, "val": 100},
        image_sizes=[(160, 120)] * 500,
        sizes=np.full((1000, 2), 40.0),
    )
    usual = choose(data)
    assert (usual.imgsz, usual.batch, usual.epochs, usual.iterations) == (160, 4, 15, 1500)
    assert usual.anchor_scale == 8 and usual.lr == 0.001
    assert choose(replace(data, sizes=np.full((9, 2), 6.0))).anchor_scale == 2
    assert choose(replace(data, image_sizes=[(4000, 3000)])).imgsz == 640
    assert choose(replace(data, images={"train": 12, "val": 4}), batch="auto").batch == 1
    assert choose(replace(data, images={"train": 6400, "val": 4}), cuda=True).batch == 16
    assert choose(data, batch="auto", cuda=True).batch == 4 and choose(data, batch=3).batch == 3
    large = replace(data, sizes=np.full((9, 2), 300.0))
    assert choose(large, model="fcos").levels > choose(data, model="fcos").levels == 3


def test_a_class_of_most_pixels_gets_a_small_weight(here):
    formats.as_masks(here / "pets")
    data = write_label_maps(read_folder(here / "pets"), here / "out")
    share = data.counts["background"] / sum(data.counts.values())
    assert 0.8 < share < 0.86
    assert choose(data).class_weights == (0.5, 1.0)
    even = replace(data, counts={"background": 60, "class 1": 40})
    assert choose(even).class_weights == (0.5, 1.0)
    rare = replace(data, counts={"background": 99, "class 1": 1})
    assert choose(rare).class_weights == (0.25, 1.0)


@pytest.mark.parametrize(
    ("names", "flip"),
    [
        (["cat", "dog"], True),
        (["left hand", "right hand"], False),
        (["turn-left"], False),
        (["leftover", "bright"], True),
        (list("0123456789"), False),
        (["background", *"0123456789"], False),
        (["person", "x", "bag"], True),
    ],
)
def test_images_are_not_mirrored_where_a_class_would_be_another_one(here, names, flip):
    data = replace(written(here / "pets"), classes=names)
    chosen = choose(data)
    assert chosen.flip is flip
    base = Config.fromfile(str(shipped_config(MODELS["faster-rcnn"][0])))
    prob = 0.5 if flip else 0.0
    line = f'dict(type="RandomFlip", prob={prob}),  # {chosen.reasons["flip"]}'
    assert line in config_for(data, chosen, base)


def test_more_classes_of_pixels_take_more_iterations(here):
    formats.as_masks(here / "pets")
    data = write_label_maps(read_folder(here / "pets"), here / "out")
    data = replace(data, images={"train": 400, "val": 100})
    assert choose(data).iterations == 1500
    many = [f"class {number}" for number in range(11)]
    assert choose(replace(data, classes=many, counts=dict.fromkeys(many, 9))).iterations == 2500


def test_few_images_of_many_classes_are_varied(here):
    formats.as_masks(here / "pets")
    data = write_label_maps(read_folder(here / "pets"), here / "out")
    base = Config.fromfile(str(shipped_config(MODELS["deeplabv3plus"][0])))
    for images, vary in ((99, True), (100, False)):
        some = replace(data, images={"train": images, "val": 9})
        (here / "a.py").write_text(config_for(some, choose(some), base))
        steps = [one["type"] for one in Config.fromfile("a.py").train_dataloader.dataset.pipeline]
        varied = ["RandomResize", "RandomCrop", "RandomRotate"] if vary else ["Resize"]
        assert steps == ["LoadImageFromFile", "LoadAnnotations", *varied, "RandomFlip",
                         "PackSegInputs"]  # fmt: skip


def test_masks_are_needed_for_mask_rcnn(here):
    formats.as_voc(here / "pets")
    data = write_objects(read_folder(here / "pets"), here / "out")
    with pytest.raises(InputError, match="needs a mask for every object.*has boxes alone"):
        choose(data, model="mask-rcnn")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "what to train? give a config, or --data and a folder"),
        (["a.py", "--data", "pets"], "what to train?"),
        (["a.py", "--epochs", "3"], "--epochs: goes with --data"),
        (["--data", "gone"], "gone: there is no such folder"),
        (["--data", "empty"], "no annotations that are known here"),
        (["--data", "pets", "--model", "deeplabv3plus"], "has no label maps, but yolo"),
        (["--data", "pets", "--imgsz", "32"], "--imgsz 32: has to be a whole number, at least 64"),
        (["--data", "pets", "--epochs", "0"], "--epochs 0: has to be a whole number"),
        (["--data", "masks", "--batch", "1"], "--batch 1: the norm behind a pooled map needs two"),
        (["--data", "pets", "--format", "voc"], "is not in the format voc, but yolo"),
        (["--data", "pets", "--format", "dota"], "format"),
        (["--data", "pets", "--depth", "20"], "depth=20: must be one of 18, 34, 50"),
    ],
)
def test_bad_arguments_are_told_in_one_line(here, capfd, arguments, message):
    (here / "empty").mkdir()
    formats.as_masks(here / "masks")
    formats.as_yolo(here / "pets")
    status, _, error = run(capfd, "train", *arguments)
    assert status == 2 and message in error


def test_a_config_on_the_model_of_another_one(here, capfd):
    formats.as_yolo(here / "pets")
    base = "cascade-rcnn_flexr18-half_fpn_shapes"
    status, said, error = run(capfd, "new", "pets", "--base", base)
    assert status == 0, error
    Path("my.py").write_text(said)
    cfg = Config.fromfile("my.py")
    assert [one.num_classes for one in cfg.model.roi_head.bbox_head] == [2, 2, 2]
    assert run(capfd, "check", "my.py")[0] == 0
    formats.as_masks(here / "masks")
    status, said, error = run(
        capfd, "new", "masks", "--base", "deeplabv3plus_flexr18-half-d16_shapes"
    )
    assert status == 0, error
    Path("seg.py").write_text(said)
    cfg = Config.fromfile("seg.py")  # the base has weights for six classes
    assert cfg.model.decode_head.loss_decode.class_weight == [0.5, 1.0]
    assert run(capfd, "check", "seg.py")[0] == 0
    assert Image.open(next(Path("data/masks_coco/labels").glob("*.png"))).mode == "L"
