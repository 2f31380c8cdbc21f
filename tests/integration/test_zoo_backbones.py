"""FlexResNet in place of every ResNet setting in both config zoos.

Names and shapes are compared at full width, numbers at a quarter of it: the network is the same,
and takes a sixteenth of the memory and time. `make test-all` computes at full width too.
"""

import pytest
import torch
from torch import nn
from zoo import Setting, backbone_settings, shapes_alone

from resblock_backbones import FlexResNet
from resblock_backbones.weights import rename_keys

pytestmark = pytest.mark.usefixtures("fold_always")
PARTS = 8  # so that two workers share them, and no single test is long


def with_random_weights(build, seed):
    """``build()`` in float64, its weights and running statistics random."""
    net = build().double()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.ndim == 1:
            low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.2, 0.2)
            tensor.uniform_(low, high, generator=generator)
        else:
            bound = (3 / tensor[0].numel()) ** 0.5
            tensor.uniform_(-bound, bound, generator=generator)
    return net


def norms_in_eval(net):
    net.train()
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return net


def by_our_names(values):
    """A dict by the original's parameter names, by ours."""
    values = dict(values)
    rename_keys(values, "")
    return values


def difference(ours, theirs):
    """Greatest absolute difference, relative to the greatest value where that is above 1."""
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1))


def compare_shapes(setting: Setting) -> None:
    """Assert that FlexResNet has the names and shapes of the setting's original."""
    with shapes_alone():
        original, net = setting.original(), FlexResNet(**setting.flex_options())
    net.load_state_dict(original.state_dict(), strict=True)


def compare(setting: Setting, seed: int) -> None:
    """Assert that FlexResNet computes, differentiates and freezes as the setting's original."""
    original = with_random_weights(setting.original, seed)
    net = FlexResNet(**setting.flex_options()).double()
    net.load_state_dict(original.state_dict(), strict=True)

    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=generator)
    original.eval()
    net.eval()
    with torch.no_grad():
        pairs = list(zip(net(x), original(x), strict=True))
    assert max(difference(ours, theirs) for ours, theirs in pairs) < 1e-9
    assert tuple(ours.shape[1] for ours, _ in pairs) == net.out_channels

    norms_in_eval(original)
    norms_in_eval(net)
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    their_parameters = by_our_names(original.named_parameters())
    assert trained == {name for name, p in their_parameters.items() if p.requires_grad}
    weights = [torch.randn(ours.shape, dtype=x.dtype, generator=generator) for ours, _ in pairs]
    for model in (net, original):
        loss = sum((output * w).sum() for output, w in zip(model(x), weights, strict=True))
        loss.backward()
    gradients = [p.grad for p in their_parameters.values() if p.grad is not None]
    # A bias in front of a softmax has the gradient zero, of which rounding leaves this or that.
    rounding = 1e-7 * max(float(gradient.abs().max()) for gradient in gradients)
    for name, parameter in net.named_parameters():
        theirs = their_parameters[name].grad
        assert (parameter.grad is None) == (theirs is None), name
        if theirs is not None:
            error = (parameter.grad - theirs).abs().max() / theirs.abs().max().clamp(min=rounding)
            assert error < 1e-7, f"{name}: {error:.1e}"


@pytest.fixture
def float64_by_default():
    """Plugins make their tables of positions in the default dtype."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("width", ["quarter", pytest.param("full", marks=pytest.mark.slow)])
@pytest.mark.parametrize("part", range(PARTS))
def test_every_setting_of_the_zoos_is_the_same_network(part, width, float64_by_default, tally):
    settings = backbone_settings()[part::PARTS]
    failures = []
    for seed, setting in enumerate(settings):
        try:
            compare_shapes(setting)
            compare(setting.narrow() if width == "quarter" else setting, seed)
        except Exception as error:  # all are tried before any failure is told
            failures.append(f"{setting.configs[0]}: {type(error).__name__}: {error}")
    tally(f"zoo backbone settings, {width} width", len(settings) - len(failures), len(settings))
    assert not failures, "\n".join(failures)
