"""The page of all configs: it is new, and its numbers are right."""

import functools
import json
import re
from pathlib import Path

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from resblock_backbones.commands.front import run_command
from resblock_backbones.openmmlab.configs.table import (
    config_files,
    format_page,
    read_row,
    read_rows,
    read_runs,
)

CONFIGS = Path(__file__).parents[2] / "configs"
list_configs = functools.partial(run_command, "configs")
SHAPES = "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"


def row(name):
    return read_row(CONFIGS, CONFIGS / name)


def test_the_page_lists_every_config_once_and_no_other():
    listed = re.findall(r"^\| \[\S+\]\((\S+)\)", (CONFIGS / "README.md").read_text(), re.MULTILINE)
    files = [file.relative_to(CONFIGS).as_posix() for file in config_files(CONFIGS)]
    assert sorted(listed) == sorted(files)


@pytest.mark.parametrize(
    "name",
    [
        SHAPES,
        "deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py",
        "imagenet/flexr50_8xb32_in1k.py",
        "retinanet/retinanet_flexr50_fpn_1x_coco.py",
    ],
)
def test_the_page_s_rows_are_what_the_configs_give(name):
    expected = format_page([row(name)], []).splitlines()[-1]
    assert expected in (CONFIGS / "README.md").read_text().splitlines()


def test_the_page_tells_what_was_measured():
    runs = read_runs(CONFIGS)
    assert runs
    told = format_page([row(SHAPES)], runs).split("## faster_rcnn")[0].splitlines()
    lines = (CONFIGS / "README.md").read_text().splitlines()
    assert [line for line in told if "tools/train.py" in line] == [
        line for line in lines if "tools/train.py" in line
    ]


def test_parameters_and_flops_are_those_of_torchvision_s_resnet():
    found = row("imagenet/flexr50_8xb32_in1k.py")
    with torch.device("meta"):
        net = torchvision.models.resnet50().eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, 3, 224, 224))
    classifier = sum(parameter.numel() for parameter in net.fc.parameters())
    whole = sum(parameter.numel() for parameter in net.parameters())
    assert found.backbone_parameters == whole - classifier
    assert found.flops == counter.get_total_flops() - 2 * 2048 * 1000


def test_a_deformable_convolution_counts_as_a_convolution_and_that_of_its_offsets():
    plain = row("flex/faster-rcnn_flexr50-half_fpn_shapes.py")
    deformable = row("flex/faster-rcnn_flexr50-half-dcn_fpn_shapes.py")
    # Blocks, channels and side of the maps of each stage; 27 numbers for each place of 9.
    stages = [(4, 64, 20), (6, 128, 10), (3, 256, 5)]
    offsets = sum(blocks * 2 * 27 * 9 * channels * side**2 for blocks, channels, side in stages)
    assert deformable.flops == plain.flops + offsets


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine").mkdir()
    text = f"_base_ = {str(CONFIGS / SHAPES)!r}\nmodel = dict(backbone=dict(width=0.25))\n"
    (tmp_path / "mine" / "small_shapes.py").write_text(text)
    return tmp_path


def test_the_tool_writes_the_page_and_tells_an_old_one(folder, capsys):
    command = ["--page", "--configs", str(folder)]
    assert list_configs([*command, "--check"]) == 2
    assert "python tools/list_configs.py writes it" in capsys.readouterr().err
    assert list_configs(command) == 0
    assert "| 4, 8, 16, 32 | 16, 32, 64, 128 |" in (folder / "README.md").read_text()
    assert list_configs([*command, "--check"]) == 0
    run = {"config": "mine/small_shapes.py", "scores": {"mAP": 0.5}, "iterations": 9}
    run |= {"minutes": 1.25, "machine": "a test"}
    (folder / "measured.json").write_text(json.dumps([run]))
    assert list_configs([*command, "--check"]) == 2
    assert list_configs(command) == 0
    assert "small_shapes.py` | mAP 0.500 | 9 | 1.2 | a test |" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no config in it"),
        ("model = dict(backbone=dict(type='ResNet', depth=50))", "is a ResNet, not a FlexResNet"),
        ("model = dict(", "line 1"),
    ],
)
def test_what_is_no_config_is_one_line(tmp_path, capsys, content, message):
    (tmp_path / "mine").mkdir()
    if content is not None:
        (tmp_path / "mine" / "a_shapes.py").write_text(content)
    assert list_configs(["--page", "--configs", str(tmp_path)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("error: ") and message in lines[-1]
    assert not (tmp_path / "README.md").exists()


def test_a_measured_run_of_no_config_is_refused(folder, capsys):
    run = {"config": "mine/gone.py", "scores": {}, "iterations": 1, "minutes": 1, "machine": ""}
    (folder / "measured.json").write_text(json.dumps([run]))
    assert len(read_rows(folder)) == 1
    assert list_configs(["--page", "--configs", str(folder)]) == 2
    assert "mine/gone.py: there is no such config" in capsys.readouterr().err
