"""Code written for MMDetection's ResNet reads the same off a FlexResNet."""

import copy
import pickle

import pytest
from torch import nn

from resblock_backbones import FlexResNet, ResBlock


@pytest.fixture(scope="module")
def theirs():
    return pytest.importorskip("mmdet.models.backbones.resnet").ResNet


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("num_stages", [3, 4])
def test_names_of_mmdetections_resnet(theirs, depth, num_stages):
    options = {
        "depth": depth,
        "num_stages": num_stages,
        "base_channels": 8,
        "strides": (1, 2, 2, 2)[:num_stages],
        "dilations": (1, 1, 1, 1)[:num_stages],
        "out_indices": (0, 1),
    }
    ours, other = FlexResNet(**options), theirs(**options)
    for name in ("res_layers", "num_stages", "feat_dim"):
        assert getattr(ours, name) == getattr(other, name)
    assert repr(ours.norm1) == repr(other.norm1)
    for name in other.res_layers:
        for block, expected in zip(getattr(ours, name), getattr(other, name), strict=True):
            assert (block.stride, block.dilation) == (expected.stride, expected.dilation)
            assert (block.downsample is None) == (expected.downsample is None)
            assert type(block.relu) is type(expected.relu)
            for norm in ("norm1", "norm2", *(["norm3"] if depth == 50 else [])):
                assert getattr(block, norm).num_features == getattr(expected, norm).num_features


def test_freezing_again_after_a_change_is_what_train_does():
    net = FlexResNet(18, base_channels=8)
    net.frozen_stages = 1
    net._freeze_stages()
    assert not any(p.requires_grad for p in net.layer1.parameters())
    assert all(p.requires_grad for p in net.layer2.parameters())


def test_a_basic_block_has_no_third_norm():
    assert not hasattr(ResBlock(8, 8), "norm3")


def test_a_network_of_local_layers_can_be_copied_and_pickled():
    net = FlexResNet(18, base_channels=8, act_cfg=lambda: nn.ReLU(), attention=None)
    again = pickle.loads(pickle.dumps(net))
    assert again.state_dict().keys() == net.state_dict().keys()
    assert "<lambda>" in str(again.plan) and again.plan != net.plan
    assert copy.deepcopy(net).plan == net.plan
    with pytest.raises(ValueError, match="local function"):
        again.plan.shared.act_cfg()
    for act in ("SiLU", {"type": "LeakyReLU"}, nn.GELU):
        plan = FlexResNet.plan_of(depth=18, act_cfg=act)
        assert pickle.loads(pickle.dumps(plan)) == plan
