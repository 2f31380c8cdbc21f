"""`tools/export.py` as a person uses it."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from resblock_backbones import FlexResNet
from resblock_backbones.weights import convert_checkpoint

ROOT = Path(__file__).parents[2]
SMALL = ["--options", "width=0.125", "num_stages=1", "out_indices=(0,)"]
CONFIG = """
custom_imports = dict(imports=["resblock_backbones"])
model = dict(
    type="FasterRCNN",
    backbone=dict(type="{kind}", depth=18, num_stages=1, out_indices=(0,), {more}),
)
"""


@pytest.fixture
def export(tmp_path, monkeypatch, capfd):
    """Run the tool in an empty folder; gives exit status, output and lines of errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["export.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            runpy.run_path(str(ROOT / "tools/export.py"), run_name="__main__")
        said = capfd.readouterr()
        return exit.value.code, said.out, said.err.strip().splitlines()

    return run


def test_a_depth_with_options(export):
    status, out, progress = export("--depth", 18, *SMALL, "--to", "torchscript")
    assert status == 0 and progress[0] == "no weights were given: they are random"
    assert "| 3x3x97x73 |" in out and "stage1: 8 channels, stride 4" in out
    assert torch.jit.load("backbone.pt")(torch.zeros(1, 3, 64, 64))[0].shape == (1, 8, 16, 16)


def test_weights_alone_tell_the_options(export):
    net = FlexResNet(18, width=0.125, deep_stem=True).eval()
    torch.save(net.state_dict(), "mine.pth")
    status, _, progress = export("--weights", "mine.pth", "--to", "torchscript", "--out", "b.ts")
    assert status == 0 and progress[0] == "weights from mine.pth"
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = torch.jit.load("b.ts")(image)[3], net(image)[3]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_a_depth_keeps_the_style_that_the_weights_family_has(export):
    net = FlexResNet(50, width=0.125, style="caffe").eval()
    torch.save(net.state_dict(), "mine.pth")
    convert_checkpoint("mine.pth", "theirs.pkl", to="detectron2")
    status, _, progress = export(
        "--depth", 50, "--weights", "theirs.pkl", "--options", "width=0.125", "--to", "torchscript"
    )
    assert status == 0, progress
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = torch.jit.load("backbone.pt")(image)[3], net(image)[3]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * float(theirs.abs().max()))


def test_the_backbone_of_a_config_with_a_detector_s_weights(export):
    pytest.importorskip("mmdet")
    Path("mine.py").write_text(CONFIG.format(kind="FlexResNet", more="base_channels=8"))
    net = FlexResNet(18, num_stages=1, out_indices=(0,), base_channels=8)
    state = {f"backbone.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"state_dict": {**state, "neck.weight": torch.zeros(1)}, "meta": {}}, "epoch_1.pth")
    status, _, progress = export("mine.py", "--weights", "epoch_1.pth", "--to", "pt2")
    assert status == 0, progress
    assert progress[0] == f"epoch_1.pth: {len(state)} of {len(state)} tensors matched"
    program = torch.export.load("backbone.pt2").module()
    image = torch.randn(1, 3, 50, 64)
    torch.testing.assert_close(program(image)[0], net.eval()(image)[0], rtol=0, atol=1e-4)
    assert (
        export("mine.py", "--to", "pt2", "--out", "two.pt2", "--options", "base_channels=16")[0]
        == 0
    )
    assert torch.export.load("two.pt2").module()(image)[0].shape[1] == 16


def test_a_config_with_a_checkpoint_begins_as_it_says(export):
    pytest.importorskip("mmdet")
    net = FlexResNet(18, num_stages=1, out_indices=(0,), base_channels=8)
    torch.save(net.state_dict(), "first.pth")
    more = "base_channels=8, init_cfg=dict(type='Pretrained', checkpoint='first.pth')"
    Path("mine.py").write_text(CONFIG.format(kind="FlexResNet", more=more))
    assert export("mine.py", "--backbone-only", "--to", "torchscript")[0] == 0
    image = torch.randn(1, 3, 50, 64)
    ours = torch.jit.load("backbone.pt")(image)[0]
    torch.testing.assert_close(ours, net.eval()(image)[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no network: give CONFIG, --depth or --weights"),
        (["a.py", "--depth", 18], "CONFIG and --depth: give one of them"),
        (["a.py", "--backbone-only"], "a.py: there is no such file"),
        (
            ["resnet.py", "--backbone-only"],
            "resnet.py: its model has no FlexResNet, it has 'ResNet' as backbone",
        ),
        (["flex.py", "--options", "dpeth=34"], "flex.py: model.backbone: .* did you mean 'depth'"),
        (
            ["begin.py", "--backbone-only"],
            "begin.py: model.backbone: init_cfg: 'Pretrained' has no key 'chekpoint'",
        ),
        (["flex.py"], "flex.py: give the CHECKPOINT of the whole model, or --backbone-only"),
        (["--depth", 20], "depth=20: must be one of 18, 34, 50, 101, 152"),
        (["--depth", 18, "--options", "width"], "--options width: write it as key=value"),
        (["--weights", "no.pth"], "no.pth: there is no such file"),
        (["--depth", 18, "--out", "a.onnx"], "a.onnx: the name of a file for pt2 must end with"),
    ],
)
def test_a_mistake_is_one_line_and_no_file(export, arguments, message):
    pytest.importorskip("mmdet")
    Path("resnet.py").write_text(CONFIG.format(kind="ResNet", more=""))
    Path("flex.py").write_text(CONFIG.format(kind="FlexResNet", more=""))
    begin = "init_cfg=dict(type='Pretrained', chekpoint='a.pth')"
    Path("begin.py").write_text(CONFIG.format(kind="FlexResNet", more=begin))
    status, out, lines = export(*arguments, "--to", "pt2")
    lines = [line for line in lines if line != "no weights were given: they are random"]
    assert status == 2 and not out and len(lines) == 1
    assert lines[0].startswith("error: ") and re.search(message.replace("?", r"\?"), lines[0])
    assert not list(Path().glob("*.pt2")) and not list(Path().glob("*.onnx"))


def test_a_checkpoint_of_another_model_is_one_line_and_no_file(export):
    pytest.importorskip("mmdet")
    pytest.importorskip("onnxscript")
    net = FlexResNet(18, width=0.5)
    state = {f"backbone.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"state_dict": state, "meta": {}}, "epoch_1.pth")
    name = "retinanet_flexr18-half_fpn_shapes.py"
    status, out, lines = export(name, "epoch_1.pth", "--to", "onnx", "--out", "a.onnx")
    assert status == 2 and not out and len(lines) == 1 and not Path("a.onnx").exists()
    assert re.match(r"error: epoch_1.pth: does not fit the model of the config: \d+ miss", lines[0])
