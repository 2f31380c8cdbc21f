"""A FlexResNet keeps the contract of smp's encoders, under all of its decoders."""

import pytest
import torch
from option_sets import name_of, option_sets

from resblock_backbones import FlexResNet

smp = pytest.importorskip("segmentation_models_pytorch")
register = pytest.importorskip("resblock_backbones.adapters.smp").register

SETS = option_sets(20)
DECODERS = ["Unet", "UnetPlusPlus", "FPN", "PSPNet", "PAN", "MAnet", "Linknet"]
DECODERS += ["DeepLabV3", "DeepLabV3Plus", "UPerNet"]


@pytest.mark.parametrize("options", SETS, ids=map(name_of, SETS))
def test_features_are_the_plain_networks_with_the_image_and_the_stem_in_front(options):
    options = dict(options)
    stride = options.pop("output_stride", None) or 32
    in_channels = options.pop("in_channels", 3)
    register("some", **options)
    encoder = smp.encoders.get_encoder(
        "some", in_channels=in_channels, depth=5, weights=None, output_stride=stride
    )
    encoder = encoder.eval().double()
    plain = FlexResNet(in_channels=in_channels, output_stride=stride, **options).eval().double()
    plain.load_state_dict(encoder.net.state_dict())
    x = torch.randn(2, in_channels, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        maps, expected = encoder(x), plain(x)
    assert maps[0] is x
    for one, other in zip(maps[2:], expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    assert encoder.out_channels == [one.shape[1] for one in maps]
    assert encoder.output_stride == 64 // maps[-1].shape[2] == stride


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_fewer_feature_maps(depth):
    encoder = smp.encoders.get_encoder("flexresnet18", depth=depth).eval()
    maps = encoder(torch.zeros(1, 3, 64, 64))
    assert [64 // one.shape[2] for one in maps] == [2**level for level in range(depth + 1)]
    assert encoder.out_channels == [one.shape[1] for one in maps]


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_training_step_under_each_decoder(decoder):
    register("tiny", depth=18, base_channels=8)
    model = getattr(smp, decoder)("tiny", encoder_weights=None, in_channels=4, classes=2)
    scores = model.train()(torch.randn(2, 4, 128, 128))
    assert scores.shape == (2, 2, 128, 128)
    scores.square().mean().backward()
    assert model.encoder.net.conv1.weight.grad.isfinite().all()


@pytest.mark.parametrize("decoder", ["DeepLabV3", "DeepLabV3Plus", "PAN"])
def test_dilated_encoders(decoder):
    register("tiny", depth=18, base_channels=8)
    model = getattr(smp, decoder)("tiny", encoder_weights=None, encoder_output_stride=16).eval()
    x = torch.zeros(1, 3, 128, 128)
    assert model(x).shape == (1, 1, 128, 128)
    assert model.encoder(x)[-1].shape[2] == 8
    state = {name: one.clone() for name, one in model.encoder.state_dict().items()}
    model.encoder.make_dilated(8)
    assert model.encoder(x)[-1].shape[2] == 16
    assert all(torch.equal(one, state[name]) for name, one in model.encoder.state_dict().items())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"dialtions": 2}, TypeError, "did you mean 'dilations'"),
        ({"style": "cafe"}, ValueError, "did you mean 'caffe'"),
        ({"num_stages": 3}, ValueError, "encoder_depth"),
    ],
    ids=str,
)
def test_a_wrong_option_gets_the_networks_own_message(options, error, words):
    with pytest.raises(error, match=words):
        register("wrong", depth=18, **options)
