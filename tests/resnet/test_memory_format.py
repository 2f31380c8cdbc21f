"""channels_last: the same numbers, lying otherwise in memory."""

import pytest
import torch

from resblock_backbones import FlexResNet, fuse

LAST = torch.channels_last


def network(**options):
    torch.manual_seed(0)
    return FlexResNet(18, width=0.25, zero_init_residual=False, **options)


def layouts(outputs):
    return {"last" if not out.is_contiguous() else "first" for out in outputs}


def inner_layout(net, x):
    """How the maps lie that go into the second stage."""
    seen = []
    handle = net.layer2.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    outputs = net(x)
    handle.remove()
    return layouts(seen).pop(), layouts(outputs).pop()


@pytest.mark.parametrize(
    ("option", "given", "inside", "outside"),
    [
        ("auto", "first", "last", "first"),
        ("auto", "last", "last", "last"),
        (False, "first", "first", "first"),
        (False, "last", "last", "last"),
        (True, "first", "last", "last"),
        (True, "last", "last", "last"),
    ],
)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_maps_lie_as_asked_for(option, given, inside, outside, in_channels):
    net = network(channels_last=option, in_channels=in_channels)
    x = torch.randn(1, in_channels, 256, 256)
    if given == "last":
        x = torch.empty_like(x, memory_format=LAST).copy_(x)
        if in_channels == 1 and option is not True:
            return  # lies both ways
    assert inner_layout(net, x) == (inside, outside)


def test_weights_lie_with_channels_last_only_when_told_so():
    for option in (True, False, "auto"):
        weight = network(channels_last=option).layer1[0].conv1.weight
        assert weight.is_contiguous(memory_format=LAST) == (option is True)


def steps(tensor):
    """Strides along the axes that have any length."""
    pairs = zip(tensor.stride(), tensor.shape, strict=True)
    return [step for step, length in pairs if length > 1]


@pytest.mark.parametrize("frozen_stages", [-1, 1])
def test_outputs_and_gradients_are_the_same(frozen_stages):
    x = torch.randn(2, 3, 248, 240)
    results = []
    for option in (False, True, "auto"):
        net = network(channels_last=option, frozen_stages=frozen_stages)
        outputs = net(x)
        sum(out.square().mean() for out in outputs).backward()
        grads = [p.grad for p in net.parameters() if p.grad is not None]
        assert all(
            p.grad is None or steps(p.grad) == steps(p) for p in net.parameters()
        )  # so that an optimizer need not copy
        results.append([*outputs, *grads])
    for other in results[1:]:
        for mine, first in zip(other, results[0], strict=True):
            size = first.abs().max()
            torch.testing.assert_close(mine / size, first / size, rtol=0, atol=1e-4)


def test_every_head_can_work_with_the_outputs():
    for output in network()(torch.randn(2, 3, 64, 64)):
        output.view(2, output.shape[1], -1)


def test_what_is_not_faster_stays_as_it_is():
    net, x = network(), torch.randn(1, 3, 256, 256)
    assert inner_layout(net, x[..., :128, :128]) == ("first", "first")
    assert inner_layout(net.double(), x.double()) == ("first", "first")
    net = network()
    with torch.backends.mkldnn.flags(enabled=False):
        assert inner_layout(net, x) == ("first", "first")
    traced = torch.jit.trace(net.eval(), torch.randn(1, 3, 64, 64), check_trace=False)
    assert "contiguous" not in str(traced.inlined_graph)


def test_a_wrong_value_is_refused_by_name():
    with pytest.raises(ValueError, match="channels_last='yes'"):
        network(channels_last="yes")


@pytest.mark.parametrize("conv_cfg", ["ConvWS", "ConvAWS"])
def test_convolutions_that_standardise_their_weights_stay_as_they_read_them(conv_cfg):
    pytest.importorskip("mmcv")
    options = {"conv_cfg": conv_cfg, "norm_cfg": {"type": "GN", "num_groups": 4}}
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network(**options).eval()(x)
        for net in (network(channels_last=True, **options).eval(), fuse(network(**options))):
            for ours, theirs in zip(net(x), expected, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
