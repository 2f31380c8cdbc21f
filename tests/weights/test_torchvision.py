"""Every ResNet, ResNeXt and Wide ResNet of torchvision, from its weights alone."""

import pytest
import torch
import torchvision

from resblock_backbones import FlexResNet, load_weights

NAMES = [name for name in torchvision.models.list_models(torchvision.models) if "res" in name]


def torchvision_features(net, x):
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    outputs = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        outputs.append(x)
    return outputs


# In float64 the weights of the widest are 1 GB.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "wide_resnet101_2" else name
        for name in NAMES
    ],
)
def test_torchvision_s_features(name, random_network, image, tally):
    tally("torchvision's features", 0, 1)
    original = random_network(lambda: torchvision.models.get_model(name))
    net = FlexResNet.from_checkpoint(original.state_dict()).eval()
    with torch.no_grad():
        expected = torchvision_features(original, image)
        for ours, theirs in zip(net(image), expected, strict=True):
            assert 0.1 < theirs.abs().max() < 1e3
            assert (ours - theirs).abs().max() < 1e-9
    assert str(net.depth) in name
    tally("torchvision's features", 1, 0)


def test_no_tensor_is_shared_with_a_state_dict_of_somebody_else():
    original = torchvision.models.resnet18()
    net = FlexResNet.from_checkpoint(original.state_dict())
    with torch.no_grad():
        net.conv1.weight.zero_()
    assert original.conv1.weight.abs().max() > 0
    load_weights(net, original.state_dict())
    assert torch.equal(net.conv1.weight, original.conv1.weight)
