"""A convolution and a norm in eval mode as one convolution: the same numbers, less to keep."""

import copy
import os
import random
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torchvision.ops import FrozenBatchNorm2d

from resblock_backbones import SpatialSeparableConvNxN, conv_norm
from resblock_backbones.layers.folding.foldable import is_foldable

door = sys.modules["resblock_backbones.layers.folding.conv_norm"]
pytestmark = pytest.mark.usefixtures("fold_always")

NORMS = {
    "BN": nn.BatchNorm2d,
    "plain BN": lambda channels, eps: nn.BatchNorm2d(channels, eps, affine=False),
    "SyncBN": nn.SyncBatchNorm,
    "FrozenBN": FrozenBatchNorm2d,
    "IN": lambda channels, eps: nn.InstanceNorm2d(
        channels, eps, affine=True, track_running_stats=True
    ),
}


def randomise(*modules):
    """Random values for all that a convolution and its norm compute with."""
    for module in modules:
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point():
                tensor.normal_()


def random_pair(seed):
    """A random convolution, a random norm in eval mode, and an input; float64."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    groups = rng.choice([1, 1, 2, 4])
    inplanes = groups * rng.choice([1, 2, 3])
    planes = groups * rng.choice([1, 2, 5])
    conv = nn.Conv2d(
        inplanes,
        planes,
        rng.choice([1, 2, 3, (1, 3), (5, 1)]),
        stride=rng.choice([1, 2, (2, 1)]),
        padding=rng.choice([0, 1, (2, 1)]),
        dilation=rng.choice([1, 2]),
        groups=groups,
        bias=rng.random() < 0.5,
    )
    norm = NORMS[rng.choice(list(NORMS))](planes, eps=rng.choice([1e-5, 1e-3, 0.1])).eval()
    randomise(conv, norm)
    for parameter in (*conv.parameters(), *norm.parameters()):
        parameter.requires_grad = rng.random() < 0.7
    x = torch.randn(rng.choice([1, 2]), inplanes, 11, 12)
    if rng.random() < 0.5:
        x = x.to(memory_format=torch.channels_last)
    return conv.double(), norm.double(), x.double().requires_grad_(rng.random() < 0.7)


def outputs_and_grads(compute, x, *modules):
    """The output of ``compute(x)``, and every gradient of a random sum of it."""
    leaves = [x, *(p for module in modules for p in module.parameters())]
    out = compute(x)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    return out, torch.autograd.grad((out * weight).sum(), wanted) if wanted else ()


@pytest.mark.parametrize("seed", range(60))
def test_outputs_and_every_gradient_are_those_of_the_two_layers(seed):
    conv, norm, x = random_pair(seed)
    assert is_foldable(conv, norm)
    ours, our_grads = outputs_and_grads(lambda x: conv_norm(x, conv, norm), x, conv, norm)
    theirs, their_grads = outputs_and_grads(lambda x: norm(conv(x)), x, conv, norm)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    assert ours.requires_grad == theirs.requires_grad
    for ours, theirs in zip(our_grads, their_grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        torch.testing.assert_close(conv_norm(x, conv, norm), norm(conv(x)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("groups", [1, 2])
def test_it_can_be_differentiated_once_and_twice(groups):
    conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=groups)
    norm = nn.BatchNorm2d(4).eval()
    randomise(conv, norm)
    x = torch.randn(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    conv, norm = conv.double(), norm.double()

    def compute(x, *values):
        names = ("weight", "bias")
        originals = [(m, name, getattr(m, name)) for m in (conv, norm) for name in names]
        for (module, name, _), value in zip(originals, values, strict=True):
            module._parameters[name] = value
        try:
            return conv_norm(x, conv, norm)
        finally:
            for module, name, value in originals:
                module._parameters[name] = value

    inputs = (x, *conv.parameters(), *norm.parameters())
    assert torch.autograd.gradcheck(compute, inputs)
    assert torch.autograd.gradgradcheck(compute, inputs)


@pytest.mark.parametrize("norm", ["BN", "FrozenBN", "IN"])
@pytest.mark.parametrize("x_dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_under_autocast_types_are_those_of_the_two_layers(norm, x_dtype):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(4, 8, 3), NORMS[norm](8, eps=1e-5).eval()
    randomise(conv, norm)
    if x_dtype == torch.float64:
        conv, norm = conv.double(), norm.double()
    results = []
    for compute in (lambda x: conv_norm(x, conv, norm), lambda x: norm(conv(x))):
        x = torch.ones(2, 4, 9, 9, dtype=x_dtype, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = compute(x)
            with torch.no_grad():
                assert compute(x).dtype == out.dtype
        out.float().square().mean().backward()
        grads = [leaf.grad for leaf in (x, *conv.parameters(), *norm.parameters())]
        results.append((out, *grads))
        conv.zero_grad()
        norm.zero_grad()
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale, rtol=0, atol=0.03)


def test_low_precision_networks_keep_their_type():
    conv, norm = nn.Conv2d(4, 8, 3).bfloat16(), nn.BatchNorm2d(8).bfloat16().eval()
    x = torch.randn(1, 4, 9, 9, dtype=torch.bfloat16)
    out = conv_norm(x, conv, norm)
    assert out.dtype == torch.bfloat16
    out.sum().backward()
    assert conv.weight.grad.dtype == norm.weight.grad.dtype == torch.bfloat16


def test_a_wrong_type_or_size_is_refused_with_the_layers_own_words():
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8).eval()
    for x in (torch.zeros(1, 4, 9, 9).double(), torch.zeros(4, 9, 9), torch.zeros(1, 3, 9, 9)):
        with pytest.raises((RuntimeError, ValueError)) as ours:
            conv_norm(x, conv, norm)
        with pytest.raises((RuntimeError, ValueError)) as theirs:
            norm(conv(x))
        assert str(ours.value) == str(theirs.value)
    with pytest.raises(RuntimeError, match="running_mean"):
        conv_norm(torch.zeros(1, 4, 9, 9), conv, nn.BatchNorm2d(7).eval())


class Standardised(nn.Conv2d):
    def forward(self, x):
        return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)


class Quantised(nn.Conv2d):
    def _conv_forward(self, x, weight, bias):
        return super()._conv_forward(x, weight.round(), bias)


class Renamed(nn.Conv2d):
    """Computes as its parent."""


def with_(module, change):
    change(module)
    return module


def hooked(module):
    return with_(module, lambda module: module.register_forward_hook(lambda m, i, out: out + 1))


AS_USUAL = {
    "norm in train mode": (nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)),
    "no statistics": (nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8, track_running_stats=False).eval()),
    "instance statistics": (nn.Conv2d(4, 8, 3), nn.InstanceNorm2d(8).eval()),
    "GN": (nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8)),
    "no norm": (nn.Conv2d(4, 8, 3), nn.Identity()),
    "other padding": (nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), None),
    "padding by name": (nn.Conv2d(4, 8, 3, padding="same"), None),
    "other forward": (Standardised(4, 8, 3), None),
    "other weight": (Quantised(4, 8, 3), None),
    "hook on the convolution": (hooked(nn.Conv2d(4, 8, 3)), None),
    "hook on the norm": (nn.Conv2d(4, 8, 3), hooked(nn.BatchNorm2d(8).eval())),
    "parametrization": (parametrizations.weight_norm(nn.Conv2d(4, 8, 3)), None),
    "old weight norm": (torch.nn.utils.weight_norm(nn.Conv2d(4, 8, 3)), None),
    "replaced method": (
        with_(
            nn.Conv2d(4, 8, 3), lambda m: setattr(m, "forward", lambda x: 2 * type(m)(4, 8, 3)(x))
        ),
        None,
    ),
    "transposed": (nn.ConvTranspose2d(4, 8, 3), None),
}


@pytest.mark.parametrize("case", AS_USUAL)
def test_what_cannot_be_folded_is_computed_as_usual(case):
    conv, norm = AS_USUAL[case]
    norm = nn.BatchNorm2d(8).eval() if norm is None else norm
    assert not is_foldable(conv, norm)
    x = torch.randn(2, 4, 9, 9)
    results = []
    for compute in (conv_norm, lambda x, conv, norm: norm(conv(x))):
        torch.manual_seed(0)
        results.append(compute(x, conv, copy.deepcopy(norm)))
    assert torch.equal(*results)


def test_a_subclass_that_computes_as_conv2d_folds():
    assert is_foldable(Renamed(4, 8, 3), nn.BatchNorm2d(8).eval())


def test_a_hook_on_every_module_stops_folding_while_it_is_there():
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8).eval()
    seen = []
    handle = nn.modules.module.register_module_forward_hook(lambda m, i, o: seen.append(m))
    try:
        conv_norm(torch.randn(1, 4, 9, 9), conv, norm)
    finally:
        handle.remove()
    assert seen == [conv, norm]
    assert is_foldable(conv, norm)


def test_what_a_hook_has_seen_does_not_change_afterwards():
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8).eval()
    seen = []
    norm.register_forward_hook(lambda m, i, out: seen.append((out, out.clone())))
    conv_norm(torch.randn(1, 4, 9, 9), conv, norm).relu_()
    assert torch.equal(*seen[0])


def test_of_a_separable_convolution_the_second_half_is_folded():
    conv, norm = SpatialSeparableConvNxN(4, 3), nn.BatchNorm2d(4).eval()
    randomise(conv, norm)
    conv, norm = conv.double(), norm.double()
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64, requires_grad=True)
    ours, our_grads = outputs_and_grads(lambda x: conv_norm(x, conv, norm), x, conv, norm)
    theirs, their_grads = outputs_and_grads(lambda x: norm(conv(x)), x, conv, norm)
    for mine, other in zip((ours, *our_grads), (theirs, *their_grads), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)
    assert "FoldedConv" in ours.grad_fn.name()


def kept(compute):
    """Bytes that autograd keeps, each storage once."""
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # of an output itself the graph would never be freed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = compute()
    return sum(storages.values()), out


def test_only_the_input_is_kept_for_the_backward_pass():
    conv, norm = nn.Conv2d(4, 8, 3, bias=False), nn.BatchNorm2d(8).eval()
    x = torch.randn(2, 4, 32, 32, requires_grad=True)
    layers = 4 * (conv.weight.numel() + 4 * 8)
    bytes_kept, _ = kept(lambda: conv_norm(x, conv, norm))
    assert bytes_kept == 4 * x.numel() + layers
    output = 4 * 2 * 8 * 30 * 30
    assert kept(lambda: norm(conv(x)))[0] > bytes_kept + 0.99 * output


def test_frozen_layers_keep_nothing_and_get_nothing():
    conv, norm = nn.Conv2d(4, 8, 3).requires_grad_(False), nn.BatchNorm2d(8).eval()
    norm.requires_grad_(False)
    x = torch.randn(2, 4, 32, 32)
    bytes_kept, out = kept(lambda: conv_norm(x, conv, norm))
    assert bytes_kept == 0 and not out.requires_grad
    bytes_kept, out = kept(lambda: conv_norm(x.requires_grad_(), conv, norm))
    assert bytes_kept < 4 * x.numel()  # for the input's gradient the input itself is not needed
    out.sum().backward()
    assert x.grad is not None and conv.weight.grad is None and norm.weight.grad is None


class Masks(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes which of input, weight and bias each convolution's backward pass computes."""

    def __init__(self):
        super().__init__()
        self.masks = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.convolution_backward.default:
            self.masks.append(tuple(args[-1][:2]))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("x", "weight", "gamma", "mask"),
    [
        (True, False, False, (True, False)),
        (False, True, False, (False, True)),
        (False, False, True, (False, True)),
        (True, True, True, (True, True)),
    ],
)
def test_no_gradient_is_computed_that_nobody_needs(x, weight, gamma, mask):
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8).eval()
    conv.weight.requires_grad, norm.weight.requires_grad = weight, gamma
    out = conv_norm(torch.randn(2, 4, 9, 9, requires_grad=x), conv, norm)
    with Masks() as noted:
        out.sum().backward()
    assert noted.masks == [mask]


WAYS_OF_CHANGING_WEIGHTS = {
    "load_state_dict": lambda conv, norm: conv.load_state_dict(nn.Conv2d(4, 8, 3).state_dict()),
    "loading by assignment": lambda conv, norm: conv.load_state_dict(
        nn.Conv2d(4, 8, 3).state_dict(), assign=True
    ),
    "optimizer": lambda conv, norm: optimize(conv.weight),
    "in place": lambda conv, norm: conv.weight.requires_grad_(False).mul_(2),
    "behind autograd's back": lambda conv, norm: conv.weight.data.copy_(torch.ones(8, 4, 3, 3)),
    "one element": lambda conv, norm: conv.weight.data[0, 0, 0].fill_(9),
    "through numpy": lambda conv, norm: conv.weight.detach().numpy().fill(1),
    "another storage": lambda conv, norm: setattr(conv.weight, "data", torch.ones(8, 4, 3, 3)),
    "another parameter": lambda conv, norm: setattr(
        conv, "weight", nn.Parameter(torch.ones(8, 4, 3, 3))
    ),
    "statistics": lambda conv, norm: norm.running_var.fill_(9),
    "statistics behind autograd's back": lambda conv, norm: norm.running_mean.data.fill_(9),
    "gamma": lambda conv, norm: norm.weight.data.fill_(9),
    "beta": lambda conv, norm: norm.bias.data.fill_(9),
    "epsilon": lambda conv, norm: setattr(norm, "eps", 1.0),
}


def optimize(parameter):
    parameter.grad = torch.ones_like(parameter)
    torch.optim.SGD([parameter], lr=1).step()


@pytest.mark.parametrize("way", WAYS_OF_CHANGING_WEIGHTS)
def test_a_change_is_seen_in_the_next_output(way):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8).eval()
    x = torch.randn(1, 4, 9, 9)
    with torch.no_grad():
        before = conv_norm(x, conv, norm)
        assert torch.equal(before, conv_norm(x, conv, norm))
    WAYS_OF_CHANGING_WEIGHTS[way](conv, norm)
    with torch.no_grad():
        after = conv_norm(x, conv, norm)
        assert not torch.allclose(after, before)
        torch.testing.assert_close(after, norm(conv(x)))
        conv, norm = conv.double(), norm.double()
        torch.testing.assert_close(conv_norm(x.double(), conv, norm), norm(conv(x.double())))


def test_the_environment_turns_folding_off():
    code = (
        "import sys, resblock_backbones\n"
        "print(sys.modules['resblock_backbones.layers.folding.conv_norm'].FOLDING)"
    )
    for value, answer in (("off", "False"), ("of", "RESBLOCK_FOLD='of'")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "RESBLOCK_FOLD": value},
            capture_output=True,
            text=True,
        )
        assert answer in done.stdout + done.stderr


@pytest.mark.parametrize(("side", "folds"), [(16, False), (160, True)])
def test_a_small_layer_that_learns_stays_as_it_is(side, folds, monkeypatch):
    monkeypatch.undo()  # of fold_always
    conv, norm = nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8).eval()
    out = conv_norm(torch.randn(1, 4, side, side), conv, norm)
    assert ("FoldedConv" in out.grad_fn.name()) == folds
