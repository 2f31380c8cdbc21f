"""Any set of options is refused by name, or gives a network that keeps its promises."""

import copy
import io
import pickle

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import nn

from resblock_backbones import FlexResNet

pytestmark = pytest.mark.usefixtures("fold_always")

NORMS = [
    None,
    "BN",
    {"type": "BN", "eps": 1e-3},
    {"type": "BN", "requires_grad": False},
    {"type": "GN", "num_groups": 2},
    "FrozenBN",
    nn.BatchNorm2d,
]
ATTENTION = [None, "SE", "ECA", {"type": "SE", "ratio": 0.5}]
POOLINGS = [False, "maxpool", "averagepool"]
ACTIVATIONS = [None, "ReLU", "GELU", {"type": "LeakyReLU", "negative_slope": 0.1}, "SiLU"]


def each_stage(values, num_stages):
    """One value, or one per stage."""
    value = st.sampled_from(values)
    return value | st.lists(value, min_size=num_stages, max_size=num_stages)


def sizes(values, num_stages):
    return st.lists(st.sampled_from(values), min_size=num_stages, max_size=num_stages)


@st.composite
def option_sets(draw):
    """Options, each left out half of the time, so that every pair of them is met."""
    stages = draw(st.integers(1, 4))
    blocks = draw(sizes([1, 2], stages))
    choices = {
        "in_channels": st.integers(1, 4),
        "stem_channels": st.sampled_from([4, 8, 10]),
        "strides": sizes([1, 2, 2, 3], stages),
        "dilations": sizes([1, 1, 2, 3], stages),
        "out_indices": st.sets(st.integers(0, stages - 1), min_size=1).map(sorted) | st.just([4]),
        "style": st.sampled_from(["pytorch", "caffe"]),
        "deep_stem": st.booleans(),
        "avg_down": st.booleans(),
        "frozen_stages": st.integers(-1, stages),
        "norm_cfg": st.sampled_from(NORMS),
        "norm_eval": st.booleans(),
        "with_cp": st.booleans(),
        "recompute": st.sampled_from([None, "light"]),
        "zero_init_residual": st.booleans(),
        "groups": st.sampled_from([1, 2, 3]),
        "base_width": st.sampled_from([None, 2, 4, 16]),
        "multi_grid": st.lists(st.sampled_from([1, 2, 4]), min_size=blocks[-1], max_size=2),
        "contract_dilation": each_stage([False, True], stages),
        "act_cfg": st.sampled_from(ACTIVATIONS),
        "kernel_size": each_stage([1, 3, 5, 7], stages) | st.just(4),
        "depthwise": each_stage([False, True], stages),
        "spatial_separable": each_stage([False, True], stages),
        "pool_on_residual_downsample": each_stage(POOLINGS, stages),
        "bn_momentum": each_stage([0.1, 0.01, None], stages),
        "width": each_stage([1.0, 0.5, 1.5], stages),
        "output_stride": st.sampled_from([None, None, 8, 16, 32]),
        "attention": each_stage(ATTENTION, stages),
        "anti_alias": st.sampled_from([False, True, "average"]),
        "stem_kernel_size": st.sampled_from([3, 5, 7]),
        "deep_stem_channels": st.sampled_from([None, (3, 5)]),
        "stem_pool": st.sampled_from(["max", "average", "conv"]),
        "reduce_first": st.sampled_from([1, 2]),
        "project_first": st.booleans(),
        "down_kernel_size": st.sampled_from([1, 3]),
        "drop_path_rate": st.sampled_from([0.0, 0.3]),
    }
    options = {name: draw(values) for name, values in choices.items() if draw(st.booleans())}
    return {
        "num_stages": stages,
        "base_channels": draw(st.sampled_from([4, 8])),
        "stage_blocks": blocks,
        "block": draw(each_stage(["basic", "bottleneck"], stages)),
        **options,
    }


def build(options):
    """The network, or None where it is refused by a message that names an option."""
    try:
        torch.manual_seed(0)
        return FlexResNet(**copy.deepcopy(options))
    except (ValueError, TypeError) as error:
        names = [name for name in options if name in str(error)]
        assert names, f"names no option: {error}"
        return None


def ceil_div(size, stride):
    return -(-size // stride)


def round_trip(net):
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = copy.deepcopy(net)
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    other.load_state_dict(torch.load(file, weights_only=True), strict=True)
    return other


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(options=option_sets(), height=st.integers(33, 75), width=st.integers(33, 75))
def test_options_are_refused_by_name_or_give_what_they_promise(options, height, width):
    net = build(options)
    if net is None:
        return
    x = torch.randn(2, options.get("in_channels", 3), height, width)
    frozen = {
        name: value.clone()
        for part in (*net.stem_layers, *net.stages[: net.frozen_stages])
        for name, value in part.state_dict(prefix=f"{id(part)}.").items()
        if net.frozen_stages >= 0
    }
    statistics = [
        (module, module.running_mean.clone())
        for module in net.modules()
        if getattr(module, "running_mean", None) is not None
    ]
    outputs = net.train()(x)
    assert [tuple(output.shape) for output in outputs] == [
        (2, channels, ceil_div(height, stride), ceil_div(width, stride))
        for channels, stride in zip(net.out_channels, net.out_strides, strict=True)
    ]
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    loss = sum(output.square().mean() for output in outputs)
    if loss.requires_grad:
        loss.backward()
    used = [parameter for parameter in trained if parameter.grad is not None]
    last = net.out_indices[-1]
    unused = {id(p) for stage in net.stages[last + 1 :] for p in stage.parameters()}
    assert {id(p) for p in trained} - {id(p) for p in used} <= unused
    assert all(parameter.grad.isfinite().all() for parameter in used)
    if used:
        torch.optim.SGD(used, 0.1).step()
    for part in (*net.stem_layers, *net.stages[: net.frozen_stages]):
        for name, value in part.state_dict(prefix=f"{id(part)}.").items():
            assert name not in frozen or torch.equal(value, frozen[name])
    if net.norm_eval:
        assert all(torch.equal(module.running_mean, before) for module, before in statistics)

    net.eval()
    with torch.no_grad():
        expected = net(x)
        for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), round_trip(net)):
            for output, value in zip(other(x), expected, strict=True):
                torch.testing.assert_close(output, value)


# A failing set is told as it was drawn: to make it smaller would be to compile hundreds.
COMPILED = settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def can_be_compiled(options):
    """PyTorch itself compiles no batch norm in train mode that counts its batches."""
    return "bn_momentum" not in options and build(options) is not None


compilable = option_sets().filter(can_be_compiled)


@settings(COMPILED)
@given(options=compilable)
def test_any_network_compiles_to_one_graph(options):
    torch.compiler.reset()
    net = build(options).eval()
    x = torch.randn(2, options.get("in_channels", 3), 40, 40)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    for output, value in zip(compiled(x), net(x), strict=True):
        torch.testing.assert_close(output, value)
    loss = sum(
        output.mean()
        for output in torch.compile(net.train(), fullgraph=True, backend="aot_eager")(x)
    )
    if loss.requires_grad:
        loss.backward()


@pytest.mark.slow
@settings(COMPILED)
@given(options=compilable)
def test_any_network_compiles_to_the_same_numbers(options):
    torch.compiler.reset()
    net = build(options).eval()
    x = torch.randn(2, options.get("in_channels", 3), 40, 40)
    with torch.no_grad():
        for output, value in zip(torch.compile(net, fullgraph=True)(x), net(x), strict=True):
            torch.testing.assert_close(output, value, rtol=1e-4, atol=1e-4)
