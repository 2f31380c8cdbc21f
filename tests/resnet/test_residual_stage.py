"""A stage that computes in place gives what its blocks give, and touches nobody's maps."""

import copy

import pytest
import torch

from resblock_backbones import FlexResNet, fuse
from resblock_backbones.layers.folding import one_pass

NETS = {
    "basic": {"depth": 18},
    "bottleneck": {"depth": 50},
    "average down": {"depth": 50, "avg_down": True},
    "pooled": {"depth": 18, "pool_on_residual_downsample": "maxpool", "width": (0.5, 0.25)},
    "other activation": {"depth": 18, "act_cfg": "SiLU"},
    "attention": {"depth": 18, "attention": "SE"},
    "group norm": {"depth": 18, "norm_cfg": {"type": "GN", "num_groups": 4}},
}


def build(name):
    torch.manual_seed(0)
    net = FlexResNet(**{"width": 0.5, "num_stages": 2, "out_indices": (0, 1), **NETS[name]}).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    return net


def block_by_block(net, x):
    """Outputs of the stages, with every map kept."""
    outputs = []
    for layer in net.stem_layers:
        x = layer(x)
    for stage in net.stages:
        for block in stage:
            x = block(x)
        outputs.append(x)
    return outputs


def exact(net, x):
    return block_by_block(copy.deepcopy(net).double(), x.double())


def assert_close(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        size = float(other.detach().abs().max())
        torch.testing.assert_close(mine.double() / size, other / size, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("grad", [False, True])
def test_the_outputs_are_the_blocks(name, grad):
    net, x = build(name), torch.randn(2, 3, 256, 250)
    with torch.set_grad_enabled(grad):
        outputs = net(x)
        first = [output.clone() for output in outputs]
        net(torch.randn(2, 3, 256, 250))  # later images leave them alone
        assert_close(fuse(net)(x), exact(net, x))
        assert all(torch.equal(mine, before) for mine, before in zip(outputs, first, strict=True))


def test_frozen_stages_in_training():
    net = build("bottleneck")
    net.frozen_stages = 1
    net.train()
    x = torch.randn(2, 3, 256, 256)
    outputs = net(x)
    kept = outputs[0].clone()
    outputs[1].square().mean().backward()
    assert torch.equal(outputs[0], kept)
    reference = copy.deepcopy(net).double()
    reference.zero_grad()
    block_by_block(reference, x.double())[1].square().mean().backward()
    for mine, other in zip(net.parameters(), reference.parameters(), strict=True):
        assert (mine.grad is None) == (other.grad is None)
        if mine.grad is not None:
            size = other.grad.abs().max().clamp(min=1e-6)
            difference = mine.grad / size - other.grad / size
            assert difference.abs().max() < 1e-4


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(
    "seen", ["layer1.1", "layer1.0.relu_inplace", "layer1.1.conv1", "layer2.0.residual.1", "layer1"]
)
def test_what_hooks_saw_stays(seen, fused):
    net, x, maps = build("bottleneck"), torch.randn(1, 3, 256, 256), []
    net = fuse(net).net if fused else net

    def keep(module, inputs, output):
        maps.append((output, output.clone()))

    def keep_input(module, inputs):
        if not getattr(module, "inplace", False):  # that changes its input itself
            maps.extend((kept, kept.clone()) for kept in inputs)

    with torch.no_grad():
        expected = net(x)
        for register, hook in (
            ("register_forward_hook", keep),
            ("register_forward_pre_hook", keep_input),
        ):
            handle = getattr(net.get_submodule(seen), register)(hook)
            outputs = net(x)
            handle.remove()
            assert_close(outputs, [output.double() for output in expected])
    assert maps and all(torch.equal(kept, copied) for kept, copied in maps)


@pytest.mark.skipif(one_pass._KERNEL is None, reason="PyTorch without oneDNN")
def test_no_block_but_the_first_takes_memory_for_its_output(monkeypatch):
    places = []
    kernel = one_pass._KERNEL_IN_PLACE.binary

    class Noting:
        @staticmethod
        def binary(shortcut, *arguments):
            places.append(shortcut.data_ptr())
            return kernel(shortcut, *arguments)

    monkeypatch.setattr(one_pass, "_KERNEL_IN_PLACE", Noting)
    net = FlexResNet(50, num_stages=1, out_indices=(0,)).eval()
    with torch.no_grad():
        net(torch.randn(1, 3, 256, 256))
    assert len(places) == 3 and len(set(places)) == 1


def test_a_replaced_forward_is_called_as_ever():
    net, x = build("basic"), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = net(x)
        block = net.layer1[1]
        original = block.forward
        block.forward = lambda x: original(x)
        assert_close(net(x), [output.double() for output in expected])
