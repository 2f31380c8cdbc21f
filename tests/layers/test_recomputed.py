"""What autograd does not save because the backward pass computes it again."""

import copy
import sys

import pytest
import torch
from torch import nn
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.checkpoint import checkpoint

from resblock_backbones import BottleneckResBlock, FlexResNet, ResBlock
from resblock_backbones.layers import run_layers
from resblock_backbones.resnet.measure.saved_activations import saved_bytes

door = sys.modules["resblock_backbones.layers.folding.conv_norm"]
pytestmark = [
    pytest.mark.usefixtures("fold_always"),
    pytest.mark.filterwarnings("ignore:FlexResNet trains with random values"),
]


class Layers(nn.Sequential):
    """Two convolutions with batch norms, as a block computes them, and as PyTorch does."""

    def __init__(self, norm=nn.BatchNorm2d, **options):
        torch.manual_seed(0)
        super().__init__(
            nn.Conv2d(3, 8, 3, bias=False),
            norm(8, **options),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 4, 3),
            norm(4, **options),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )

    def forward(self, x):
        return run_layers(list(self), x)

    def plain(self, x):
        for layer in self:
            x = layer(x)
        return x


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(2, 3, 12, 11, dtype=torch.float64)


def gradients(layers, compute, x):
    """The output of ``compute(x)``, all gradients, and the running statistics after it."""
    layers.zero_grad()
    before = copy.deepcopy(layers.state_dict())
    x = x.clone().requires_grad_()
    out = compute(x)
    out.square().sum().backward()
    found = [out.detach(), x.grad, *(parameter.grad for parameter in layers.parameters())]
    found += [buffer.clone() for buffer in layers.buffers()]
    layers.load_state_dict(before)
    return found


def assert_same(ours, theirs, rtol=1e-9):
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        if mine is not None:
            torch.testing.assert_close(mine, other, rtol=rtol, atol=rtol)


def graph_of(out):
    """Names of the nodes that computed ``out``."""
    nodes, names = [out.grad_fn], set()
    while nodes:
        node = nodes.pop()
        names.add(type(node).__name__)
        nodes += [one for one, _ in node.next_functions if one is not None]
    return names


NORMS = {
    "plain": Layers,
    "not affine": lambda: Layers(affine=False),
    "cumulative average": lambda: Layers(momentum=None),
    "no statistics": lambda: Layers(track_running_stats=False),
    "no statistics, eval mode": lambda: Layers(track_running_stats=False).eval(),
    "SyncBN, alone": lambda: Layers(nn.SyncBatchNorm),
}


@pytest.mark.parametrize("name", NORMS)
def test_gradients_and_running_statistics_are_those_of_pytorchs_layers(name, x):
    layers = NORMS[name]().double()
    assert {"NormReLUBackward", "MaxPoolBackward"} <= graph_of(layers(x.requires_grad_()))
    assert_same(gradients(layers, layers, x.detach()), gradients(layers, layers.plain, x.detach()))


@pytest.mark.parametrize("which", ["convolution", "norm", "input alone"])
def test_what_is_frozen_gets_no_gradient(which, x):
    layers = Layers().double()
    frozen = {"convolution": layers[0], "norm": layers[1], "input alone": layers}[which]
    frozen.requires_grad_(False)
    assert_same(gradients(layers, layers, x), gradients(layers, layers.plain, x))


@pytest.mark.parametrize("light", [None, "light"])
@pytest.mark.parametrize("train", [False, True])
def test_it_can_be_differentiated_once_and_twice(light, train):
    torch.manual_seed(0)
    block = ResBlock(2, 2, residual=False, recompute=light).double().train(train)
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    values = [parameter.detach().clone().requires_grad_() for parameter in block.parameters()]
    names = [(module, name) for module in block.modules() for name in module._parameters]
    names = [(module, name) for module, name in names if module._parameters[name] is not None]

    def compute(x, *values):
        for (module, name), value in zip(names, values, strict=True):
            module._parameters[name] = value
        return block(x)

    assert torch.autograd.gradcheck(compute, (x, *values), fast_mode=True)
    assert torch.autograd.gradgradcheck(compute, (x, *values), fast_mode=True)


SHARES = {
    # depth, options: at most this share of what plain layers save
    "frozen norms": (50, {"frozen_stages": 1}, 0.52),
    "frozen norms, light": (50, {"frozen_stages": 1, "recompute": "light"}, 0.43),
    "frozen norms, light, basic blocks": (18, {"frozen_stages": 1, "recompute": "light"}, 0.43),
    "batch statistics": (50, {"norm_eval": False}, 0.84),
    "batch statistics, light": (50, {"norm_eval": False, "recompute": "light"}, 0.75),
}


@pytest.mark.parametrize("name", SHARES)
def test_the_share_of_saved_activations(name):
    depth, options, share = SHARES[name]
    net = FlexResNet(depth, width=0.25, **options).train()
    x = torch.randn(2, 3, 128, 128)
    recomputed = saved_bytes(net, x)
    with door.folding_off():
        assert recomputed <= share * saved_bytes(net, x)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("light", [None, "light"])
def test_it_works_under_checkpointing(light, reentrant, x):
    block = BottleneckResBlock(3, 8, recompute=light).double().train()

    def under(x):
        return checkpoint(block, x, use_reentrant=reentrant)

    ours, theirs = gradients(block, under, x), gradients(block, block, x)
    moved = len(list(block.buffers()))  # running statistics count the batch again, as PyTorch's do
    assert_same(ours[:-moved], theirs[:-moved])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("light", [None, "light"])
@pytest.mark.parametrize("train", [False, True])
def test_under_autocast_types_are_those_of_the_layers(train, light, dtype, x):
    block = BottleneckResBlock(3, 8, recompute=light).train(train)
    x = x.to(dtype)
    results = []
    for folding in (True, False):
        with torch.autocast("cpu", torch.bfloat16), pytest.MonkeyPatch.context() as patch:
            patch.setattr(door, "FOLDING", folding)
            results.append(gradients(block, block, x))  # the backward pass too under autocast
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        scale = theirs.abs().max().clamp(min=1e-3)
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=0.05)


def test_it_is_compiled_as_one_graph(x):
    block = BottleneckResBlock(3, 8, recompute="light").double().train()
    compiled = torch.compile(block, fullgraph=True, backend="aot_eager")
    assert_same(gradients(block, compiled, x), gradients(block, block, x))


def test_a_graph_that_is_kept_gives_the_same_gradients_again(x):
    block = BottleneckResBlock(3, 8, recompute="light").double().train()
    loss = block(x).square().sum()
    parameters = list(block.parameters())
    first = torch.autograd.grad(loss, parameters, retain_graph=True)
    torch.autograd.grad(loss, block.conv2.weight, retain_graph=True)  # stops half way
    assert_same(first, torch.autograd.grad(loss, parameters), rtol=0)


@pytest.mark.parametrize("channels_last", [False, True, "auto"])
@pytest.mark.parametrize("with_cp", [False, True])
@pytest.mark.parametrize("norm_eval", [False, True])
def test_several_gradients_are_computed_at_once(norm_eval, with_cp, channels_last, monkeypatch):
    network = sys.modules["resblock_backbones.resnet.network"]
    monkeypatch.setattr(network, "starts_channels_last", lambda x, net: True)
    monkeypatch.setattr(network, "stays_channels_last", lambda x, stage: stage[0].stride == 1)
    options = {"norm_eval": norm_eval, "with_cp": with_cp, "channels_last": channels_last}
    net = FlexResNet(18, num_stages=2, width=0.125, out_indices=(0, 1), **options).double()
    first, last = net(torch.randn(2, 3, 32, 32, dtype=torch.float64))
    learning = list(net.layer1.parameters())
    several = torch.randn(3, *last.shape, dtype=torch.float64)
    # Of a graph that is kept, also where it is computed again.
    one_by_one = [torch.autograd.grad(last, learning, one, retain_graph=True) for one in several]
    together = torch.autograd.grad(last, learning, several, is_grads_batched=True)
    for number, parts in enumerate(one_by_one):
        assert_same([whole[number] for whole in together], parts)


def test_saved_tensors_can_be_kept_elsewhere(x):
    layers = Layers().double()

    def elsewhere(x):
        with torch.autograd.graph.save_on_cpu():
            return layers(x)

    assert_same(gradients(layers, elsewhere, x), gradients(layers, layers.plain, x))


def test_a_change_between_forward_and_backward_is_an_error_not_a_wrong_gradient(x):
    block = BottleneckResBlock(3, 8, recompute="light").double().train()
    loss = block(x).sum()
    with torch.no_grad():
        block.conv1.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


FALL_BACKS = {
    "hook on the norm": lambda layers: layers[1].register_forward_hook(lambda *args: None),
    "hook on the activation": lambda layers: layers[2].register_forward_hook(lambda *args: None),
    "hook on the reader": lambda layers: layers[3].register_forward_hook(lambda *args: None),
    "backward hook": lambda layers: layers[1].register_full_backward_hook(lambda *args: None),
    "another activation": lambda layers: setattr(layers, "2", nn.SiLU()),
    "another norm": lambda layers: setattr(layers, "1", nn.GroupNorm(2, 8).double()),
    "frozen reader": lambda layers: layers[3].requires_grad_(False),
    "reflecting reader": lambda layers: setattr(layers[3], "padding_mode", "reflect"),
}


@pytest.mark.parametrize("name", FALL_BACKS)
def test_where_it_cannot_be_recomputed_it_is_saved(name, x):
    layers = nn.Sequential(*list(Layers().double())[:4])
    FALL_BACKS[name](layers)
    out = run_layers(list(layers), x.requires_grad_())
    assert "NormReLUBackward" not in graph_of(out)
    ours = gradients(layers, lambda x: run_layers(list(layers), x), x.detach())
    layers[2].inplace = False  # PyTorch's own layers refuse a backward hook in front of it
    assert_same(ours, gradients(layers, layers, x.detach()))


def test_a_norm_that_shares_its_statistics_with_other_processes_is_left_to_pytorch(x):
    layers = Layers(nn.SyncBatchNorm).double()
    torch.distributed.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    try:
        with pytest.raises(ValueError, match="SyncBatchNorm expected input tensor to be on GPU"):
            layers(x)
    finally:
        torch.distributed.destroy_process_group()


def test_hooks_see_the_network_that_runs(x):
    net = FlexResNet(18, width=0.125, norm_eval=False, recompute="light").double().train()
    seen = []
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d | nn.ReLU):
            module.register_forward_hook(lambda m, args, out: seen.append((out, out.clone())))
    x = torch.randn(2, 3, 40, 33, dtype=torch.float64)
    hooked = gradients(net, lambda x: net(x)[-1], x)
    assert len(seen) >= 40
    for module in net.modules():
        module._forward_hooks.clear()
    assert_same(hooked, gradients(net, lambda x: net(x)[-1], x))


def test_recompute_is_refused_beside_with_cp_and_in_other_words():
    with pytest.raises(ValueError, match="recompute='light': with_cp=True recomputes the whole"):
        FlexResNet(18, with_cp=True, recompute="light")
    with pytest.raises(ValueError, match="recompute"):
        ResBlock(8, 8, recompute="heavy")
