"""A plan says before building what a network is made of, and the network is built as it says."""

import copy
import dataclasses
import inspect
import pickle

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from test_any_options import build, option_sets
from torch import nn
from torchvision.models import resnet50

from resblock_backbones import FlexResNet
from resblock_backbones.resnet.plan import NetworkPlan
from resblock_backbones.resnet.plan.from_options import STRUCTURE

RUNNING = [
    *("frozen_stages", "norm_eval", "with_cp", "recompute", "channels_last"),
    *("zero_init_residual", "pretrained", "init_cfg"),
]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(options=option_sets())
def test_a_plan_tells_what_is_built(options):
    with torch.device("meta"):
        net = build(options)
    if net is None:
        return
    plan = FlexResNet.plan_of(**options)
    assert plan == net.plan == copy.deepcopy(plan) == pickle.loads(pickle.dumps(plan))
    assert hash(plan) == hash(net.plan)
    assert (net.out_channels, net.out_strides) == (plan.out_channels, plan.out_strides)
    assert net.feature_info.get_dicts() == plan.feature_info.get_dicts()
    for stage, planned in zip(net.stages, plan.stages, strict=True):
        for block, one in zip(stage, planned.blocks, strict=True):
            last = block.conv2 if planned.kind == "basic" else block.conv3
            conv = last[-1] if isinstance(last, nn.Sequential) else last
            assert (block.conv1.in_channels, conv.out_channels) == (one.inplanes, one.outplanes)
            assert (block.drop_path is None) == (one.drop_path == 0)
    lines = str(plan).splitlines()
    assert [line.split()[0] for line in lines[1 : 2 + len(plan.stages)]] == [
        "stem",
        *(f"layer{number + 1}" for number in range(len(plan.stages))),
    ]


def test_the_plan_of_a_resnet_50_has_torchvision_s_channels():
    with torch.device("meta"):
        theirs = resnet50()
    plan = FlexResNet.plan_of(depth=50)
    for stage, layer in zip(
        plan.stages, (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), strict=True
    ):
        assert [(one.inplanes, one.midplanes, one.outplanes) for one in stage.blocks] == [
            (one.conv1.in_channels, (one.conv1.out_channels,) * 2, one.conv3.out_channels)
            for one in layer
        ]
        assert [one.stride for one in stage.blocks] == [one.stride for one in layer]


@pytest.mark.parametrize(
    ("ours", "same"),
    [
        ({"depth": 18}, {"stage_blocks": (2, 2, 2, 2), "block": "basic"}),
        ({"depth": 50}, {"depth": 50, "strides": [1, 2, 2, 2], "out_indices": [0, 1, 2, 3]}),
        ({"depth": 50, "output_stride": 16}, {"depth": 50, "strides": (1, 2, 2, 1),
                                              "dilations": (1, 1, 1, 2)}),
        ({"depth": 18, "kernel_size": 5}, {"depth": 18, "kernel_size": [5, 5, 5, 5]}),
        ({"depth": 18, "base_channels": 32}, {"depth": 18, "width": 0.5}),
    ],
)  # fmt: skip
def test_one_network_said_in_two_ways_has_one_plan(ours, same):
    assert FlexResNet.plan_of(**ours) == FlexResNet.plan_of(**same)
    assert len({FlexResNet.plan_of(**ours), FlexResNet.plan_of(**same)}) == 1


@pytest.mark.parametrize(
    "change",
    [{"depth": 34}, {"width": 0.5}, {"out_indices": (3,)}, {"stem_pool": "average"},
     {"norm_cfg": {"type": "GN", "num_groups": 8}}, {"bn_momentum": (0.1, 0.1, 0.1, 0.2)},
     {"drop_path_rate": 0.1}, {"anti_alias": True}, {"avg_down": True}, {"style": "caffe"}],
)  # fmt: skip
def test_another_network_has_another_plan_and_shows_it(change):
    plan, other = FlexResNet.plan_of(depth=18), FlexResNet.plan_of(**{"depth": 18} | change)
    assert plan != other
    assert str(plan) != str(other)


def test_what_a_network_is_made_of_and_how_it_runs_are_all_options():
    assert set(inspect.signature(FlexResNet).parameters) == STRUCTURE | set(RUNNING)
    changed = {"frozen_stages": 1, "norm_eval": False, "with_cp": True, "channels_last": False}
    plan = FlexResNet.plan_of(depth=18, width=0.125)
    assert FlexResNet(18, width=0.125, **changed).plan == plan
    assert FlexResNet(18, width=0.125, recompute="light").plan == plan


def test_a_plan_cannot_be_changed_and_does_not_change_with_what_it_was_made_of():
    norm = {"type": "GN", "num_groups": 8}
    plan = FlexResNet.plan_of(depth=18, norm_cfg=norm)
    norm["num_groups"] = 4
    assert plan.shared.norm_cfg == {"type": "GN", "num_groups": 8}
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.out_indices = (0,)


def test_no_module_is_built_for_a_plan(monkeypatch):
    def refuse(self, *args, **kwargs):
        raise AssertionError(f"{type(self).__name__} was built")

    monkeypatch.setattr(nn.Module, "__init__", refuse)
    assert isinstance(FlexResNet.plan_of(depth=101, deep_stem=True, attention="SE"), NetworkPlan)


def test_wrong_options_are_told_as_by_the_network():
    for options in ({"dpeth": 18}, {"depth": 20}, {"depth": 18, "strides": (1, 2)}):
        with pytest.raises((TypeError, ValueError)) as by_plan:
            FlexResNet.plan_of(**options)
        with pytest.raises((TypeError, ValueError)) as by_network:
            FlexResNet(**options)
        assert str(by_plan.value) == str(by_network.value)


def test_what_differs_from_a_plain_resnet_is_printed_once():
    plan = FlexResNet.plan_of(
        depth=50, groups=32, attention="SE", multi_grid=(1, 2, 4), drop_path_rate=0.3
    )
    lines = str(plan).splitlines()
    assert lines[-2] == "everywhere: groups=32, attention='SE'"
    assert lines[-3].split() == [
        *("layer4", "bottleneck", "3", "1024", "->", "2048", "32", "1", "2", "4"),
        *("midplanes=1024,", "drop_path=0.26", "to", "0.3"),
    ]
