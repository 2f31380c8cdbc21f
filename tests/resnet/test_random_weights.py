"""A network that trains with random values which never change says so; any other does not."""

import copy
import warnings

import pytest
import torch

from resblock_backbones import FlexResNet, load_weights
from resblock_backbones.resnet.random_weights import RandomWeightsWarning

TINY = {"depth": 18, "base_channels": 4, "stem_channels": 4}
FROZEN = [{"frozen_stages": 0}, {"frozen_stages": 2, "norm_eval": False}, {}]
GROUP = {"norm_cfg": {"type": "GN", "num_groups": 2}}


def train_once(net):
    net.train()
    return net(torch.randn(2, 3, 32, 32))


def silent(net):
    with warnings.catch_warnings():
        warnings.simplefilter("error", RandomWeightsWarning)
        train_once(net)


@pytest.mark.parametrize("options", [*FROZEN, GROUP | {"frozen_stages": 1}])
def test_frozen_or_unchanging_random_values_are_told_once(options):
    net = FlexResNet(**TINY, **options)
    with pytest.warns(RandomWeightsWarning, match="load_weights.*frozen_stages=-1"):
        train_once(net)
    silent(net)


def test_the_warning_names_what_is_frozen_and_which_norms():
    with pytest.warns(
        RandomWeightsWarning, match="frozen stem and stage 1, 2 and all batch norms"
    ) as told:
        train_once(FlexResNet(**TINY, frozen_stages=2))
    assert told[0].filename == __file__  # where the network is called
    with pytest.warns(RandomWeightsWarning) as told:
        train_once(FlexResNet(**TINY, frozen_stages=0, norm_eval=False))
    assert "norms" not in str(told[0].message)


def test_a_network_that_learns_all_of_it_is_silent():
    silent(FlexResNet(**TINY, norm_eval=False))
    silent(FlexResNet(**TINY, **GROUP))


@pytest.mark.parametrize("options", [*FROZEN, GROUP | {"frozen_stages": 1}])
def test_loaded_weights_are_silent_however_they_come(options, tmp_path):
    source = FlexResNet(**TINY, **options)
    state = source.state_dict()
    net = FlexResNet(**TINY, **options)
    net.load_state_dict(state)
    silent(net)
    net = FlexResNet(**TINY, **options)
    load_weights(net, state)
    silent(net)
    file = tmp_path / "weights.pth"
    torch.save(state, file)
    net = FlexResNet(**TINY, **options, init_cfg={"type": "Pretrained", "checkpoint": str(file)})
    net.init_weights()
    silent(net)
    whole = torch.nn.Sequential(FlexResNet(**TINY, **options))
    whole.load_state_dict({f"0.{name}": value for name, value in state.items()})
    silent(copy.deepcopy(whole[0]))


def test_weights_that_were_trained_here_and_frozen_then_are_silent():
    for options in ({}, GROUP):
        net = FlexResNet(**TINY, **options, norm_eval=False)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        train_once(net)[-1].square().sum().backward()
        optimizer.step()
        net.frozen_stages, net.norm_eval, net.weights_are_given = 4, True, False
        silent(net)


def test_evaluation_and_tensors_without_values_are_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RandomWeightsWarning)
        FlexResNet(**TINY, frozen_stages=1).eval()(torch.zeros(1, 3, 32, 32))
        with torch.device("meta"):
            FlexResNet(**TINY, frozen_stages=1)(torch.zeros(2, 3, 32, 32))
    with pytest.warns(RandomWeightsWarning):
        net = FlexResNet(**TINY, frozen_stages=1)
        net.init_weights()
        train_once(net)
