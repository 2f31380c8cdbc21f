"""`resblock browse`: one page shows what a model will see, and its head what is wrong with it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("mmdet")
pytest.importorskip("mmseg")

from resblock_backbones.commands.front import main  # noqa: E402
from resblock_backbones.data import make_shapes  # noqa: E402
from resblock_backbones.drawing.colours import palette_of  # noqa: E402
from resblock_backbones.openmmlab.datasets.palette import palette_of_dataset  # noqa: E402

CONFIGS = Path(__file__).parents[3] / "configs"
MASKS = CONFIGS / "mask_rcnn/mask-rcnn_flexr18-half_fpn_shapes.py"
MAPS = CONFIGS / "fcn/fcn_flexr18-half-d8_shapes.py"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "shapes"
    make_shapes(folder, train=6, val=3, size=64, progress=False)
    return folder


@pytest.fixture
def here(shapes, tmp_path, monkeypatch):
    """A folder with the data set, of which a test may change what it likes."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(shapes, tmp_path / "data/shapes")
    return tmp_path


def browse(config, *options, out="out"):
    few = ["--images", "2", "--draws", "2", "--sample", "4"]
    return main(["browse", str(config), "--out", out, *few, *options])


def findings(capsys):
    """What is printed, but for the page's place and MMEngine's word about an earlier scope."""
    lines = capsys.readouterr().out.splitlines()
    return [one for one in lines if not one.startswith("out") and " - mmengine - " not in one]


def test_images_are_drawn_as_stored_and_as_the_pipeline_gives_them(here, capsys):
    assert browse(MASKS) == 0
    assert not findings(capsys)
    drawn = sorted(one.name for one in Path("out/images").iterdir())
    assert [name.split("_")[1] for name in drawn] == ["draw1.png", "draw2.png", "stored.png"] * 2
    page = Path("out/index.html").read_text()
    assert page.count("<figure") == 6 + 7 and "No findings" in page
    rows = Path("out/classes.csv").read_text().splitlines()[1:]
    content = json.loads(Path("data/shapes/annotations/instances_train.json").read_text())
    assert sum(int(row.split(",")[1]) for row in rows) == len(content["annotations"])


@pytest.mark.slow
def test_draws_are_the_same_in_every_run(here):
    for out in ("out", "again"):
        assert browse(MASKS, out=out) == 0
    for file in Path("out/images").iterdir():
        assert file.read_bytes() == Path("again/images", file.name).read_bytes()


def test_a_class_has_the_same_colour_in_a_data_set_that_is_repeated(here):
    from mmdet.datasets import CocoDataset
    from mmengine.dataset import ConcatDataset, RepeatDataset

    names = ("circle", "square", "triangle", "star", "ring")
    file = "data/shapes/annotations/instances_val.json"
    plain = CocoDataset(ann_file=file, metainfo={"classes": names}, data_prefix={"img": ""})
    for wrapped in (RepeatDataset(plain, 2), ConcatDataset([plain, plain])):
        assert palette_of_dataset(wrapped) == palette_of_dataset(plain) == palette_of(None, 5)


def test_boxes_that_are_fractions_are_an_error_at_the_head_and_drawn_where_they_stand(here, capsys):
    file = Path("data/shapes/annotations/instances_train.json")
    content = json.loads(file.read_text())
    for one in content["annotations"]:
        one["bbox"] = [value / 64 for value in one["bbox"]]
    file.write_text(json.dumps(content))
    assert browse(CONFIGS / "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py") == 0
    assert "look like fractions of the image" in findings(capsys)[0]
    assert "look like fractions of the image" in Path("out/index.html").read_text()
    labelled = sorted(Path("out/images").glob("*stored.png"))[0]
    bare = np.asarray(Image.open(str(labelled).replace("stored", "draw1")))
    colours = np.unique(np.asarray(Image.open(labelled))[:60, :60].reshape(-1, 3), axis=0)
    assert len(colours) > 100 and bare.shape == np.asarray(Image.open(labelled)).shape


@pytest.mark.slow
def test_classes_in_another_order_than_in_the_other_split_are_an_error(here, capsys):
    order = "train_dataloader.dataset.metainfo.classes=('ring','circle','square','triangle','star')"
    assert browse(MASKS, "--cfg-options", order) == 0
    lines = findings(capsys)
    assert any(
        line.startswith("error: val_dataloader.dataset.metainfo.classes is") for line in lines
    )
    assert any("its categories are in another order" in line for line in lines)


@pytest.mark.slow
def test_a_resize_that_makes_objects_vanish_is_a_warning(here, capsys):
    assert browse(MASKS, "--cfg-options", "train_dataloader.dataset.pipeline.2.scale=(8,8)") == 0
    lines = findings(capsys)
    assert any(
        "of the objects are smaller than 4 pixels after the pipeline" in one for one in lines
    )


def test_label_maps_of_0_and_255_are_an_error_and_striped(here, capsys):
    for file in Path("data/shapes/labels").rglob("*.png"):
        labels = np.asarray(Image.open(file))
        Image.fromarray(((labels > 0) * 255).astype(np.uint8)).save(file)
    names = "metainfo=dict(classes=('background','shape'),palette=[[40,40,40],[230,75,53]])"
    splits = [f"{split}_dataloader.dataset.{names}" for split in ("train", "val", "test")]
    heads = [f"model.{head}.num_classes=2" for head in ("decode_head", "auxiliary_head")]
    assert browse(MAPS, "--cfg-options", *splits, *heads) == 0
    lines = findings(capsys)
    assert "all label maps hold only 0 and 255, and 255 is ignored: write 1 for 'shape'" in lines[0]
    assert "255 (no class)" in Path("out/index.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "0"], "--images 0: must be at least 1"),
        (["--cfg-options", "train_dataloader.dataset.data_root=none"], "there is no folder none"),
        (["--cfg-options", "train_dataloader.dataset.type=CocoData"], "cannot be built"),
    ],
)
def test_what_cannot_be_shown_is_one_line(options, message, here, capsys):
    assert browse(MASKS, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.strip().splitlines()[-1].startswith("error: ")
    assert not Path("out").exists()
