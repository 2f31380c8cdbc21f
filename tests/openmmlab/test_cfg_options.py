"""`--cfg-options`: what is typed arrives in the config, and a misspelt key never does."""

import argparse
from pathlib import Path

import pytest

pytest.importorskip("mmdet")

from resblock_backbones.commands.arguments import add_config_options  # noqa: E402
from resblock_backbones.openmmlab.configs.cfg_options import parse_options  # noqa: E402
from resblock_backbones.openmmlab.configs.read import read_config  # noqa: E402
from resblock_backbones.options.errors import ConfigError  # noqa: E402

CONFIG = str(
    Path(__file__).parents[2] / "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
)


@pytest.mark.parametrize(
    "pairs",
    [
        ["model.backbone.norm_cfg=dict(type='GN',num_groups=8)"],
        ["model.backbone.norm_cfg={'type':'GN','num_groups':8}"],
        ["model.backbone.norm_cfg.type=GN", "model.backbone.norm_cfg.num_groups=8"],
        ["model.backbone=dict(norm_cfg=dict(type=GN, num_groups=8))"],
    ],
)
def test_a_dict_can_be_written_in_every_way(pairs):
    backbone = read_config(CONFIG, parse_options(pairs)).model.backbone
    assert backbone.norm_cfg == {"type": "GN", "num_groups": 8, "requires_grad": True}
    assert backbone.type == "FlexResNet" and backbone.depth == 18


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("model.backbone.dpeth=34", "did you mean 'depth'"),
        ("model.backbone=dict(dpeth=34)", "model.backbone.dpeth: .* did you mean 'depth'"),
        ("model={'neck': {'num_out': 4}}", "did you mean 'num_outs'"),
        ("model.rpn_head.loss_cls=dict(type=FocalLoss, gama=2)", "did you mean 'gamma'"),
    ],
)
def test_a_misspelt_key_is_refused_inside_a_dict_too(pair, message):
    with pytest.raises(ConfigError, match=message):
        read_config(CONFIG, parse_options([pair]))


def test_the_keys_that_a_new_type_takes_are_accepted():
    options = parse_options(
        ["model.rpn_head.loss_cls=dict(_delete_=True, type=FocalLoss, gamma=1)"]
    )
    loss = read_config(CONFIG, options).model.rpn_head.loss_cls
    assert loss == {"type": "FocalLoss", "gamma": 1}
    options = parse_options(
        ["model.neck.norm_cfg.type=BN", "model.neck.norm_cfg.requires_grad=True"]
    )
    assert read_config(CONFIG, options).model.neck.norm_cfg.requires_grad is True


def test_two_of_them_in_one_call_are_joined_and_both_are_checked():
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    line = ["--cfg-options", "model.backbone.depth=34", "a=1", "--cfg-options", "b=dict(c=2)"]
    given = parser.parse_args(line).cfg_options
    assert parse_options(given) == {"model.backbone.depth": 34, "a": 1, "b": {"c": 2}}
    for pair in ("model.backbone.depth=34", "model.backbone.dpeth=34"):
        other = "model.backbone.width=0.25" if "dpeth" in pair else "model.backbone.dpeth=34"
        line = ["--cfg-options", pair, "--cfg-options", other]
        with pytest.raises(ConfigError, match="did you mean 'depth'"):
            read_config(CONFIG, parse_options(parser.parse_args(line).cfg_options))
