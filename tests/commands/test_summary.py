"""`resblock summary` tells a network's numbers to people and to programs."""

import json

import pytest
import torch

from resblock_backbones import FlexResNet
from resblock_backbones.commands.front import main

DETECTOR = "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
SEGMENTOR = "configs/deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes.py"


def said(capsys, *arguments):
    assert main(["summary", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_a_table_for_people(capsys):
    lines = said(
        capsys, "--depth", 18, "--options", "width=0.25", "output_stride=8", "--size", "64x96"
    ).splitlines()
    assert lines[0].split()[:3] == ["part", "blocks", "channels"]
    assert lines[-7].split()[0] == "stem"
    # By hand: 99 behind layer2; a block adds 8 * 2 * (dilation + 1), with dilations 2 and 4.
    assert lines[-3].split()[:1] + lines[-3].split()[3:] == ["layer4", "128", "8", "355", "8x12"]
    assert lines[-1].startswith("saved activations of a training step: ")


def test_json_for_programs(capsys):
    options = ("--options", "width=0.25", "norm_cfg={'type':'GN','num_groups':8}")
    told = json.loads(said(capsys, "--depth", 50, *options, "--size", 64, "--json"))
    net = FlexResNet(50, width=0.25, norm_cfg={"type": "GN", "num_groups": 8})
    assert told["parameters"] == sum(one.numel() for one in net.parameters())
    assert told["flops"] == sum(stage["flops"] for stage in told["stages"])
    assert told["outputs"] == {"channels": [64, 128, 256, 512], "strides": [4, 8, 16, 32]}
    assert told["plan"]["shared"]["norm_cfg"] == {"type": "GN", "num_groups": 8}
    assert set(told["saved_bytes"]) == {"folded", "unfolded", "batch_statistics"}
    assert told["image"] == [64, 64] and "model" not in told


def test_weights_alone_tell_the_network(capsys, tmp_path):
    torch.save(FlexResNet(18, width=0.125, deep_stem=True).state_dict(), tmp_path / "a.pth")
    told = json.loads(said(capsys, "--weights", tmp_path / "a.pth", "--size", 32, "--json"))
    assert told["plan"]["stem"]["conv_channels"] == [4, 4, 8]


def test_a_prefix_says_which_network_of_a_file(capsys, tmp_path):
    networks = {"student": FlexResNet(18, width=0.125), "teacher": FlexResNet(34, width=0.125)}
    torch.save({name: net.state_dict() for name, net in networks.items()}, tmp_path / "a.pth")
    arguments = ("--weights", tmp_path / "a.pth", "--prefix", "teacher", "--size", 32, "--json")
    told = json.loads(said(capsys, *arguments))
    assert told["parameters"] == sum(one.numel() for one in networks["teacher"].parameters())


def test_the_parts_of_a_detector(capsys):
    pytest.importorskip("mmdet")
    told = json.loads(said(capsys, DETECTOR, "--size", 160, "--json"))
    parts = {part["name"]: part for part in told["model"]["parts"]}
    assert list(parts) == ["backbone", "neck", "rpn_head", "roi_head"]
    assert parts["backbone"]["parameters"] == told["parameters"]
    assert parts["backbone"]["flops"] == told["flops"]
    # A feature pyramid: 1x1 convolutions from each map, 3x3 ones behind.
    maps = list(zip((32, 64, 128, 256), (40, 20, 10, 5), strict=True))
    assert parts["neck"]["flops"] == sum(
        2 * side**2 * (channels * 64 + 9 * 64 * 64) for channels, side in maps
    )
    # On each of five maps a 3x3 convolution, and 1x1 ones to 3 anchors' scores and boxes.
    cells = sum(side**2 for side in (40, 20, 10, 5, 3))
    assert parts["rpn_head"]["flops"] == 2 * cells * (9 * 64 * 64 + 64 * 3 * 5)
    assert parts["roi_head"]["flops"] > 0


def test_the_parts_of_a_segmentation_model_and_a_change_of_its_config(capsys):
    pytest.importorskip("mmseg")
    change = ("--cfg-options", "model.backbone.width=0.25", "--size", "64x96")
    lines = said(capsys, SEGMENTOR, *change).splitlines()
    assert any("decode_head" in line and "follows the backbone" in line for line in lines)
    table = [line.split() for line in lines[-5:]]
    assert [row[0] for row in table] == [
        *("EncoderDecoder", "backbone", "decode_head", "auxiliary_head", "all")
    ]
    counts = [float(row[2].replace(",", "")) for row in table[1:]]
    assert sum(counts[:-1]) == pytest.approx(counts[-1], abs=0.2)


def test_weights_that_a_config_names_are_not_loaded_to_count_them(capsys, tmp_path):
    pytest.importorskip("mmdet")
    config = tmp_path / "a.py"
    init = "init_cfg=dict(type='Pretrained', checkpoint='gone.pth')"
    config.write_text(
        f"model = dict(type='FasterRCNN', backbone=dict(type='FlexResNet', depth=18, {init}))"
    )
    assert "layer4" in said(capsys, config, "--options", "width=0.125", "--size", 32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no network: give CONFIG, --depth or --weights"),
        (["--depth", "20"], "depth=20: must be one of 18, 34, 50"),
        (["--depth", "18", "--options", "dpeth=2"], "did you mean 'depth'"),
        (["gone.py"], "gone.py"),
        (["--weights", "gone.pth"], "gone.pth: there is no such file"),
    ],
)
def test_a_mistake_is_one_line(capsys, arguments, message):
    assert main(["summary", *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line


@pytest.mark.parametrize("size", ["0x4", "x", "64x", "-3", "64x64x64"])
def test_a_size_that_is_none_is_refused(capsys, size):
    with pytest.raises(SystemExit) as ended:
        main(["summary", "--depth", "18", f"--size={size}"])
    assert ended.value.code == 2 and "write it as HxW" in capsys.readouterr().err
