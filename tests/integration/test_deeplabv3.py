"""FlexResNet in MMSegmentation's DeepLabV3: it trains, saves, resumes and is tested."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resblock_backbones.command_line import test_command as run_test
from resblock_backbones.command_line import train_command as run_train

CLASSES = ("sky", "grass", "road")
PICTURES = {"train": 4, "val": 2}
SIZE = 64  # pixels

CONFIG = """
_base_ = [{base!r}]
custom_imports = dict(imports=["resblock_backbones"])
default_scope = "mmseg"
randomness = dict(seed=1)

norm_cfg = dict(type="BN", requires_grad=True)
head = dict(channels=16, num_classes=3, norm_cfg=norm_cfg, dropout_ratio=0.0)
model = dict(
    data_preprocessor=dict(size=({size}, {size})),
    pretrained=None,
    backbone=dict(
        type="FlexResNet", depth=18, width=0.25, deep_stem=True, norm_cfg=norm_cfg, norm_eval=False
    ),
    decode_head=dict(dilations=(1, 2), **head),
    auxiliary_head=head,
)

dataset = dict(
    type="BaseSegDataset",
    data_root={data!r},
    metainfo=dict(classes={classes}, palette=[[0, 0, 255], [0, 255, 0], [90, 90, 90]]),
    img_suffix=".png",
)
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        data_prefix=dict(img_path="train", seg_map_path="train_labels"),
        pipeline=[*load, dict(type="PackSegInputs")],
        **dataset,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path="val", seg_map_path="val_labels"),
        pipeline=[*load, dict(type="PackSegInputs")],
        **dataset,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator

train_cfg = dict(type="IterBasedTrainLoop", max_iters=4, val_interval=4)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9)
)
param_scheduler = [dict(type="PolyLR", begin=0, end=8, power=0.9, eta_min=1e-4, by_epoch=False)]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
    visualization=dict(type="SegVisualizationHook"),
)
log_processor = dict(by_epoch=False)
# Without a name, so that each run of a process has its own.
visualizer = dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")])
"""


def package_folder(package):
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A config whose data are random pictures, in an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for split, count in PICTURES.items():
        for folder in (split, f"{split}_labels"):
            Path("data", folder).mkdir(parents=True)
        for number in range(count):
            labels = np.sort(random.integers(0, len(CLASSES), (SIZE, SIZE)), axis=0)
            noise = random.integers(0, 80, (SIZE, SIZE, 3))
            picture = (80 * labels[:, :, None] + noise).astype(np.uint8)
            Image.fromarray(picture).save(f"data/{split}/{number}.png")
            Image.fromarray(labels.astype(np.uint8)).save(f"data/{split}_labels/{number}.png")
    base = package_folder("mmseg") / ".mim/configs/_base_/models/deeplabv3_r50-d8.py"
    text = CONFIG.format(base=str(base), data=str(tmp_path / "data"), classes=CLASSES, size=SIZE)
    Path("deeplabv3.py").write_text(text)
    return "deeplabv3.py"


def weights(checkpoint):
    return torch.load(checkpoint, weights_only=False)["state_dict"]


def test_an_interrupted_run_resumes_to_the_same_weights_as_one_that_was_not(config, capfd):
    assert run_train([config, "--work-dir", "whole"]) == 0
    said = "".join(capfd.readouterr())
    assert "decode_head.in_channels: 2048 -> 128 (follows the backbone)" in said
    assert "auxiliary_head.in_channels: 1024 -> 64 (follows the backbone)" in said
    assert "mIoU" in said

    stop = ["--cfg-options", "train_cfg.max_iters=2"]
    assert run_train([config, "--work-dir", "resumed", *stop]) == 0
    assert run_train([config, "--work-dir", "resumed", "--resume"]) == 0
    expected, found = weights("whole/iter_4.pth"), weights("resumed/iter_4.pth")
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    assert not torch.equal(
        weights("whole/iter_2.pth")["backbone.layer4.1.conv2.weight"],
        found["backbone.layer4.1.conv2.weight"],
    )


def test_a_trained_checkpoint_is_tested_and_its_predictions_are_written(config, capfd):
    assert run_train([config, "--work-dir", "run", "--cfg-options", "train_cfg.max_iters=2"]) == 0
    arguments = [config, "run/iter_2.pth", "--work-dir", "test"]
    assert run_test([*arguments, "--out", "test/found.pkl", "--show-dir", "drawn"]) == 0
    assert "mIoU" in "".join(capfd.readouterr())
    assert Path("test/found.pkl").stat().st_size > 100
    assert len(list(Path().rglob("drawn/**/*.png"))) == PICTURES["val"]


# In a process where nothing else imports our package; both runs in one, to import MMCV once.
RUN_TWICE = """
import runpy, sys
script, *arguments = sys.argv[1:]
for last in ("train_cfg.max_iters=2", "--resume"):
    sys.argv = [script, *arguments, last]
    runpy.run_path(script, run_name="__main__")
"""


def test_mmsegmentation_s_own_script_needs_nothing_but_custom_imports(config):
    script = package_folder("mmseg") / ".mim/tools/train.py"
    # That script does not link channels: they have to be right in the config.
    channels = ["model.decode_head.in_channels=128", "model.auxiliary_head.in_channels=64"]
    done = subprocess.run(
        [sys.executable, "-c", RUN_TWICE, str(script), config]
        + ["--work-dir", "run", "--cfg-options", *channels],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert torch.load("run/iter_4.pth", weights_only=False)["meta"]["iter"] == 4


def test_two_processes_train_together(config):
    tool = Path(__file__).parents[2] / "tools/train.py"
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        + [str(tool), config, "--work-dir", "run", "--launcher", "pytorch"]
        + ["--cfg-options", "train_cfg.max_iters=1", "default_hooks.checkpoint.interval=1"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "GPU number: 2" in "".join(log.read_text() for log in Path("run").rglob("*.log"))
    assert Path("run/iter_1.pth").is_file()
