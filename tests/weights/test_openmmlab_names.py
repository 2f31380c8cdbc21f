"""The MM packages' ResNets, alone and in whole detectors, from their weights."""

import pytest
import torch

from resblock_backbones import FlexResNet

pytest.importorskip("mmdet")

import mmdet.models.backbones as mmdet_backbones  # noqa: E402
import mmseg.models.backbones as mmseg_backbones  # noqa: E402

GN = {"type": "GN", "num_groups": 32}
#: Which weights do not show.
DILATED = {"strides": (1, 2, 1, 1), "dilations": (1, 1, 2, 4)}
CONTRACTED = {**DILATED, "contract_dilation": True}

NETWORKS = {
    "mmdet R18": (mmdet_backbones.ResNet, {"depth": 18}, {}),
    "mmdet R50 pytorch": (mmdet_backbones.ResNet, {"depth": 50}, {}),
    "mmdet R50 caffe": (mmdet_backbones.ResNet, {"depth": 50}, {"style": "caffe"}),
    "mmdet R101 caffe": (mmdet_backbones.ResNet, {"depth": 101}, {"style": "caffe"}),
    "mmdet R50 GN": (mmdet_backbones.ResNet, {"depth": 50, "norm_cfg": GN}, {}),
    "mmdet R50 deep": (mmdet_backbones.ResNet, {"depth": 50, "deep_stem": True}, {}),
    "mmdet R50 avg": (mmdet_backbones.ResNet, {"depth": 50, "avg_down": True}, {}),
    "mmdet V1d R18": (mmdet_backbones.ResNetV1d, {"depth": 18}, {}),
    "mmdet V1d R101": (mmdet_backbones.ResNetV1d, {"depth": 101}, {}),
    "mmdet X101-64x4d": (
        mmdet_backbones.ResNeXt,
        {"depth": 101, "groups": 64, "base_width": 4},
        {},
    ),
    "mmdet C4": (
        mmdet_backbones.ResNet,
        {"depth": 50, "num_stages": 3, "out_indices": (2,)},
        {"strides": (1, 2, 2), "dilations": (1, 1, 1)},
    ),
    "mmseg R50": (mmseg_backbones.ResNet, {"depth": 50}, DILATED),
    "mmseg V1c R18": (mmseg_backbones.ResNetV1c, {"depth": 18}, CONTRACTED),
    "mmseg V1c R50": (mmseg_backbones.ResNetV1c, {"depth": 50}, CONTRACTED),
    "mmseg V1d R101": (mmseg_backbones.ResNetV1d, {"depth": 101}, CONTRACTED),
    "mmseg X50": (
        mmseg_backbones.ResNeXt,
        {"depth": 50, "groups": 32, "base_width": 4},
        CONTRACTED,
    ),
}


def in_a_detector(state):
    """As MMDetection saves it: a neck and heads beside the backbone, in containers."""
    whole = {f"backbone.{name}": tensor for name, tensor in state.items()}
    whole["neck.lateral_convs.0.conv.weight"] = torch.zeros(8, 8, 1, 1)
    whole["roi_head.bbox_head.fc_cls.weight"] = torch.zeros(4, 8)
    return {"meta": {"epoch": 12}, "state_dict": whole, "message_hub": {}}


@pytest.mark.parametrize("name", NETWORKS)
def test_openmmlab_s_features(name, random_network, image, tally):
    family = f"{name.partition(' ')[0]}'s features"
    tally(family, 0, 1)
    network, shown, unseen = NETWORKS[name]
    original = random_network(lambda: network(**shown, **unseen))
    told = unseen | ({"out_indices": shown["out_indices"]} if "out_indices" in shown else {})
    net = FlexResNet.from_checkpoint(in_a_detector(original.state_dict()), **told).eval()
    with torch.no_grad():
        expected = original(image)
        outputs = net(image)
    for ours, theirs in zip(outputs, expected, strict=True):
        assert 0.1 < theirs.abs().max() < 1e3
        assert (ours - theirs).abs().max() < 1e-9
    tally(family, 1, 0)


def mmpretrain_networks():
    backbones = pytest.importorskip("mmpretrain.models.backbones")
    every = {"out_indices": (0, 1, 2, 3)}
    return {
        "R18": lambda: backbones.ResNet(18, **every),
        "R50": lambda: backbones.ResNet(50, **every),
        "R50 caffe": lambda: backbones.ResNet(50, style="caffe", **every),
        "V1c R50": lambda: backbones.ResNetV1c(depth=50, **every),
        "V1d R34": lambda: backbones.ResNetV1d(depth=34, **every),
        "V1d R152": lambda: backbones.ResNetV1d(depth=152, **every),
        "X50": lambda: backbones.ResNeXt(50, groups=32, width_per_group=4, **every),
        "SE R50": lambda: backbones.SEResNet(50, **every),
        "SE X101": lambda: backbones.SEResNeXt(101, groups=32, width_per_group=4, **every),
    }


@pytest.mark.parametrize(
    "name",
    ["R18", "R50", "R50 caffe", "V1c R50", "V1d R34", "V1d R152", "X50", "SE R50", "SE X101"],
)
def test_mmpretrain_s_features(name, random_network, image, tally):
    original = random_network(mmpretrain_networks()[name], device="cpu")
    tally("mmpretrain's features", 0, 1)
    whole = {f"backbone.{key}": tensor for key, tensor in original.state_dict().items()}
    whole["head.fc.weight"] = torch.zeros(10, 8)
    style = {"style": "caffe"} if "caffe" in name else {}
    net = FlexResNet.from_checkpoint({"state_dict": whole}, **style).eval()
    with torch.no_grad():
        for ours, theirs in zip(net(image), original(image), strict=True):
            assert 0.1 < theirs.abs().max() < 1e3
            assert (ours - theirs).abs().max() < 1e-9
    tally("mmpretrain's features", 1, 0)


def to_mmpretrain(state):
    """timm's names to the documented ones of MMPretrain, where the two differ."""
    renamed = {}
    for key, tensor in state.items():
        for theirs, documented in (
            *((f".se.fc{n}.", f".se_layer.conv{n}.conv.") for n in (1, 2)),
            *((f"conv1.{n}.", f"stem.{n // 3}.conv.") for n in (0, 3, 6)),
            *((f"conv1.{n}.", f"stem.{n // 3}.bn.") for n in (1, 4)),
            ("bn1.", "stem.2.bn."),
            *((f"layer1.0.downsample.{n}.", f"layer1.0.downsample.{n - 1}.") for n in (1, 2)),
            ("fc.", "head.fc."),
        ):
            if key.startswith(theirs) or (theirs[0] == "." and theirs in key):
                key = documented.join(key.split(theirs, 1))
                break
        renamed[key] = tensor
    return {("" if k.startswith("head") else "backbone.") + k: t for k, t in renamed.items()}


def test_mmpretrain_s_documented_names(random_network, image):
    timm = pytest.importorskip("timm")
    original = random_network(lambda: timm.create_model("seresnet152d"))
    state = to_mmpretrain(original.state_dict())
    assert "backbone.stem.2.bn.weight" in state
    assert "backbone.layer1.0.downsample.0.weight" in state
    assert "backbone.layer2.0.downsample.1.weight" in state
    assert "backbone.layer1.0.se_layer.conv1.conv.weight" in state and "head.fc.bias" in state
    net = FlexResNet.from_checkpoint({"state_dict": state}).eval()
    with torch.no_grad():
        expected = original.forward_intermediates(image, intermediates_only=True)[1:]
        for ours, theirs in zip(net(image), expected, strict=True):
            assert (ours - theirs).abs().max() < 1e-9
