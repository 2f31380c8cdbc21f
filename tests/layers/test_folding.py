"""Blocks and whole networks: folded, recomputed and as plain layers they are the same network."""

import copy
import random
import sys

import pytest
import torch
from torch import nn

from resblock_backbones import BottleneckResBlock, FlexResNet, ResBlock

door = sys.modules["resblock_backbones.layers.folding.conv_norm"]
pytestmark = pytest.mark.usefixtures("fold_always")


def randomise(module):
    """Random values for all parameters and statistics; the maps keep their size."""
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.ndim == 1:
            tensor.normal_(1 if name.endswith("weight") else 0, 0.2)
        else:
            tensor.uniform_(-1, 1).mul_((3 / tensor[0].numel()) ** 0.5)
    return module


def results(module, x):
    """Outputs, running statistics, and the gradient of every parameter and of the input."""
    module.zero_grad()
    before = copy.deepcopy(module.state_dict())
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    outputs = module(x)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    torch.autograd.backward([output.square().sum() for output in outputs if output.requires_grad])
    grads = {"x": x.grad, **{name: p.grad for name, p in module.named_parameters()}}
    outputs = [output.detach() for output in outputs]
    outputs += [buffer.clone() for buffer in module.buffers()]
    module.load_state_dict(before)
    return outputs, {n: g if g is None else g.clone() for n, g in grads.items()}


def assert_same_unfolded(module, x, monkeypatch):
    """The module's outputs and gradients are the same with folding switched off."""
    outputs, grads = results(module, x)
    with monkeypatch.context() as patch:
        patch.setattr(door, "FOLDING", False)
        expected, expected_grads = results(module, x)
    with torch.no_grad():
        inferred = module(x)
    inferred = list(inferred) if isinstance(inferred, tuple) else [inferred]
    pairs = [*zip(outputs, expected, strict=True), *zip(inferred, expected, strict=False)]
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)
    for name, other in expected_grads.items():
        if other is None:
            assert grads[name] is None, name
            continue
        size = other.abs().max().clamp(min=1e-3)
        torch.testing.assert_close(grads[name] / size, other / size, rtol=0, atol=1e-9)


def random_block(seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    kind = rng.choice([ResBlock, BottleneckResBlock])
    options = {
        "kernel_size": rng.choice([1, 3, 5]),
        "stride": rng.choice([1, 2]),
        "dilation": rng.choice([1, 2]),
        "residual": rng.choice([False, True, "projection"]),
        "spatial_separable": rng.random() < 0.3,
        "skip_last_relu": rng.random() < 0.3,
        "bias": rng.random() < 0.5,
        "norm_cfg": rng.choice([None, None, "FrozenBN", {"type": "GN", "num_groups": 2}]),
        "act_cfg": rng.choice([None, None, "SiLU", "Hardswish", "LeakyReLU"]),
        "avg_down": rng.random() < 0.2,
        "anti_alias": rng.random() < 0.2,
        "attention": rng.choice([None, None, "SE", "ECA"]),
        "with_cp": rng.random() < 0.3,
    }
    if rng.random() < 0.3:
        options["depthwise"] = True
    else:
        options["groups"] = rng.choice([1, 2])
    inplanes, planes = 8, rng.choice([8, 16])
    if inplanes == planes and options["stride"] == 1 and rng.random() < 0.5:
        options["residual"], options["avg_down"] = "identity", False
    if not options["with_cp"]:
        options["recompute"] = rng.choice([None, "light"])
    block = randomise(kind(inplanes, planes, **options)).double()
    return block.train(rng.random() < 0.5)


@pytest.mark.parametrize("seed", range(40))
def test_a_random_block_is_the_same_unfolded(seed, monkeypatch):
    block = random_block(seed)
    x = torch.randn(2, 8, 13, 12, dtype=torch.float64)
    if seed % 2:
        x = x.to(memory_format=torch.channels_last)
    before = x.clone()
    assert_same_unfolded(block, x, monkeypatch)
    assert torch.equal(x, before)  # no activation in place reached the caller's tensor


NETS = {
    "basic": {"depth": 18},
    "bottleneck": {"depth": 50, "frozen_stages": 1},
    "caffe, deep stem": {"depth": 50, "style": "caffe", "deep_stem": True, "avg_down": True},
    "resnext, dilated": {"depth": 50, "groups": 4, "base_width": 8, "output_stride": 8},
    "all of the post": {
        "depth": 50,
        "kernel_size": (3, 5, 3, 3),
        "spatial_separable": True,
        "depthwise": (False, True, False, True),
        "pool_on_residual_downsample": "maxpool",
    },
    "light": {"depth": 50, "frozen_stages": 1, "recompute": "light"},
    "batch statistics": {"depth": 50, "norm_eval": False, "groups": 2, "base_width": 8},
    "batch statistics, light": {"depth": 18, "norm_eval": False, "recompute": "light"},
    "batch statistics, deep stem": {"depth": 50, "norm_eval": False, "deep_stem": True},
    "batch statistics, poolings": {
        "depth": 18,
        "norm_eval": False,
        "anti_alias": True,
        "pool_on_residual_downsample": "maxpool",
    },
    "batch statistics, convolved": {"depth": 18, "norm_eval": False, "stem_pool": "conv"},
    "extras": {"depth": 18, "attention": "SE", "anti_alias": True, "with_cp": True},
    "frozen norms": {"depth": 18, "norm_cfg": "FrozenBN"},
    "no norm to fold": {"depth": 18, "norm_cfg": {"type": "GN", "num_groups": 4}},
    "standardised": {"depth": 18, "conv_cfg": "ConvWS"},
}


@pytest.mark.parametrize("name", NETS)
def test_a_network_is_the_same_unfolded(name, monkeypatch):
    if name == "standardised":
        pytest.importorskip("mmcv")
    torch.manual_seed(0)
    net = randomise(FlexResNet(**{"width": 0.125, **NETS[name]})).double().train()
    x = torch.randn(2, 3, 40, 33, dtype=torch.float64)
    assert_same_unfolded(net, x, monkeypatch)


def kept(net, x):
    """Bytes that autograd keeps beside parameters and statistics, each storage once."""
    own = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # of an output itself the graph would never be freed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = net(x)
    return sum(storages.values()), outputs


def test_a_network_keeps_half_of_what_its_layers_would(monkeypatch):
    net = FlexResNet(50, frozen_stages=1, norm_eval=True).train()
    x = torch.randn(1, 3, 64, 64)
    folded, _ = kept(net, x)
    monkeypatch.setattr(door, "FOLDING", False)
    as_usual, _ = kept(net, x)
    assert folded <= 0.52 * as_usual


@pytest.mark.parametrize("channels_last", [False, "auto"])
def test_of_the_whole_network_the_inputs_of_convolutions_are_kept_and_no_more(channels_last):
    net = FlexResNet(
        50,
        width=0.25,
        deep_stem=True,
        avg_down=True,
        stem_pool="conv",
        channels_last=channels_last,
    ).train()
    x = torch.randn(1, 3, 64, 64)
    inputs = {}

    def note(module, args, out):
        # Each ReLU's output is a convolution's input; of a pooled shortcut that is so too.
        inputs.setdefault(args[0].data_ptr(), args[0].clone())

    handles = [
        m.register_forward_pre_hook(lambda m, args: note(m, args, None))
        for m in net.modules()
        if isinstance(m, nn.Conv2d)
    ]
    alive, _ = kept(net, x)
    for handle in handles:
        handle.remove()
    folded, outputs = kept(net, x)
    spare = outputs[-1].numel() * 4
    if channels_last == "auto":
        # Where the memory format changes, a shortcut's average pooling keeps its input too.
        spare += outputs[0].numel() * 4
    assert folded <= sum(t.numel() * 4 for t in inputs.values()) + spare
    assert folded < 0.6 * alive


def test_frozen_stages_run_without_autograd():
    net = FlexResNet(50, width=0.25, frozen_stages=4).train()
    bytes_kept, outputs = kept(net, torch.randn(1, 3, 64, 64))
    assert bytes_kept == 0
    assert not any(output.requires_grad for output in outputs)


def test_a_frozen_network_still_tells_the_gradient_of_its_input():
    net = randomise(FlexResNet(18, width=0.25, frozen_stages=4)).train()
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    sum(output.sum() for output in net(x)).backward()
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_stage_that_is_thawed_by_hand_learns():
    net = FlexResNet(18, width=0.25, frozen_stages=1).train()
    net.layer1[0].conv1.weight.requires_grad_(True)
    sum(output.sum() for output in net(torch.randn(1, 3, 64, 64))).backward()
    assert net.layer1[0].conv1.weight.grad is not None
    assert net.layer1[0].conv2.weight.grad is None


def test_what_hooks_saw_stays_as_it_was():
    net = randomise(FlexResNet(18, width=0.25)).train()
    seen = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            module.register_forward_hook(lambda m, args, out: seen.append((out, out.clone())))
    net(torch.randn(1, 3, 64, 64))
    assert len(seen) == 40
    assert all(torch.equal(*pair) for pair in seen)


class SoftmaxPlugin(nn.Module):
    """Keeps its output for the backward pass."""

    def forward(self, x):
        return x.softmax(1)


def test_an_extra_s_output_is_not_changed_in_place():
    for residual in (False, "identity"):
        block = ResBlock(8, 8, residual=residual).eval()
        block.add_module("plugin", SoftmaxPlugin())
        block.extras = {"after_conv2": ("plugin",)}
        block(torch.randn(1, 8, 9, 9, requires_grad=True)).sum().backward()


@pytest.mark.parametrize("mode", ["full backward hook", "forward hook"])
def test_hooks_on_norms_work_with_activations_in_place(mode):
    block = ResBlock(8, 8, residual="identity").eval()
    calls = []
    for norm in (block.bn1, block.bn2):
        if mode == "forward hook":
            norm.register_forward_hook(lambda *args: calls.append(1))
        else:
            norm.register_full_backward_hook(lambda *args: calls.append(1))
    block(torch.randn(1, 8, 9, 9)).sum().backward()
    assert calls == [1, 1]


def moving_average(net, source):
    """As MMEngine's and others' moving averages write: behind autograd's back."""
    for mine, other in zip(net.parameters(), source.parameters(), strict=True):
        mine.data.mul_(0.5).add_(other.data, alpha=0.5)


CHANGES = {
    "load_state_dict": lambda net, source: net.load_state_dict(source.state_dict()),
    "moving average": moving_average,
    "exchange": lambda net, source: [
        mine.data.copy_(other.data)
        for mine, other in zip(net.parameters(), source.parameters(), strict=True)
    ],
    "statistics": lambda net, source: net.layer1[0].bn1.running_mean.add_(1),
    "type": lambda net, source: net.half().double(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("frozen_stages", [-1, 4])
def test_every_change_of_weights_is_seen_at_once(change, frozen_stages, monkeypatch):
    torch.manual_seed(0)
    net = randomise(FlexResNet(18, width=0.25, frozen_stages=frozen_stages)).double().train()
    source = randomise(copy.deepcopy(net))
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        before = net(x)[-1]
        CHANGES[change](net, source)
        after = net(x)[-1]
        monkeypatch.setattr(door, "FOLDING", False)
        expected = net(x)[-1]
    assert not torch.allclose(before, after, rtol=0, atol=1e-6)
    torch.testing.assert_close(after, expected, rtol=1e-9, atol=1e-9)


def test_in_train_mode_statistics_move_as_usual():
    net = FlexResNet(18, width=0.25, norm_eval=False).train()
    before = net.layer1[0].bn1.running_mean.clone()
    net(torch.randn(2, 3, 64, 64))
    assert not torch.equal(net.layer1[0].bn1.running_mean, before)


def test_a_network_keeps_half_also_where_only_large_layers_are_folded(monkeypatch):
    monkeypatch.undo()  # of fold_always
    net = FlexResNet(50, width=0.25, frozen_stages=1, norm_eval=True).train()
    x = torch.randn(2, 3, 480, 480)
    folded, _ = kept(net, x)
    monkeypatch.setattr(door, "FOLDING", False)
    as_usual, _ = kept(net, x)
    assert folded <= 0.52 * as_usual
