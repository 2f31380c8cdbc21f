"""Learning rates fall from the head to the stem, block by block, whatever the options."""

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn
from torchvision.models.detection import FasterRCNN

from resblock_backbones import FlexResNet
from resblock_backbones.adapters.torchvision import FlexResNetFPN
from resblock_backbones.resnet.parameter_groups import (
    depth_of_parameter,
    number_of_depths,
    param_groups,
)

OPTIONS = [
    {},
    {"deep_stem": True, "stem_pool": "conv", "avg_down": True},
    {"attention": "SE", "anti_alias": True, "norm_cfg": {"type": "GN", "num_groups": 2}},
    {"num_stages": 3, "kernel_size": (3, 5, 7)},
    {"bn_momentum": None, "pool_on_residual_downsample": "averagepool"},
]


def tiny(**options):
    return FlexResNet(18, base_channels=8, **options)


def rates(groups):
    return {name: group["lr"] for group in groups for name in group["param_names"]}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("by", ["block", "stage"])
def test_every_parameter_has_the_depth_of_its_place_in_the_forward_pass(options, by):
    net = tiny(**options)
    parts = [nn.ModuleList(net.stem_layers)]
    parts += net.stages if by == "stage" else [block for stage in net.stages for block in stage]
    expected = {id(p): depth for depth, part in enumerate(parts) for p in part.parameters()}
    found = {id(p): depth_of_parameter(name, net.plan, by) for name, p in net.named_parameters()}
    assert found == expected
    assert number_of_depths(net.plan, by) == len(parts) + 1


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_all_parameters_are_in_one_group_each_with_the_rate_of_their_depth(options):
    net = tiny(**options)
    groups = param_groups(net, lr=0.1, decay=0.7, weight_decay=0.05)
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(map(id, net.parameters()))
    last = number_of_depths(net.plan) - 1
    for name, rate in rates(groups).items():
        assert rate == pytest.approx(0.1 * 0.7 ** (last - depth_of_parameter(name, net.plan)))
    for group in groups:
        assert {p.dim() > 1 for p in group["params"]} == {group["weight_decay"] == 0.05}


def test_the_rates_by_block_are_those_that_timm_gives_its_resnet():
    theirs = timm.create_model("resnet18", num_classes=2)
    ours = rates(param_groups(nn.ModuleDict({"body": FlexResNet(18)}), lr=1.0, decay=0.5))
    names = {id(parameter): name for name, parameter in theirs.named_parameters()}
    for group in param_groups_layer_decay(theirs, layer_decay=0.5):
        for name in (names[id(parameter)] for parameter in group["params"]):
            if not name.startswith("fc."):
                own = name.replace("downsample", "residual")
                assert ours.pop(f"body.{own}") == group["lr_scale"]
    assert not ours


def test_in_a_detector_what_is_not_the_backbone_has_the_full_rate():
    net = tiny(frozen_stages=1)
    model = FasterRCNN(FlexResNetFPN(net, out_channels=8), num_classes=2)
    found = rates(param_groups(model, lr=0.1, decay=0.5))
    assert {rate for name, rate in found.items() if ".body." not in name} == {0.1}
    assert found["backbone.body.layer4.1.conv2.weight"] == 0.05
    assert not [name for name in found if ".body.layer1." in name]  # frozen


def test_an_optimizer_takes_the_groups():
    net = tiny(norm_eval=False)
    optimizer = torch.optim.AdamW(param_groups(net, lr=0.1, decay=0.5, weight_decay=0.01))
    before = net.conv1.weight.clone()
    sum(one.square().mean() for one in net(torch.randn(2, 3, 32, 32))).backward()
    optimizer.step()
    assert not torch.equal(before, net.conv1.weight)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"net": nn.Linear(2, 2)}, "no FlexResNet"),
        ({"decay": 0.0}, "decay=0.0"),
        ({"lr": -1.0}, "lr=-1.0"),
        ({"by": "layer"}, "by='layer'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        param_groups(**{"net": tiny(), "lr": 0.1, **arguments})


def test_a_block_that_is_not_there_is_refused():
    with pytest.raises(
        ValueError, match=r"layer4\.2\.conv1\.weight: the network has no such block"
    ):
        depth_of_parameter("layer4.2.conv1.weight", FlexResNet.plan_of(depth=18))
