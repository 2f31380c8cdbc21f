"""Detectron2's and Caffe2's documented names, for networks whose features another library gives."""

import pickle

import numpy as np
import pytest
import torch
import torchvision

from resblock_backbones import CheckpointError, FlexResNet

NORM = ("weight", "bias", "running_mean", "running_var")


def to_detectron2(state, stem_convs=("conv1",), stem_norms=("bn1",)):
    """The names in Detectron2's model zoo, from torchvision's or MMDetection's."""
    named = {}
    for number, (conv, norm) in enumerate(zip(stem_convs, stem_norms, strict=True), start=1):
        named[f"stem.conv{number}.weight"] = state[f"{conv}.weight"]
        for part in NORM:
            named[f"stem.conv{number}.norm.{part}"] = state[f"{norm}.{part}"]
    for key in state:
        stage, _, rest = key.partition(".")
        if not stage.startswith("layer") or not key.endswith("weight"):
            continue
        block, _, layer = rest.removesuffix(".weight").partition(".")
        base = f"res{int(stage[5:]) + 1}.{block}"
        if layer.startswith("conv"):
            norm, target = key.replace("conv", "bn"), f"{base}.{layer}"
        elif layer == "downsample.0":
            norm, target = key.replace("downsample.0", "downsample.1"), f"{base}.shortcut"
        else:
            continue
        named[f"{target}.weight"] = state[key]
        for part in NORM:
            named[f"{target}.norm.{part}"] = state[norm.removesuffix("weight") + part]
    return named


def to_caffe2(state):
    """The names in MSRA's and Detectron's files, whose norms are scale and offset alone."""
    named = {"conv1_w": state["conv1.weight"]}
    for part, letter in (("weight", "s"), ("bias", "b")):
        named[f"res_conv1_bn_{letter}"] = state[f"bn1.{part}"]
        for key in state:
            stage, _, rest = key.partition(".")
            if not stage.startswith("layer") or not key.endswith("." + part):
                continue
            block, _, layer = rest.removesuffix("." + part).partition(".")
            base = f"res{int(stage[5:]) + 1}_{block}_branch"
            if layer.startswith("conv"):
                named[f"{base}2{'abc'[int(layer[4:]) - 1]}_w"] = state[key]
            elif layer.startswith("bn"):
                named[f"{base}2{'abc'[int(layer[2:]) - 1]}_bn_{letter}"] = state[key]
            elif layer == "downsample.0":
                named[f"{base}1_w"] = state[key]
            elif layer == "downsample.1":
                named[f"{base}1_bn_{letter}"] = state[key]
    return named


def arrays(tensors):
    return {name: tensor.numpy().copy() for name, tensor in tensors.items()}


def assert_same_features(original, net, image):
    with torch.no_grad():
        for ours, theirs in zip(net.eval()(image), original(image), strict=True):
            assert 0.1 < theirs.abs().max() < 1e3
            assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize("depth", [50, 101, 152])
def test_detectron2_s_msra_weights_downsample_in_the_first_convolution(
    depth, random_network, image, tally, tmp_path
):
    tally("detectron2's features", 0, 1)
    backbones = pytest.importorskip("mmdet.models.backbones")
    original = random_network(lambda: backbones.ResNet(depth, style="caffe", base_channels=16))
    named = to_detectron2(original.state_dict())
    assert "res2.0.shortcut.norm.running_mean" in named
    (tmp_path / "R.pkl").write_bytes(
        pickle.dumps({"model": arrays(named), "__author__": "Detectron2 Model Zoo"})
    )
    net = FlexResNet.from_checkpoint(tmp_path / "R.pkl")
    assert_same_features(original, net, image)
    # In a detector with a feature pyramid.
    whole = {f"backbone.bottom_up.{name}": tensor for name, tensor in named.items()}
    whole["backbone.fpn_lateral2.weight"] = torch.zeros(8, 8, 1, 1)
    whole["proposal_generator.rpn_head.conv.weight"] = torch.zeros(8, 8, 3, 3)
    with pytest.raises(CheckpointError, match="where its bottlenecks downsample; set style="):
        FlexResNet.from_checkpoint({"model": whole})
    net = FlexResNet.from_checkpoint({"model": whole}, style="caffe")
    assert_same_features(original, net, image)
    tally("detectron2's features", 1, 0)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_detectron2_s_other_weights_downsample_in_the_3x3_convolution(
    name, random_network, image, tally
):
    tally("detectron2's features", 0, 1)
    from test_torchvision import torchvision_features

    original = random_network(lambda: torchvision.models.get_model(name))
    named = to_detectron2(original.state_dict())
    named["stem.fc.weight"] = original.fc.weight
    content = {"model": arrays(named), "__author__": "torchvision", "matching_heuristics": True}
    net = FlexResNet.from_checkpoint(content)
    assert_same_features(lambda x: torchvision_features(original, x), net, image)
    tally("detectron2's features", 1, 0)


def test_detectron2_s_deeplab_stem(random_network, image, tally):
    tally("detectron2's features", 0, 1)
    backbones = pytest.importorskip("mmseg.models.backbones")
    original = random_network(lambda: backbones.ResNetV1c(depth=50, style="caffe"))
    state = original.state_dict()
    named = to_detectron2(state, ("stem.0", "stem.3", "stem.6"), ("stem.1", "stem.4", "stem.7"))
    # Its store has R-52 of either style, and its own runs sign nothing.
    for signature in ({"__author__": "Detectron2 Model Zoo"}, {"iteration": 90_000}):
        with pytest.raises(CheckpointError, match="where its bottlenecks downsample; set style="):
            FlexResNet.from_checkpoint({"model": named, **signature})
    net = FlexResNet.from_checkpoint({"model": named}, style="caffe")
    assert_same_features(original, net, image)
    tally("detectron2's features", 1, 0)


UNUSED = {"conv1_b": np.zeros(64), "conv1_w_momentum": np.zeros(2), "weight_order": "text"}


@pytest.mark.parametrize(("container", "depth", "extra"), [("blobs", 50, UNUSED), (None, 101, {})])
def test_caffe2_s_folded_norms(container, depth, extra, random_network, image, tally, tmp_path):
    tally("caffe2's features", 0, 1)
    backbones = pytest.importorskip("mmdet.models.backbones")
    original = random_network(lambda: backbones.ResNet(depth, style="caffe", base_channels=16))
    for module in original.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Folded: the norm is weight * x + bias. Its size is kept by smaller weights.
            weight = module.weight / (module.running_var + 1e-5).sqrt()
            module.weight = torch.nn.Parameter(weight, requires_grad=False)
            module.running_mean = torch.zeros_like(weight)
            module.running_var = torch.ones_like(weight) - 1e-5
    named = arrays(to_caffe2(original.state_dict())) | extra
    assert {"res2_0_branch2a_bn_s", "res5_2_branch2c_w", "res2_0_branch1_w"} <= set(named)
    content = {container: named, "cfg": "text"} if container else named
    (tmp_path / "R.pkl").write_bytes(pickle.dumps(content, protocol=2))
    net = FlexResNet.from_checkpoint(tmp_path / "R.pkl")
    assert net.layer2[0].conv1.stride == (2, 2)
    assert_same_features(original, net, image)
    tally("caffe2's features", 1, 0)
