"""A FlexResNet keeps what timm's own tests ask of its models, with the plain network's values."""

import random

import pytest
import timm
import torch
from option_sets import SEED, name_of, option_sets
from timm.models import FeatureHookNet, FeatureListNet
from timm.optim import create_optimizer_v2, param_groups_layer_decay
from torch import nn

import resblock_backbones.adapters.timm  # noqa: F401
from resblock_backbones import FlexResNet

SETS = option_sets(24)
EACH = pytest.mark.parametrize("options", SETS, ids=map(name_of, SETS))


def for_timm(options):
    own = dict(options)
    depth, in_chans = own.pop("depth"), own.pop("in_channels", 3)
    return f"flexresnet{depth}", {"in_chans": in_chans, **own}


def pair(options, **arguments):
    """timm's model and a plain network with its weights."""
    name, own = for_timm(options)
    torch.manual_seed(0)
    model = timm.create_model(name, **own, **arguments).eval().double()
    net = FlexResNet(**options).eval().double()
    inner = getattr(model, "model", model)
    state = {key: one for key, one in inner.state_dict().items() if not key.startswith("fc.")}
    result = net.load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    return model, net


def image(options, side=64):
    channels = options.get("in_channels", 3)
    return torch.randn(2, channels, side, side, dtype=torch.float64)


def close(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)


@EACH
def test_features_have_the_plain_networks_values_and_the_announced_sizes(options):
    draw = random.Random(SEED + SETS.index(options))
    first = sorted(draw.sample(range(5), draw.randint(1, 5)))
    for indices in (first, [index - 5 for index in first], draw.randint(1, 5)):
        model, net = pair(options, features_only=True, out_indices=indices)
        x = image(options)
        maps = model(x)
        expected = net(x)
        taken = list(range(5 - indices, 5)) if isinstance(indices, int) else first
        assert len(maps) == len(taken)
        for index, one in zip(taken, maps, strict=True):
            if index:
                close(one, expected[index - 1])
        assert model.feature_info.channels() == [one.shape[1] for one in maps]
        assert model.feature_info.reduction() == [64 // one.shape[2] for one in maps]


@EACH
def test_the_classifier_is_pooling_and_a_linear_layer_on_the_last_feature_map(options):
    model, net = pair(options, num_classes=7)
    x = image(options)
    close(model.forward_features(x), net(x)[-1])
    close(model(x), model.get_classifier()(net(x)[-1].mean((2, 3))))
    close(model.forward_head(net(x)[-1], pre_logits=True), net(x)[-1].mean((2, 3)))
    assert model.num_features == model.forward_head(net(x)[-1], pre_logits=True).shape[1]
    model.reset_classifier(3)
    assert model.double()(x).shape == (2, 3)
    model.reset_classifier(0)
    close(model(x), net(x)[-1].mean((2, 3)))
    model.reset_classifier(0, "")
    close(model(x), net(x)[-1])


@EACH
def test_intermediate_feature_maps(options):
    net, x = FlexResNet(**options).eval().double(), image(options)
    with torch.no_grad():
        last, maps = net.forward_intermediates(x)
        expected = net(x)
        close(last, expected[-1])
        for ours, one in zip(maps[1:], expected, strict=True):
            close(ours, one)
        stem = x
        for layer in net.stem_layers[:-1]:
            stem = layer(stem)
        close(maps[0], stem)
        (second,) = net.forward_intermediates(x, [1], stop_early=True, intermediates_only=True)
        close(second, maps[1])
        (rows,) = net.forward_intermediates(x, 1, output_fmt="NHWC", intermediates_only=True)
        close(rows, maps[-1].permute(0, 2, 3, 1))


def test_stopping_early_does_not_run_what_lies_behind():
    net = FlexResNet(18, base_channels=8).eval()
    net.layer3.register_forward_hook(lambda *_: pytest.fail("ran"))
    last, maps = net.forward_intermediates(torch.zeros(1, 3, 32, 32), (0, 2), stop_early=True)
    assert last is maps[-1] or torch.equal(last, maps[-1])


@pytest.mark.parametrize("wrapper", [FeatureListNet, FeatureHookNet])
def test_timms_own_wrappers_give_the_same(wrapper):
    options = {"depth": 18, "base_channels": 8, "deep_stem": True}
    model, net = pair(options, num_classes=0)
    wrapped = wrapper(model, out_indices=(0, 1, 4))
    x = image(options)
    maps = wrapped(x)
    close(maps[1], net(x)[0])
    close(maps[2], net(x)[3])
    assert [one.shape[1] for one in maps] == wrapped.feature_info.channels()


def test_pruning_leaves_what_the_features_need():
    model = timm.create_model("flexresnet18", features_only=True, out_indices=(0, 2))
    names = {name.split(".")[1] for name, _ in model.named_parameters()}
    assert names == {"conv1", "bn1", "layer1", "layer2"}
    sum(one.square().mean() for one in model(torch.randn(2, 3, 32, 32))).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_checkpointing_changes_no_gradient():
    torch.manual_seed(0)
    net, x = FlexResNet(18, base_channels=8, norm_eval=False).double(), torch.randn(2, 3, 32, 32)
    gradients = []
    for enable in (False, True):
        net.zero_grad()
        net.set_grad_checkpointing(enable)
        assert {block.with_cp for stage in net.stages for block in stage} == {enable}
        net(x.double())[-1].square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        close(one, other)


def test_parameters_are_grouped_as_those_of_timms_resnet():
    ours = timm.create_model("flexresnet18")
    theirs = timm.create_model("resnet18")
    assert set(ours.state_dict()) == {
        name.replace("downsample", "residual") for name in theirs.state_dict()
    }
    groups = [param_groups_layer_decay(net, 0.05, layer_decay=0.5) for net in (ours, theirs)]
    facts = [
        sorted((g["lr_scale"], g["weight_decay"], sum(p.numel() for p in g["params"])) for g in one)
        for one in groups
    ]
    assert facts[0] == facts[1]


def test_a_training_step_with_timms_optimizer_and_a_deep_stem():
    model = timm.create_model(
        "flexresnet18", base_channels=8, deep_stem=True, zero_init_residual=False
    )
    optimizer = create_optimizer_v2(model, "adamw", lr=0.01, layer_decay=0.7)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    nn.functional.cross_entropy(model(torch.randn(4, 3, 32, 32)), torch.arange(4)).backward()
    optimizer.step()
    assert not [name for name, one in model.named_parameters() if torch.equal(one, before[name])]


def test_a_model_of_timms_points_to_timms_own_files(tmp_path):
    with pytest.raises(ValueError, match="timm.models"):
        timm.create_model("flexresnet18", base_channels=4).save_pretrained(tmp_path)


def test_timm_lists_them():
    assert timm.list_models("flexresnet*") == [f"flexresnet{d}" for d in (18, 34, 50, 101, 152)]
    config = timm.create_model("flexresnet18").default_cfg
    assert (config["classifier"], config["first_conv"]) == ("fc", "conv1")
    overlay = {"mean": (0.5, 0.5, 0.5)}
    config = timm.create_model(
        "flexresnet18", deep_stem=True, pretrained_cfg_overlay=overlay
    ).default_cfg
    assert (config["first_conv"], config["mean"]) == ("stem.0", (0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"features_only": True, "out_indices": (0, 5)}, ValueError, "no feature map 5"),
        ({"features_only": True, "out_indices": 6}, ValueError, "indices=6"),
        ({"features_only": True, "out_indices": "14"}, TypeError, "out_indices='1'"),
        ({"features_only": True, "out_indices": (1.5,)}, TypeError, "out_indices=1.5"),
        ({"features_only": True, "out_indices": ()}, ValueError, "at least one feature map"),
        ({"out_indices": (0, 1)}, ValueError, "features_only=True"),
        ({"in_channels": 4}, ValueError, "in_chans"),
        ({"dialtions": (1, 1, 1, 2)}, TypeError, "did you mean 'dilations'"),
        ({"style": "cafe"}, ValueError, "did you mean 'caffe'"),
        ({"depth": 34}, ValueError, "the name flexresnet18 says it"),
        ({"num_classes": "5"}, TypeError, "num_classes='5'"),
        ({"num_classes": -1}, ValueError, "at least 0"),
        ({"drop_rate": 7}, ValueError, "drop_rate=7"),
        ({"global_pool": "agv"}, ValueError, "did you mean 'avg'"),
        ({"global_pool": ""}, ValueError, "give num_classes=0"),
        ({"in_chans": 0}, ValueError, "in_channels=0"),
    ],
    ids=str,
)
def test_a_wrong_option_gets_the_networks_own_message(arguments, error, words):
    with pytest.raises(error, match=words):
        timm.create_model("flexresnet18", **arguments)
