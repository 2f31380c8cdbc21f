"""What is not saved changes no gradient, with any options, in float64."""

import copy
import sys

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_any_options import build, option_sets

door = sys.modules["resblock_backbones.layers.folding.conv_norm"]
pytestmark = [
    pytest.mark.usefixtures("fold_always"),
    pytest.mark.filterwarnings("ignore:FlexResNet trains with random values"),
]
KINDS = {
    "light, frozen norms": {"recompute": "light", "norm_eval": True},
    "light, batch statistics": {"recompute": "light", "norm_eval": False},
    "batch statistics": {"recompute": None, "norm_eval": False},
}


def gradients(net, x):
    """All gradients of a training step, and the running statistics after it."""
    net = copy.deepcopy(net).train()
    x = x.clone().requires_grad_()
    torch.manual_seed(1)  # of stochastic depth, and of what the gradients are summed with
    outputs = net(x)
    torch.autograd.backward(outputs, [torch.randn_like(out) for out in outputs])
    found = {name: parameter.grad for name, parameter in net.named_parameters()}
    return {"the input": x.grad, **found, **dict(net.named_buffers())}


def compare(options, kind):
    net = build({**options, **KINDS[kind], "with_cp": False, "zero_init_residual": False})
    if net is None:
        return
    net.double()
    x = torch.randn(2, options.get("in_channels", 3), 64, 72, dtype=torch.float64)
    ours = gradients(net, x)
    with door.folding_off():
        plain = gradients(net, x)
    assert [name for name, one in ours.items() if one is None] == [
        name for name, one in plain.items() if one is None
    ]
    pairs = [(name, ours[name], plain[name]) for name in ours if ours[name] is not None]
    # The bias in front of a norm has a gradient of 0, and in numbers that of rounding.
    largest = max(float(other.abs().max()) for *_, other in pairs)
    for name, one, other in pairs:
        torch.testing.assert_close(
            one,
            other,
            rtol=1e-9,
            atol=1e-9 * largest,
            msg=lambda text, name=name: f"{name}: {text}",
        )


# A failing set is told as it was drawn: to make it smaller would take minutes.
def drawn(count):
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
    )


@drawn(8)
@given(options=option_sets(), kind=st.sampled_from(list(KINDS)))
def test_gradients_are_those_of_the_plain_layers(options, kind):
    compare(options, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@drawn(60)
@given(options=option_sets())
def test_gradients_are_those_of_the_plain_layers_with_many_options(kind, options):
    compare(options, kind)
