"""What timm's own tests ask of its models, asked of a FlexResNet with options drawn at random."""

import copy
import random

import pytest
import timm
import torch
from option_sets import SEED, name_of, option_sets
from timm.data import resolve_model_data_config
from timm.layers import set_layer_config
from timm.models import FeatureInfo, group_parameters
from torch import nn

import resblock_backbones.adapters.timm  # noqa: F401

SETS = option_sets(24)
#: All of them are for `make test-all`.
EACH = [
    pytest.param(one, id=name_of(one), marks=[pytest.mark.slow] * (n >= 4))
    for n, one in enumerate(SETS)
]
SIDE = 48
STAGES = 4


def for_timm(options):
    own = dict(options)
    name, in_chans = f"flexresnet{own.pop('depth')}", own.pop("in_channels", 3)
    return name, {"in_chans": in_chans, **own}


def create(options, **arguments):
    torch.manual_seed(0)
    name, own = for_timm(options)
    return timm.create_model(name, **{**own, **arguments}).double().eval()


def image(options, side=SIDE):
    torch.manual_seed(1)
    return torch.randn(2, options.get("in_channels", 3), side, side, dtype=torch.float64)


def close(ours, expected):
    if isinstance(expected, torch.Tensor):
        ours, expected = [ours], [expected]
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def drawn(options):
    return random.Random(SEED + SETS.index(options))


def a_forward_and_a_backward_pass_reach_every_parameter(options):
    model = create(options, num_classes=7, zero_init_residual=False).train()
    scores = model(image(options))
    assert scores.shape == (2, 7) and scores.isfinite().all()
    scores.square().mean().backward()
    learning = [name for name, one in model.named_parameters() if one.requires_grad]
    got = [name for name, one in model.named_parameters() if one.grad is not None]
    assert learning == got and all(one.grad.isfinite().all() for one in model.fc.parameters())
    for first in ((0,), (0, 1)):
        part = create(options, features_only=True, out_indices=first).train()
        sum(one.square().mean() for one in part(image(options))).backward()
        assert all((p.grad is not None) == p.requires_grad for p in part.parameters())


def the_default_config_is_true(options):
    model = create(options)
    config, state = model.default_cfg, model.state_dict()
    assert config is model.pretrained_cfg
    assert config["num_classes"] == model.num_classes == 1000
    assert config["first_conv"] + ".weight" in state and config["classifier"] + ".weight" in state
    channels = state[config["first_conv"] + ".weight"].shape[1]
    assert channels == options.get("in_channels", 3)
    last = create(options, num_classes=0).forward_features(image(options, config["input_size"][1]))
    if options.get("output_stride") in (None, 32):
        assert tuple(last.shape[2:]) == config["pool_size"]
    assert resolve_model_data_config(model)["mean"] == config["mean"]


def the_head_is_pooling_dropout_and_a_linear_layer(options):
    model, x = create(options, num_classes=7), image(options)
    last = model.forward_features(x)
    pooled = model.forward_head(last, pre_logits=True)
    close(pooled, last.mean((2, 3)))
    assert pooled.shape == (2, model.num_features) == (2, model.head_hidden_size)
    close(model(x), model.get_classifier()(pooled))
    close(model.forward_head(last), model(x))


def a_classifier_is_put_in_place_of_another(options):
    model, x = create(options, num_classes=7, global_pool="catavgmax"), image(options)
    last = model.forward_features(x)
    model.train().reset_classifier(3)
    assert model.num_classes == 3 and model.fc.training
    assert model.eval()(x).shape == (2, 3) and model(x).dtype == torch.float64
    assert model.head_hidden_size == 2 * model.num_features  # the pooling is kept
    model.reset_classifier(0)
    close(model(x), torch.cat([last.mean((2, 3)), last.amax((2, 3))], 1))
    model.reset_classifier(5, "max")
    close(model.forward_head(last, pre_logits=True), last.amax((2, 3)))
    model.reset_classifier(0, "")
    close(model(x), last)
    assert create(options, num_classes=0)(x).shape == (2, model.num_features)
    close(create(options, num_classes=0, global_pool="")(x), last)


def feature_maps_have_the_announced_channels_and_strides(options):
    draw, x = drawn(options), image(options, 64)
    some = draw.sample(range(STAGES + 1), draw.randint(1, STAGES + 1))
    for indices in (some, [index - STAGES - 1 for index in some], draw.randint(1, 5), None):
        given = {} if indices is None else {"out_indices": indices}
        model = create(options, features_only=True, **given)
        maps, info = model(x), model.feature_info
        assert info.channels() == [one.shape[1] for one in maps]
        assert info.reduction() == [64 // one.shape[2] for one in maps]
        assert len(maps) == (indices if isinstance(indices, int) else len(indices or range(5)))
        assert len(info.module_name()) == len(maps)


def all_of_timms_wrappers_give_the_same(options):
    x, expected = image(options), None
    for wrapper in ("getter", "list", "dict", "hook", "fx"):
        model = create(options, features_only=True, feature_cls=wrapper, out_indices=(0, 2, -1))
        maps = model(x)
        maps = list(maps.values()) if isinstance(maps, dict) else list(maps)
        close(maps, expected or maps)
        assert model.feature_info.channels() == [one.shape[1] for one in maps]
        expected = maps


def intermediate_maps_are_those_of_the_forward_pass(options):
    model, x = create(options), image(options)
    info = FeatureInfo(copy.deepcopy(model.feature_info), len(model.feature_info))
    last, maps = model.forward_intermediates(x)
    close(last, model.forward_features(x))
    assert info.channels() == [one.shape[1] for one in maps]
    close(maps[-1], last)
    for norm in (False, True):  # there is none behind the last stage
        for indices, taken in (([1, 3], (1, 3)), ((-1, -4), (1, 4)), (2, (3, 4)), (None, range(5))):
            whole, some = model.forward_intermediates(x, indices, norm)
            close(whole, last)
            close(some, [maps[index] for index in taken])
            early, some = model.forward_intermediates(x, indices, norm, stop_early=True)
            close(some, [maps[index] for index in taken])
            close(early, maps[taken[-1]])
            only = model.forward_intermediates(
                x, indices, output_fmt="NHWC", intermediates_only=True
            )
            close(only, [maps[index].permute(0, 2, 3, 1) for index in taken])


def torchscript_compiles_the_classifier_and_the_features(options):
    x = image(options)
    with set_layer_config(scriptable=True):
        model = create(options, num_classes=7)
        features = create(options, features_only=True, out_indices=(1, -1))
    close(torch.jit.script(model)(x), model(x))
    expected = features(x)
    close(torch.jit.script(features)(x), expected)


def a_trace_by_fx_computes_the_same_and_its_gradients(options):
    model, x = create(options, num_classes=7), image(options)
    close(torch.fx.symbolic_trace(model)(x), model(x))
    gradients = []
    for one in (model, torch.fx.symbolic_trace(model)):
        one.zero_grad()
        one(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    close(*gradients)


def a_state_dict_goes_round(options):
    model, other, x = create(options), create(options), image(options)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    result = other.load_state_dict(model.state_dict(), strict=True)
    assert not result.missing_keys and not result.unexpected_keys
    assert torch.equal(other(x), model(x))
    assert torch.equal(copy.deepcopy(model)(x), model(x))


def checkpointing_is_switched_and_changes_no_gradient(options):
    model, x = create(options, num_classes=3).train(), image(options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    gradients = []
    for enable in (False, True):
        model.set_grad_checkpointing(enable)
        model.zero_grad()
        model(x).square().mean().backward()
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    close(*gradients)


def parameters_fall_into_groups_from_the_image_to_the_head(options):
    model = create(options)
    names = {name for name, _ in model.named_parameters()}
    for coarse, blocks in ((True, STAGES), (False, STAGES)):  # one block a stage
        groups = group_parameters(model, model.group_matcher(coarse), reverse=False)
        assert sorted(sum(groups.values(), [])) == sorted(names)
        groups = [set(one) for _, one in sorted(groups.items())]
        assert len(groups) == 1 + blocks + 1
        assert {name.split(".")[0] for name in groups[0]} <= {"conv1", "bn1", "stem", "maxpool"}
        for number, one in enumerate(groups[1:-1], 1):
            assert {name.split(".")[0] for name in one} == {f"layer{number}"}
        assert groups[-1] == {"fc.weight", "fc.bias"}
    assert model.no_weight_decay() <= names


def rates_of_dropout_are_taken(options):
    model = create(options, drop_rate=0.5, drop_path_rate=0.2, num_classes=7)
    assert model.drop_rate == model.head_drop.p == 0.5
    probabilities = [block.drop_path.p for stage in model.stages[1:] for block in stage]
    assert probabilities == pytest.approx([0.2 / 3, 0.4 / 3, 0.2])
    x = image(options)
    close(model(x), model(x))
    assert not torch.equal(model.train()(x), model(x))


def it_is_made_on_a_device_and_in_a_format(options):
    name, own = for_timm(options)
    half = timm.create_model(name, **own, dtype=torch.bfloat16, num_classes=3)
    floats = [one.dtype for one in half.state_dict().values() if one.dtype.is_floating_point]
    assert set(floats) == {torch.bfloat16}
    meta = timm.create_model(name, **own, device="meta", num_classes=3)
    assert all(parameter.is_meta for parameter in meta.parameters())
    assert set(meta.state_dict()) == set(half.state_dict())


PROMISES = [
    a_forward_and_a_backward_pass_reach_every_parameter,
    the_default_config_is_true,
    the_head_is_pooling_dropout_and_a_linear_layer,
    a_classifier_is_put_in_place_of_another,
    feature_maps_have_the_announced_channels_and_strides,
    all_of_timms_wrappers_give_the_same,
    intermediate_maps_are_those_of_the_forward_pass,
    torchscript_compiles_the_classifier_and_the_features,
    a_trace_by_fx_computes_the_same_and_its_gradients,
    a_state_dict_goes_round,
    checkpointing_is_switched_and_changes_no_gradient,
    parameters_fall_into_groups_from_the_image_to_the_head,
    rates_of_dropout_are_taken,
    it_is_made_on_a_device_and_in_a_format,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("options", EACH)
def test_it_holds(options, promise, tally):
    tally("timm's contract", 0, 1)
    promise(options)
    tally("timm's contract", 1, 0)
