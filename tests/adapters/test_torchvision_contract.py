"""What torchvision's tests ask of its backbone utilities, of a FlexResNet with random options."""

import copy
import pickle
import random

import pytest
import torch
from option_sets import SEED, name_of, option_sets
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.backbone_utils import BackboneWithFPN, _resnet_fpn_extractor
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from torchvision.models.segmentation.fcn import FCNHead
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from resblock_backbones import FlexResNet
from resblock_backbones.adapters.torchvision import FlexResNetFPN, SegmentationModel

SETS = option_sets(24)
#: All of them are for `make test-all`.
EACH = [
    pytest.param(one, id=name_of(one), marks=[pytest.mark.slow] * (number >= 3))
    for number, one in enumerate(SETS)
]
LAYERS = {f"layer{number + 1}": str(number) for number in range(4)}
NAMES = list(LAYERS.values())
PYRAMID = 8  # channels


def build(options, **more):
    torch.manual_seed(0)
    return FlexResNet(**{**options, **more}).double()


def image(options, side=64):
    torch.manual_seed(1)
    return torch.randn(2, options.get("in_channels", 3), side, side, dtype=torch.float64)


def drawn(options):
    return random.Random(SEED + SETS.index(options))


def with_fpn(net):
    return BackboneWithFPN(net, LAYERS, list(net.out_channels), PYRAMID).double()


WRAPPERS = {
    "IntermediateLayerGetter": lambda net: IntermediateLayerGetter(net, LAYERS),
    "create_feature_extractor": lambda net: create_feature_extractor(net, LAYERS),
    "BackboneWithFPN": with_fpn,
    "FlexResNetFPN": lambda net: FlexResNetFPN(net, out_channels=PYRAMID).double(),
}
EXTRACTORS = list(WRAPPERS.values())[:2]


def in_order(maps):
    if isinstance(maps, torch.Tensor):
        return [maps]
    return list(maps.values() if isinstance(maps, dict) else maps)


def close(ours, expected):
    ours, expected = in_order(ours), in_order(expected)
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def keep_statistics(net):
    """Let one pass in training change nothing for the next."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    return net


def gradients(net, maps):
    net.zero_grad()
    sum(one.square().sum() for one in maps).backward()
    return {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}


def every_wrapper_gives_the_plain_networks_maps(options):
    net, x = build(options).eval(), image(options)
    expected = net(x)
    for wrap in EXTRACTORS:
        maps = wrap(net).eval()(x)
        assert list(maps) == NAMES
        close(maps, expected)
    named = dict(zip(NAMES, expected, strict=True))
    for wrap in (WRAPPERS["BackboneWithFPN"], WRAPPERS["FlexResNetFPN"]):
        pyramid = wrap(net).eval()
        maps = pyramid(x)
        assert list(maps) == [*NAMES, "pool"]
        assert {one.shape[1] for one in maps.values()} == {PYRAMID} == {pyramid.out_channels}
        strides = [64 // one.shape[2] for one in maps.values()]
        assert strides == [*net.out_strides, 2 * net.out_strides[-1]]
        close(maps, pyramid.fpn(named))


def both_pyramids_have_the_same_names_of_tensors(options):
    theirs, ours = with_fpn(build(options)), WRAPPERS["FlexResNetFPN"](build(options))
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = image(options)
    close(ours.eval()(x), theirs.eval()(x))


def some_stages_are_returned_under_any_name(options):
    draw, net, x = drawn(options), build(options).eval(), image(options)
    some = sorted(draw.sample(range(4), draw.randint(1, 3)))
    names = {f"layer{index + 1}": f"level {index}" for index in some}
    maps = IntermediateLayerGetter(net, names)(x)
    assert list(maps) == list(names.values())
    close(maps, [net(x)[index] for index in some])
    if isinstance(options.get("width"), tuple):
        return  # torchvision's extractor takes twice the channels for each stage
    levels = [index + 1 for index in some]
    pyramid = _resnet_fpn_extractor(
        net, 5, returned_layers=levels, extra_blocks=LastLevelP6P7(256, 256)
    ).double()
    assert list(pyramid.eval()(x)) == [*map(str, range(len(some))), "p6", "p7"]


def trainable_layers_are_counted_from_the_last(options):
    for trainable in range(6):
        net = build(options)
        _resnet_fpn_extractor(net, trainable)
        # It goes by these names: what a stem has beside them stays frozen.
        names = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable]
        names += ["bn1"] * (trainable == 5)
        for name, parameter in net.named_parameters():
            assert parameter.requires_grad == (name.split(".")[0] in names)
    for trainable in (-1, 6):
        with pytest.raises(ValueError, match="Trainable layers"):
            _resnet_fpn_extractor(build(options), trainable)


def the_output_of_any_block_is_extracted_in_each_mode(options):
    net, x = keep_statistics(build(options, norm_eval=False)), image(options)
    seen = {}
    for name in ("layer2.0", "layer4.0"):
        net.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: seen.__setitem__(name, output)
        )
    extractor = create_feature_extractor(
        net, train_return_nodes={"layer2.0": "a"}, eval_return_nodes={"layer4.0": "b"}
    )
    for mode, name, output in ((True, "layer2.0", "a"), (False, "layer4.0", "b")):
        net.train(mode)(x)
        expected = seen[name]
        found = extractor.train(mode)(x)
        assert list(found) == [output]
        close(found, [expected])


def the_names_of_nodes_are_those_of_the_modules_in_both_modes(options):
    net = build(options)
    train, evaluation = get_graph_node_names(net)
    assert train == evaluation and train[0] == "x"
    modules = dict(net.named_modules())
    leaves = [name for name in train if name in modules]
    assert {name.split(".")[0] for name in leaves} >= {"layer1", "layer2", "layer3", "layer4"}
    assert sum(isinstance(modules[name], nn.Conv2d) for name in leaves) >= 9


def a_backward_pass_through_a_wrapper_gives_the_plain_networks_gradients(options):
    net, x = keep_statistics(build(options, zero_init_residual=False)), image(options)
    expected = gradients(net, net.train()(x))
    assert list(expected) == [name for name, p in net.named_parameters() if p.requires_grad]
    for wrap in EXTRACTORS:
        found = gradients(net, wrap(net).train()(x).values())
        assert found.keys() == expected.keys()
        close(found, expected)


def what_is_frozen_stays_so_in_training(options):
    frozen = drawn(options).randint(0, 3)
    for norm_eval in (True, False):
        for wrap in WRAPPERS.values():
            net = build(options, frozen_stages=frozen, norm_eval=norm_eval)
            before = copy.deepcopy(net.state_dict())
            wrapped = wrap(net).eval().train()
            sum(one.square().mean() for one in wrapped(image(options)).values()).backward()
            after = net.state_dict()
            moved = {name for name, one in after.items() if not torch.equal(one, before[name])}
            held = [nn.ModuleList(net.stem_layers), *net.stages[:frozen]]
            held = {id(one) for part in held for one in (*part.parameters(), *part.buffers())}
            kept = net.state_dict(keep_vars=True)
            assert not [name for name in moved if norm_eval or id(kept[name]) in held]
            assert all((p.grad is None) == (id(p) in held) for p in net.parameters())
            statistics = [name for name in after if name.endswith("num_batches_tracked")]
            learning = {name for name in statistics if id(kept[name]) not in held}
            assert norm_eval or learning == moved & set(statistics)


def a_wrapper_is_copied_pickled_and_stored(options):
    x = image(options)
    for wrap in WRAPPERS.values():
        one, other = wrap(build(options)).eval(), wrap(build(options)).eval()
        with torch.no_grad():
            for parameter in one.parameters():
                parameter.mul_(1.1)
        expected = one(x)
        other.load_state_dict(one.state_dict(), strict=True)
        close(other(x), expected)
        # A copy of what create_feature_extractor gives is in training mode, torchvision's too.
        close(copy.deepcopy(one).eval()(x), expected)
        close(pickle.loads(pickle.dumps(one))(x), expected)


def torchscript_compiles_the_wrappers(options):
    x = image(options)
    for wrap in WRAPPERS.values():
        one = wrap(build(options)).eval()
        expected = one(x)
        scripted = torch.jit.script(copy.deepcopy(one).eval())
        found = scripted(x)
        assert list(found) == list(expected)
        close(found, expected)


def a_symbolic_trace_is_scripted_too(options):
    net, x = build(options).eval(), image(options)
    second = net(x)[0]
    inputs = {net: x, net.layer2: second, net.layer2[0]: second}
    for part, given in (*inputs.items(), (WRAPPERS["FlexResNetFPN"](net).eval(), x)):
        expected, trace = part(given), torch.fx.symbolic_trace(part)
        for one in (trace, torch.jit.script(trace)):
            close(one(given), expected)


def a_pyramid_is_exported_and_compiled(options):
    one, x = WRAPPERS["FlexResNetFPN"](build(options)).eval(), image(options)
    expected = one(x)
    torch.compiler.reset()
    close(torch.export.export(one, (x,)).module()(x), expected)
    close(torch.compile(one, backend="eager", fullgraph=True)(x), expected)


def a_head_for_segmentation_stands_on_a_getter(options):
    net, x = build(options), image(options)
    getter = IntermediateLayerGetter(net, {"layer3": "aux", "layer4": "out"})
    channels = net.out_channels
    heads = FCNHead(channels[3], 4).double().eval(), FCNHead(channels[2], 4).double().eval()
    model = SegmentationModel(net, *heads).eval()
    maps = getter.eval()(x)
    expected = [
        nn.functional.interpolate(head(maps[name]), size=(64, 64), mode="bilinear")
        for head, name in zip(heads, ("out", "aux"), strict=True)
    ]
    close(model(x), expected)


PROMISES = [
    every_wrapper_gives_the_plain_networks_maps,
    both_pyramids_have_the_same_names_of_tensors,
    some_stages_are_returned_under_any_name,
    trainable_layers_are_counted_from_the_last,
    the_output_of_any_block_is_extracted_in_each_mode,
    the_names_of_nodes_are_those_of_the_modules_in_both_modes,
    a_backward_pass_through_a_wrapper_gives_the_plain_networks_gradients,
    what_is_frozen_stays_so_in_training,
    a_wrapper_is_copied_pickled_and_stored,
    torchscript_compiles_the_wrappers,
    a_symbolic_trace_is_scripted_too,
    a_pyramid_is_exported_and_compiled,
    a_head_for_segmentation_stands_on_a_getter,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("options", EACH)
def test_it_holds(options, promise, tally):
    tally("torchvision's contract", 0, 1)
    promise(options)
    tally("torchvision's contract", 1, 0)


def test_a_stage_that_is_not_there_is_told_by_torchvision():
    with pytest.raises(ValueError, match="return_layers"):
        IntermediateLayerGetter(build({"depth": 18, "num_stages": 3}), LAYERS)
