"""A checkpoint in another family's names and back again is bit for bit the same."""

import pickle

import pytest
import torch
import torchvision

from resblock_backbones import CheckpointError, FlexResNet
from resblock_backbones.commands.front import run_command
from resblock_backbones.weights import convert_checkpoint, find_backbone, open_source

GN = {"type": "GN", "num_groups": 4}


def flex(**options):
    return FlexResNet(50, width=0.125, **options)


def timm_model(name, channels=(16, 32, 64, 128), **arguments):
    timm = pytest.importorskip("timm")
    return timm.create_model(name, channels=channels, **arguments)


def mmdet_model(**options):
    mmdet = pytest.importorskip("mmdet.models.backbones")
    return mmdet.ResNet(**{"depth": 50, "base_channels": 8, "stem_channels": 8} | options)


#: Family -> networks that it has, and the families that have names for all their tensors.
ALL = ("torchvision", "timm", "mmdet", "mmpretrain", "detectron2", "flex")
DEEP = ("timm", "mmdet", "mmpretrain", "detectron2", "flex")
AVERAGING = ("timm", "mmdet", "mmpretrain", "flex")
NETWORKS = {
    "torchvision R18": (torchvision.models.resnet18, ALL),
    "timm 26": (lambda: timm_model("resnet26"), ALL),
    "timm 26t": (lambda: timm_model("resnet26t"), AVERAGING),
    "timm SE 18": (lambda: timm_model("seresnet18"), AVERAGING),
    "timm ECA": (lambda: timm_model("ecaresnetlight"), AVERAGING),
    "timm RS": (lambda: timm_model("resnetrs50", stem_width=8), ("timm", "flex")),
    "timm GN": (lambda: timm_model("resnet50_gn", (32, 64, 96, 128)), AVERAGING),
    "mmdet R50": (mmdet_model, ALL),
    "mmdet GN": (lambda: mmdet_model(norm_cfg=GN), AVERAGING),
    "mmdet V1c": (lambda: mmdet_model(deep_stem=True), DEEP),
    "mmdet V1d": (lambda: mmdet_model(deep_stem=True, avg_down=True), AVERAGING),
    "flex plain": (flex, ALL),
    "flex deep": (lambda: flex(deep_stem=True, deep_stem_channels=(6, 8)), DEEP),
    "flex all": (
        lambda: flex(attention="SE", avg_down=True, deep_stem=True, stem_pool="conv"),
        ("timm", "flex"),
    ),
    "flex odd": (
        lambda: flex(depthwise=True, spatial_separable=True, kernel_size=5),
        ("timm", "mmdet", "mmpretrain", "flex"),
    ),
}


def tensors_of(file, prefix=""):
    content = open_source(file).content
    content = content.get("model", content)
    return {key.removeprefix(prefix): torch.as_tensor(value) for key, value in content.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back_is_bit_equal(name, tmp_path):
    network, families = NETWORKS[name]
    state = {
        key: torch.randn_like(t) if t.is_floating_point() else t + 3
        for key, t in network().state_dict().items()
    }
    torch.save(state, tmp_path / "original.pth")
    home = find_backbone(state, name).dialect.name
    for family in families:
        there = tmp_path / f"{family}{'.pkl' if family == 'detectron2' else '.safetensors'}"
        back = tmp_path / f"{family}-back.pth"
        done = convert_checkpoint(tmp_path / "original.pth", there, family)
        assert done.tensors == len(state) and not done.left_out
        convert_checkpoint(there, back, home)
        again = tensors_of(back)
        assert again.keys() == state.keys(), family
        assert all(torch.equal(again[key], state[key]) for key in state)
        assert all(again[key].dtype == state[key].dtype for key in state)


def test_detectron2_and_caffe2_files_there_and_back(tmp_path):
    from test_detectron2_names import arrays, to_caffe2, to_detectron2

    resnet = torchvision.models.resnet
    state = resnet.ResNet(resnet.Bottleneck, (1, 2, 1, 1)).state_dict()
    for family, named, content in (
        ("detectron2", to_detectron2(state), lambda named: {"model": arrays(named)}),
        ("caffe2", to_caffe2(state), lambda named: {"blobs": arrays(named)}),
    ):
        original = tmp_path / f"{family}.pkl"
        original.write_bytes(pickle.dumps(content(named)))
        convert_checkpoint(original, tmp_path / f"{family}.pth", "flex")
        convert_checkpoint(tmp_path / f"{family}.pth", tmp_path / f"{family}-back.pkl", family)
        again = tensors_of(tmp_path / f"{family}-back.pkl")
        assert again.keys() == named.keys()
        assert all(torch.equal(again[key], named[key]) for key in named)


def test_the_converted_file_loads_where_it_belongs(tmp_path):
    original = torchvision.models.resnet18()
    torch.save(original.state_dict(), tmp_path / "a.pth")
    timm = pytest.importorskip("timm")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "mmpretrain")
    convert_checkpoint(tmp_path / "b.pth", tmp_path / "c.pth", "timm")
    timm.create_model("resnet18").load_state_dict(torch.load(tmp_path / "c.pth"), strict=True)
    mmdet = pytest.importorskip("mmdet.models.backbones")
    convert_checkpoint(tmp_path / "c.pth", tmp_path / "d.pth", "mmdet")
    missing, unexpected = mmdet.ResNet(18).load_state_dict(
        torch.load(tmp_path / "d.pth"), strict=False
    )
    assert not missing and set(unexpected) == {"fc.weight", "fc.bias"}


def test_detectron2_s_file_remembers_where_the_network_downsamples(tmp_path):
    resnet = torchvision.models.resnet
    net = resnet.ResNet(resnet.Bottleneck, (1, 2, 1, 1))
    torch.save(net.state_dict(), tmp_path / "a.pth")
    convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pkl", "detectron2")
    assert FlexResNet.from_checkpoint(tmp_path / "b.pkl").layer2[0].conv2.stride == (2, 2)


def test_a_family_without_a_name_for_a_tensor_is_said(tmp_path):
    torch.save(flex(attention="SE").state_dict(), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"detectron2 has no name for layer1\.0\.se\.fc1"):
        convert_checkpoint(tmp_path / "a.pth", tmp_path / "b.pth", "detectron2")
    assert not (tmp_path / "b.pth").exists()


def run(*arguments):
    return run_command("convert", list(map(str, arguments)))


def test_the_tool_says_what_it_did_and_a_mistake_in_one_line(tmp_path, capsys):
    torch.save(flex().state_dict(), tmp_path / "a.pth")
    there = tmp_path / "new" / "b.pth"
    assert run(tmp_path / "a.pth", there, "--to", "timm") == 0
    assert "318 tensors from flex's names to timm's" in capsys.readouterr().out
    before = there.read_bytes()
    for arguments, message in (
        ((tmp_path / "none.pth", tmp_path / "c.pth"), "none.pth: there is no such file"),
        ((tmp_path / "a.pth", there), "already exists"),
        ((tmp_path / "a.pth", tmp_path / "c.txt"), "its name must end with"),
        ((tmp_path / "a.pth", tmp_path / "c.pkl"), "timm reads no .pkl"),
    ):
        assert run(*arguments, "--to", "timm") == 2
        refused = capsys.readouterr()
        assert message in refused.err and refused.err.count("\n") == 1 and not refused.out
    assert there.read_bytes() == before
    assert sorted(path.name for path in tmp_path.rglob("*.p*")) == ["a.pth", "b.pth"]
