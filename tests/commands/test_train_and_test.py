"""The tools as a person uses them: a run from end to end, and one line for each mistake."""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from resblock_backbones.commands.front import run_command
from resblock_backbones.data import make_shapes

run_train = functools.partial(run_command, "train")
run_test = functools.partial(run_command, "test")

CONFIG = Path(__file__).parents[2] / "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    make_shapes(folder / "shapes", train=8, val=8, progress=False)
    return folder / "shapes"


@pytest.fixture
def shapes(made, tmp_path, monkeypatch):
    """An empty folder to work in, with the data where the config looks for it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path / "data" / "shapes")
    return tmp_path / "data" / "shapes"


def options(**more):
    return ["--cfg-options", *(f"{key.replace('__', '.')}={value}" for key, value in more.items())]


SHORT = {
    "train_cfg__max_epochs": 1,
    "train_cfg__val_interval": 1,
    "train_dataloader__num_workers": 0,
    "val_dataloader__num_workers": 0,
    "test_dataloader__num_workers": 0,
    "default_hooks__logger__interval": 1,
}


def test_a_run_is_trained_resumed_and_tested(shapes, capfd):
    changed = SHORT | {"model__backbone__width": 0.25, "model__backbone__depth": 34}
    watched = ["--val-loss", "--early-stop", "val_loss:3"]
    assert run_train([str(CONFIG), "--work-dir", "run", *watched, *options(**changed)]) == 0
    said = "".join(capfd.readouterr())
    assert "neck.in_channels: [32, 64, 128, 256] -> [16, 32, 64, 128]" in said
    assert "AP circle" in said and "training time" in said
    assert "training ends after 3 validations without a better val_loss" in said
    assert "val_loss_rpn_cls: " in said and "images_per_s: " in said
    assert "the checkpoint with the best coco/bbox_mAP is kept" in said
    for file in ("epoch_1.pth", "predictions.png", "training.png"):
        assert Path("run", file).stat().st_size > 1000

    changed["train_cfg__max_epochs"] = 2
    assert run_train([str(CONFIG), "--work-dir", "run", "--resume", *options(**changed)]) == 0
    weights = torch.load("run/epoch_2.pth", weights_only=False)
    assert weights["meta"]["epoch"] == 2 and weights["meta"]["iter"] == 4
    assert run_command("curves", ["run", "run", "--out", "curves.png"]) == 0
    assert Image.open("curves.png").width > 800

    arguments = [str(CONFIG), "run/epoch_2.pth", "--work-dir", "test", "--out", "test/found.pkl"]
    assert run_test([*arguments, "--show-dir", "drawn", *options(**changed)]) == 0
    assert Path("test/found.pkl").is_file() and list(Path("test").rglob("drawn/*.png"))


@pytest.mark.parametrize(
    ("config", "score", "changed"),
    [
        (
            "deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py",
            "mIoU",
            {"train_cfg__max_iters": 2, "default_hooks__checkpoint__interval": 2},
        ),
        ("mask_rcnn/mask-rcnn_flexr18-half_fpn_shapes.py", "segm_mAP", {}),
    ],
    ids=lambda value: value if isinstance(value, str) and "mA" not in value else "",
)
def test_label_maps_and_masks_are_learnt_measured_and_drawn(shapes, capfd, config, score, changed):
    changed = SHORT | {"train_cfg__val_interval": 2 if changed else 1} | changed
    if score == "mIoU":
        del changed["train_cfg__max_epochs"]
    file = str(CONFIG.parents[1] / config)
    assert run_train([file, "--work-dir", "run", *options(**changed)]) == 0
    said = "".join(capfd.readouterr())
    assert "could not be drawn" not in said
    table = said.split("results\n")[1]
    assert score in table and "training time" in table
    images, plot = (Image.open(f"run/{name}.png") for name in ("predictions", "training"))
    groups = 3 if score == "mIoU" else 2
    assert images.width == 2 * groups * (256 + 8) + 8 and plot.width > 800


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "gone: there is no such folder"),
        (["empty"], "has no log of a training run"),
        (["run", "--out", "curves.jpeg2"], "has to end with .png, .svg, .pdf, .jpg"),
        (["run", "--out", "there.png"], "there.png: already exists"),
    ],
)
def test_curves_of_what_is_no_run_are_refused(tmp_path, monkeypatch, capfd, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("there.png").touch()
    log = Path("run/20260101_000000/vis_data/scalars.json")
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1}')
    command = functools.partial(run_command, "curves")
    assert message in refused(capfd, arguments, command)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"depthwise": True}, marks=pytest.mark.slow),
        pytest.param({"depth": 34}, marks=pytest.mark.slow),
        pytest.param({"width": 0.25}, marks=pytest.mark.slow),
        pytest.param({"spatial_separable": True, "kernel_size": 5}, marks=pytest.mark.slow),
        pytest.param({"pool_on_residual_downsample": "maxpool"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_another_backbone_trains_with_its_options_alone_changed(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    make_shapes(Path("data/shapes"), train=40, val=1, progress=False)
    changed = SHORT | {f"model__backbone__{name}": value for name, value in change.items()}
    changed |= {"train_cfg__max_epochs": 5, "train_cfg__val_interval": 5, "randomness__seed": 0}
    tool = CONFIG.parents[2] / "tools/train.py"
    # A process of its own: MMEngine's visualizer writes to the folder of the first run in one.
    subprocess.run(
        [sys.executable, tool, CONFIG, "--work-dir", "run", *options(**changed)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    (scalars,) = Path("run").rglob("scalars.json")
    steps = [json.loads(line) for line in scalars.read_text().splitlines()]
    losses = [step["loss"] for step in steps if "loss" in step]
    assert len(losses) == 50
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_compile_compiles_backbone_and_neck_and_what_is_wrong_with_weights_is_in_the_log(shapes):
    parts = options(
        **SHORT,
        compile="dict(backend='eager')",
        model__backbone__frozen_stages=1,
        optim_wrapper__paramwise_cfg__custom_keys__downsample__lr_mult=0.1,
    )
    assert run_train([str(CONFIG), "--work-dir", "compiled", *parts]) == 0
    [log] = Path("compiled").glob("*/*.log")
    text = log.read_text()
    assert "FlexResNet is compiled" in text and "FPN is compiled" in text
    assert "'downsample' is in no parameter's name" in text
    assert "backbone: trains with random values that stay as they are: the frozen stem" in text
    assert "PyTorchCompileError" not in text and "Epoch(train)" in text


def refused(capfd, arguments, command=run_train):
    assert command([str(argument) for argument in arguments]) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), lines
    return lines[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model__backbone__depth": 20}, "depth=20: must be one of 18, 34, 50, 101, 152"),
        ({"model__backbone__dpeth": 34}, "did you mean 'depth'"),
        ({"model__backbone__attention": "SEE"}, "attention: no layer is called 'SEE'"),
        ({"model__backbone__style": "cafe"}, "did you mean 'caffe'"),
        ({"model__roi_head__bbox_head__num_classes": 7}, "write num_classes=5"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(shapes, capfd, change, message):
    assert message in refused(capfd, [CONFIG, *options(**change)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_cfg__max_iters": 4}, "train_cfg: EpochBasedTrainLoop has no argument 'max_iters'"),
        ({"train_cfg__type": "EpochTrainLoop"}, "train_cfg: there is no EpochTrainLoop"),
        ({"optim_wrapper__optimizer__type": "Adm"}, "optim_wrapper: there is no optimizer Adm"),
        ({"optim_wrapper__optimizer__weight_decy": 1}, "did you mean 'weight_decay'"),
        ({"default_hooks__logger__intervals": 3}, "did you mean 'interval'"),
        ({"custom_hooks": '[dict(type="EMAHok")]'}, "did you mean 'EMAHook'"),
        ({"param_scheduler__0__type": "MultiStep"}, "param_scheduler: there is no MultiStep"),
        ({"default_scope": "mmdt"}, "default_scope = 'mmdt': no package of this name is installed"),
        ({"train_dataloader__sampler__type": "Sampler"}, "a dataloader: there is no Sampler"),
        ({"val_cfg__type": "ValidationLoop"}, "val_cfg: there is no ValidationLoop"),
        ({"model__neck__type": "FPNN"}, "FPNN"),
    ],
)
def test_what_mmengine_cannot_build_is_told_in_one_line(shapes, capfd, change, message):
    assert message in refused(capfd, [CONFIG, *options(**SHORT | change)])


def test_a_config_that_is_not_there_is_told_with_its_neighbours(tmp_path, capfd):
    wrong = CONFIG.with_name("faster-rcnn_flexr18_half_fpn_shapes.py")
    assert CONFIG.name in refused(capfd, [wrong])


def test_a_data_set_that_is_not_there_is_told_with_the_command(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert "resblock shapes --out data/shapes" in refused(capfd, [CONFIG])


@pytest.mark.parametrize("content", ['{"images": [', "[1, 2]", '{"images": []}', "text"])
def test_annotations_that_are_no_coco_json_are_told(shapes, capfd, content):
    (shapes / "annotations/instances_train.json").write_text(content)
    line = refused(capfd, [CONFIG])
    assert "instances_train.json" in line and "no COCO JSON" in line


def test_other_classes_in_the_annotations_are_told(shapes, capfd):
    file = shapes / "annotations/instances_train.json"
    content = json.loads(file.read_text())
    content["categories"][0]["name"] = "disk"
    file.write_text(json.dumps(content))
    line = refused(capfd, [CONFIG])
    assert "circle" in line and "disk" in line


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_image_that_is_cut_off_or_gone_is_named(shapes, capfd, damage):
    image = sorted((shapes / "train").iterdir())[2]
    image.write_bytes(image.read_bytes()[:900])
    if damage == "gone":
        image.unlink()
    assert image.name in refused(capfd, [CONFIG])


def test_checkpoints_that_are_none_are_told(shapes, capfd):
    assert "nothing.pth" in refused(capfd, [CONFIG, "nothing.pth"], run_test)
    Path("text.pth").write_text("no checkpoint")
    assert "text.pth" in refused(capfd, [CONFIG, "text.pth"], run_test)
    torch.save({"state_dict": {"other": torch.zeros(1)}}, "other.pth")
    assert "other.pth" in refused(capfd, [CONFIG, "other.pth"], run_test)


class RunsCode:
    def __reduce__(self):
        return (exec, ("open('ran', 'w').close()",))


def test_a_checkpoint_that_would_run_code_is_refused_by_both_tools(shapes, capfd):
    crafted = {"state_dict": {"backbone.conv1.weight": torch.zeros(1)}, "meta": RunsCode()}
    Path("run").mkdir()
    for file in ("crafted.pth", "run/epoch_1.pth"):
        torch.save(crafted, file)
    for line in (
        refused(capfd, [CONFIG, "crafted.pth"], run_test),
        refused(capfd, [CONFIG, "--work-dir", "new", "--resume", "crafted.pth"]),
        refused(capfd, [CONFIG, "--work-dir", "new", *options(load_from="crafted.pth")]),
        refused(capfd, [CONFIG, "--work-dir", "run", "--resume"]),
    ):
        assert "builtins.exec" in line and "could run code" in line
    assert not Path("ran").exists()


def test_the_config_inside_a_checkpoint_is_not_run_on_resume(shapes):
    assert run_train([str(CONFIG), "--work-dir", "run", *options(**SHORT)]) == 0
    checkpoint = torch.load("run/epoch_1.pth", weights_only=False)
    checkpoint["meta"]["config"] = "open('ran', 'w').close()"
    torch.save(checkpoint, "run/epoch_1.pth")
    longer = options(**SHORT | {"train_cfg__max_epochs": 2})
    assert run_train([str(CONFIG), "--work-dir", "run", "--resume", *longer]) == 0
    assert Path("run/epoch_2.pth").is_file() and not Path("ran").exists()
