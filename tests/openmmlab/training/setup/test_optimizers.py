"""Layer-wise decay with MMDetection's constructor and a FlexResNet, and rules without effect."""

import pytest
from mmengine.optim import build_optim_wrapper
from torch import nn

from resblock_backbones import FlexResNet, param_groups
from resblock_backbones.openmmlab.training.setup.optimizers import (
    fit_constructor,
    rules_without_parameters,
)
from resblock_backbones.options.errors import ConfigError

DECAY = {
    "type": "OptimWrapper",
    "optimizer": {"type": "AdamW", "lr": 0.1, "weight_decay": 0.05},
    "constructor": "LearningRateDecayOptimizerConstructor",
    "paramwise_cfg": {"decay_rate": 0.5, "decay_type": "stage_wise", "num_layers": 6},
}


def model(backbone: nn.Module | None = None) -> nn.Module:
    backbone = backbone or FlexResNet(18, base_channels=4, stem_channels=4, frozen_stages=1)
    return nn.ModuleDict({"backbone": backbone, "head": nn.Linear(2, 3)})


@pytest.mark.parametrize(("kind", "by"), [("stage_wise", "stage"), ("layer_wise", "block")])
def test_the_constructor_of_mmdetection_and_mmsegmentation_works_by_stage_and_by_block(kind, by):
    net = model()
    settings = {**DECAY, "paramwise_cfg": DECAY["paramwise_cfg"] | {"decay_type": kind}}
    groups = build_optim_wrapper(net, fit_constructor(settings, net)).optimizer.param_groups
    expected = param_groups(net, 0.1, 0.5, 0.05, by=by)
    assert [(g["lr"], g["weight_decay"], g["param_names"]) for g in groups] == [
        (g["lr"], g["weight_decay"], g["param_names"]) for g in expected
    ]
    by_name = {name: group for group in groups for name in group["param_names"]}
    assert by_name["head.weight"]["lr"] == 0.1 and by_name["head.weight"]["lr_scale"] == 1
    if by == "stage":
        rates = [by_name[f"backbone.layer{k}.0.conv1.weight"]["lr"] for k in (2, 3, 4)]
        assert rates == pytest.approx([0.0125, 0.025, 0.05])
    assert "backbone.layer1.0.conv1.weight" not in by_name  # frozen


def test_another_backbone_and_another_constructor_stay_with_theirs():
    assert fit_constructor(DECAY, model(nn.Conv2d(1, 1, 1))) is DECAY
    plain = {"optimizer": {"type": "SGD", "lr": 0.1}}
    assert fit_constructor(plain, model()) is plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"paramwise_cfg": {"decay_rate": 0.5, "decay_type": "by_hand"}}, "by_hand.*stage_wise"),
        ({"paramwise_cfg": {"decay_type": "stage_wise"}}, "decay_rate None"),
        ({"optimizer": {"type": "AdamW"}}, "needs lr"),
    ],
)
def test_settings_that_cannot_be_are_named(change, message):
    net = model()
    with pytest.raises(ConfigError, match=message):
        build_optim_wrapper(net, fit_constructor({**DECAY, **change}, net))


def test_a_key_that_is_in_no_name_is_told_and_the_others_are_not():
    keys = {"backbone.layer1": {}, "bias": {}, "downsample": {}, "haed": {}}
    told = list(rules_without_parameters({"paramwise_cfg": {"custom_keys": keys}}, model()))
    assert len(told) == 2
    assert "'downsample'" in told[0] and "'haed'" in told[1] and "did you mean 'head'" in told[1]
    assert not list(rules_without_parameters({"optimizer": {}}, model()))
