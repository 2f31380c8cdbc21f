"""FlexResNet in MMSegmentation's DeepLabV3: it trains, saves, resumes and is tested."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_segmentation import IMAGES, package_folder

from resblock_backbones.commands.front import run_command

run_train = functools.partial(run_command, "train")
run_test = functools.partial(run_command, "test")


def weights(checkpoint):
    return torch.load(checkpoint, weights_only=False)["state_dict"]


def test_an_interrupted_run_resumes_to_the_same_weights_as_one_that_was_not(small_config, capfd):
    assert run_train([small_config, "--work-dir", "whole"]) == 0
    said = "".join(capfd.readouterr())
    assert "decode_head.in_channels: 2048 -> 128 (follows the backbone)" in said
    assert "auxiliary_head.in_channels: 1024 -> 64 (follows the backbone)" in said
    assert "mIoU" in said

    stop = ["--cfg-options", "train_cfg.max_iters=2"]
    assert run_train([small_config, "--work-dir", "resumed", *stop]) == 0
    assert run_train([small_config, "--work-dir", "resumed", "--resume"]) == 0
    expected, found = weights("whole/iter_4.pth"), weights("resumed/iter_4.pth")
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.equal(value, found[name]), name
    assert not torch.equal(
        weights("whole/iter_2.pth")["backbone.layer4.1.conv2.weight"],
        found["backbone.layer4.1.conv2.weight"],
    )


def test_a_last_batch_of_one_image_is_refused_before_the_first_iteration(small_config, capfd):
    change = ["--cfg-options", "train_dataloader.batch_size=3"]
    assert run_train([small_config, "--work-dir", "three", *change]) == 2
    said = capfd.readouterr()
    assert "error: train_dataloader: the last batch of an epoch has 1 image (4 in" in said.err
    assert "decode_head.image_pool" in said.err and "drop_last=True" in said.err
    assert "Iter(train)" not in said.out
    change.append("train_dataloader.drop_last=True")
    assert run_train([small_config, "--work-dir", "three", *change]) == 0


def test_a_trained_checkpoint_is_tested_and_its_predictions_are_written(small_config, capfd):
    assert (
        run_train([small_config, "--work-dir", "run", "--cfg-options", "train_cfg.max_iters=2"])
        == 0
    )
    arguments = [small_config, "run/iter_2.pth", "--work-dir", "test"]
    assert run_test([*arguments, "--out", "test/found.pkl", "--show-dir", "drawn"]) == 0
    assert "mIoU" in "".join(capfd.readouterr())
    assert Path("test/found.pkl").stat().st_size > 100
    assert len(list(Path().rglob("drawn/**/*.png"))) == IMAGES["val"]


# In a process where nothing else imports our package; both runs in one, to import MMCV once.
RUN_TWICE = """
import runpy, sys
script, *arguments = sys.argv[1:]
for last in ("train_cfg.max_iters=2", "--resume"):
    sys.argv = [script, *arguments, last]
    runpy.run_path(script, run_name="__main__")
"""


@pytest.mark.slow
def test_mmsegmentation_s_own_script_needs_nothing_but_custom_imports(small_config):
    script = package_folder("mmseg") / ".mim/tools/train.py"
    # That script does not link channels: they have to be right in the config.
    channels = ["model.decode_head.in_channels=128", "model.auxiliary_head.in_channels=64"]
    done = subprocess.run(
        [sys.executable, "-c", RUN_TWICE, str(script), small_config]
        + ["--work-dir", "run", "--cfg-options", *channels],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert torch.load("run/iter_4.pth", weights_only=False)["meta"]["iter"] == 4
