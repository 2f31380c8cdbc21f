"""Folding under what else transforms a network: checkpointing, compilers, exporters, copies."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from resblock_backbones import conv_norm

pytestmark = pytest.mark.usefixtures("fold_always")


class Pair(nn.Module):
    """A convolution and a norm in eval mode, with random values."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8).eval()
        for name, tensor in self.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 2) if name.endswith("var") else tensor.normal_()

    def forward(self, x):
        return conv_norm(x, self.conv, self.norm).relu_()

    def two_layers(self, x):
        return self.norm(self.conv(x)).relu()


@pytest.fixture
def pair():
    return Pair().double()


@pytest.fixture
def x():
    return torch.randn(2, 4, 9, 9, dtype=torch.float64)


def gradients(pair, compute, x):
    pair.zero_grad()
    out = compute(x)
    out.square().sum().backward()
    return [out, *(parameter.grad.clone() for parameter in pair.parameters())]


def assert_same(ours, theirs):
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_recomputes_the_same_gradients(pair, x, reentrant):
    x.requires_grad_()

    def compute(x):
        return checkpoint(pair, x, use_reentrant=reentrant)

    assert_same(gradients(pair, compute, x), gradients(pair, pair.two_layers, x))


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_the_whole_is_compiled_as_one_graph(pair, x, backend):
    compiled = torch.compile(pair, fullgraph=True, backend=backend)
    assert_same(gradients(pair, compiled, x), gradients(pair, pair.two_layers, x))
    with torch.no_grad():
        assert_same([compiled(x)], [pair.two_layers(x)])


def test_a_compiled_graph_keeps_only_the_input_too(pair):
    x = torch.randn(2, 4, 64, 64, dtype=torch.float64)
    kept = []
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager_decomp_partition")
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        compiled(x)
    bytes_kept = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    maps = x.numel() + 2 * 8 * 62 * 62  # the input, and the output for the ReLU's own sake
    assert sum(bytes_kept.values()) < 8 * 1.05 * maps


def test_an_exported_program_computes_the_same(pair, x):
    program = torch.export.export(pair.eval(), (x,))
    assert_same([program.module()(x)], [pair.two_layers(x)])


def test_a_traced_graph_is_the_usual_one(pair, x):
    pair.eval()
    traced = torch.jit.trace(pair, x)
    assert "batch_norm" in str(traced.inlined_graph)
    assert_same([traced(x)], [pair.two_layers(x)])
    symbolic = torch.fx.symbolic_trace(pair)
    assert [node.target for node in symbolic.graph.nodes if node.op == "call_module"] == [
        "conv",
        "norm",
    ]
    assert_same([symbolic(x)], [pair.two_layers(x)])


def test_functional_transforms_see_through_it(pair, x):
    parameters = {name: p.detach() for name, p in pair.named_parameters()}
    buffers = dict(pair.named_buffers())

    def loss(parameters, x):
        return torch.func.functional_call(pair, {**parameters, **buffers}, (x,)).square().sum()

    grads = torch.func.grad(loss)(parameters, x)
    _, *expected = gradients(pair, pair.two_layers, x)
    assert_same(grads.values(), expected)
    each = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x[:, None])
    assert_same([grad.sum(0) for grad in each.values()], expected)
    out, tangent = torch.func.jvp(pair, (x,), (torch.ones_like(x),))
    expected = torch.func.jvp(pair.two_layers, (x,), (torch.ones_like(x),))
    assert_same([out, tangent], expected)


def test_replaced_parameters_get_the_gradients(pair, x):
    parameters = {name: (2 * p).detach().requires_grad_() for name, p in pair.named_parameters()}
    out = torch.func.functional_call(pair, parameters, (x,))
    grads = torch.autograd.grad(out.sum(), parameters.values())
    assert all(grad.abs().sum() > 0 for grad in grads)


def test_copies_are_independent(pair, x):
    with torch.no_grad():
        before = pair(x)
    for twin in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        with torch.no_grad():
            assert torch.equal(twin(x), before)
            twin.conv.weight.zero_()
            assert not torch.equal(twin(x), before)
            assert torch.equal(pair(x), before)


def test_data_parallel_training_averages_the_same_gradients(pair, x, tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1
    )
    try:
        parallel = nn.parallel.DistributedDataParallel(pair)
        assert_same(gradients(pair, parallel, x), gradients(pair, pair.two_layers, x))
    finally:
        torch.distributed.destroy_process_group()


def test_a_change_between_forward_and_backward_is_an_error_not_a_wrong_gradient(pair, x):
    out = pair(x).sum()
    with torch.no_grad():
        pair.conv.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_saved_tensors_can_be_kept_elsewhere(pair, x):
    with torch.autograd.graph.save_on_cpu():
        out = pair(x)
    out.square().sum().backward()
    grads = [parameter.grad.clone() for parameter in pair.parameters()]
    assert_same(grads, gradients(pair, pair.two_layers, x)[1:])
