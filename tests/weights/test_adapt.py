"""Weights made to fit another network, when that is asked for, and told about."""

import logging

import pytest
import torch

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights.errors import CheckpointWarning


@pytest.fixture
def image():
    return torch.randn(1, 3, 64, 64, dtype=torch.float64)


def network(*arguments, **options):
    return FlexResNet(*arguments, zero_init_residual=False, **options).double().eval()


def features(net, x):
    with torch.no_grad():
        return net(x)


def test_nothing_is_adapted_unasked_and_the_message_says_how_to_ask():
    full = network(18, width=0.25)
    for options in ({"in_channels": 1}, {"stem_kernel_size": 3}, {"width": 0.125}):
        with pytest.raises(CheckpointError, match="there, .* here.*adapt=") as caught:
            load_weights(network(18, **{"width": 0.25, **options}), full.state_dict())
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="adapt='widht'.*did you mean 'width'"):
        load_weights(full, full.state_dict(), adapt=["widht"])


def test_one_channel_sees_what_three_equal_ones_saw(image, caplog):
    full, grey = network(18, width=0.25), network(18, width=0.25, in_channels=1)
    with caplog.at_level(logging.INFO):
        report = load_weights(grey, full.state_dict(), adapt=["in_channels"])
    one = image[:, :1]
    expected = features(full, one.expand(-1, 3, -1, -1))
    for ours, theirs in zip(features(grey, one), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    assert report.adapted == ("conv1.weight: 3 input channels summed into 1",)
    assert report.adapted[0] in caplog.text


@pytest.mark.parametrize("channels", [2, 4, 6, 7])
@pytest.mark.parametrize("deep_stem", [False, True])
def test_other_channels_together_respond_as_three(channels, deep_stem):
    full = network(18, width=0.25, deep_stem=deep_stem)
    net = FlexResNet.from_checkpoint(
        full.state_dict(), in_channels=channels, adapt=["in_channels"]
    ).eval()
    weight = net.stem[0].weight if deep_stem else net.conv1.weight
    assert weight.shape[1] == channels
    if channels == 6:  # whole repeats: an equal image gives an equal response
        one = torch.randn(1, 1, 32, 32, dtype=torch.float64)
        ours = features(net, one.expand(-1, channels, -1, -1))
        theirs = features(full, one.expand(-1, 3, -1, -1))
        torch.testing.assert_close(ours[-1], theirs[-1], rtol=1e-11, atol=1e-12)


def test_a_kernel_is_cropped_to_its_centre():
    full, small = network(18, width=0.25), network(18, width=0.25, stem_kernel_size=3)
    report = load_weights(small, full.state_dict(), adapt=["kernel_size"])
    assert torch.equal(small.conv1.weight, full.conv1.weight[:, :, 2:5, 2:5])
    assert report.adapted == ("conv1.weight: kernel 7x7 to 3x3, cropped to the centre",)


def test_a_kernel_set_into_zeros_gives_the_same_features(image):
    full, large = network(50, width=0.25), network(50, width=0.25, kernel_size=5)
    report = load_weights(large, full.state_dict(), adapt=["kernel_size"])
    assert report.adapted == ("16 tensors: kernel 3x3 to 5x5, padded with zeros",)
    for ours, theirs in zip(features(large, image), features(full, image), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_a_half_width_network_gets_the_leading_channels():
    full, half = network(18, width=0.5), network(18, width=0.25)
    report = load_weights(half, full.state_dict(), adapt=["width"])
    assert torch.equal(half.layer3[0].conv2.weight, full.layer3[0].conv2.weight[:64, :64])
    assert torch.equal(half.layer3[0].bn2.running_mean, full.layer3[0].bn2.running_mean[:64])
    [said] = report.adapted
    assert said == "100 tensors: sliced to the leading channels"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": 8},
        {"depthwise": True},
        {"deep_stem": True, "avg_down": True},
        {"base_width": 128, "reduce_first": 2},
    ],
)
def test_slicing_silent_channels_away_changes_nothing(options, image):
    full, half = network(50, width=0.5, **options), network(50, width=0.25, **options)
    for name, norm in full.named_modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            # Inside a bottleneck with groups, each group keeps the first half of its channels.
            groups = options.get("groups", 1) if name.endswith(("bn1", "bn2")) else 1
            groups = groups if name.startswith("layer") else 1
            torch.nn.init.uniform_(norm.weight, 0.2, 0.8)
            torch.nn.init.uniform_(norm.bias, -0.2, 0.2)
            with torch.no_grad():
                for parameter in (norm.weight, norm.bias):
                    parameter.view(groups, 2, -1)[:, 1] = 0
    load_weights(half, full.state_dict(), adapt=["width"])
    for ours, theirs in zip(features(half, image), features(full, image), strict=True):
        assert ours.abs().max() > 0.1
        torch.testing.assert_close(ours, theirs[:, : ours.shape[1]], rtol=1e-9, atol=1e-12)


def test_everything_at_once_from_one_line(caplog):
    state = network(50, width=0.5, groups=4).state_dict()
    with caplog.at_level(logging.INFO):
        net = FlexResNet.from_checkpoint(
            state,
            width=0.25,
            in_channels=4,
            stem_kernel_size=5,
            kernel_size=5,
            adapt=("in_channels", "kernel_size", "width"),
        )
    assert net.conv1.weight.shape == (16, 4, 5, 5)
    for said in (
        "repeated over 4",
        "cropped to the centre",
        "padded with zeros",
        "leading channels",
    ):
        assert said in caplog.text


def test_wider_is_not_invented():
    with pytest.raises(CheckpointError, match="reshaped"):
        load_weights(network(18, width=0.5), network(18, width=0.25).state_dict(), adapt=["width"])


def test_bgr_weights_for_rgb_images(image):
    full = network(18, width=0.25)
    turned = FlexResNet.from_checkpoint(full.state_dict(), reverse_channels=True).eval()
    for ours, theirs in zip(features(turned, image.flip(1)), features(full, image), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


def test_bands_of_a_satellite_are_not_taken_for_colours():
    full, net = network(18, width=0.25, in_channels=13), network(18, width=0.25)
    with pytest.raises(CheckpointError, match="of 13 channels, and nothing says which 3"):
        load_weights(net, full.state_dict(), adapt=["in_channels"])
    grey = network(18, width=0.25, in_channels=1)
    load_weights(grey, full.state_dict(), adapt=["in_channels"])


@pytest.mark.parametrize("deep_stem", [False, True])
@pytest.mark.parametrize("bands", [(3, 2, 1), (0, 1, 2, None), (12, *range(12), None, None)])
def test_bands_are_taken_by_name(bands, deep_stem):
    full = network(18, width=0.25, in_channels=13, deep_stem=deep_stem)
    net = FlexResNet.from_checkpoint(full.state_dict(), bands=bands).eval()
    x = torch.randn(1, len(bands), 64, 64, dtype=torch.float64)
    whole = torch.zeros(1, 13, 64, 64, dtype=torch.float64)
    for number, band in enumerate(bands):
        if band is not None:
            whole[:, band] = x[:, number]
    for ours, theirs in zip(features(net, x), features(full, whole), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_bands_are_told_and_refused_where_they_are_none():
    state = network(18, width=0.25, in_channels=13).state_dict()
    net = network(18, width=0.25, init_cfg={"type": "Pretrained", "checkpoint": state})
    net.init_cfg["bands"] = [3, 2, 1]
    with pytest.warns(CheckpointWarning, match="input channels 3, 2, 1 of 13"):
        net.init_weights()
    assert torch.equal(net.conv1.weight, state["conv1.weight"][:, [3, 2, 1]])
    for bands, error, message in (
        ((3, 2, 13), CheckpointError, "has 13 input channels, the last of which is number 12"),
        ((3, 2), CheckpointError, "there, .* here"),
        ("321", TypeError, "bands='321'"),
        ((-1, 2, 3), TypeError, "bands="),
    ):
        with pytest.raises(error, match=message):
            load_weights(net, state, bands=bands)
    with pytest.raises(ValueError, match="bands already says the order"):
        load_weights(net, state, bands=(3, 2, 1), reverse_channels=True)
