"""What smp's own tests ask of its encoders, asked of a FlexResNet with options drawn at random."""

import copy

import pytest
import torch
from option_sets import name_of, option_sets
from safetensors.torch import save_file
from torchvision.models import resnet18

from resblock_backbones import FlexResNet

smp = pytest.importorskip("segmentation_models_pytorch")
register = pytest.importorskip("resblock_backbones.adapters.smp").register

SETS = option_sets(20)
#: All of them are for `make test-all`.
EACH = [
    pytest.param(one, id=name_of(one), marks=[pytest.mark.slow] * (number >= 4))
    for number, one in enumerate(SETS)
]
STRIDES = {3: (1, 2, 4, 8), 4: (1, 2, 4, 8, 16), 5: (1, 2, 4, 8, 16, 32)}


def of_encoder(options):
    """Options of a registered encoder: the model says the others."""
    return {k: v for k, v in options.items() if k not in ("in_channels", "output_stride")}


def encoder(options, **arguments):
    register("drawn", **of_encoder(options))
    torch.manual_seed(0)
    return smp.encoders.get_encoder("drawn", **arguments).double().eval()


def image(channels=3, side=64):
    torch.manual_seed(1)
    return torch.randn(2, channels, side, side, dtype=torch.float64)


def close(ours, expected):
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def a_forward_and_a_backward_pass_reach_every_parameter(options):
    for depth in (1, 3, 5):
        one = encoder({**options, "zero_init_residual": False}, depth=depth).train()
        sum(level.square().mean() for level in one(image())[1:]).backward()
        learning = [name for name, p in one.named_parameters() if p.requires_grad]
        assert learning == [name for name, p in one.named_parameters() if p.grad is not None]


def images_may_have_any_number_of_channels(options):
    for channels in (1, 3, 4, 7):
        one, x = encoder(options, in_channels=channels), image(channels)
        maps = one(x)
        assert maps[0] is x
        assert one.out_channels == [level.shape[1] for level in maps]


def there_is_one_feature_map_for_each_level(options):
    x = image()
    all_, whole = encoder(options)(x), encoder(options).net.state_dict()
    for depth in range(1, 6):
        one = encoder(options, depth=depth)
        one.net.load_state_dict({name: whole[name] for name in one.net.state_dict()})
        maps = one(x)
        assert [64 // level.shape[2] for level in maps] == [2**level for level in range(depth + 1)]
        assert one.out_channels == [level.shape[1] for level in maps]
        assert one.output_stride == 2**depth
        close(maps, all_[: depth + 1])


def stages_are_dilated_for_the_output_stride(options):
    channels = options.get("in_channels", 3)
    x = image(channels)
    for depth, strides in STRIDES.items():
        for stride in (8, 16):
            made = encoder(options, in_channels=channels, depth=depth, output_stride=stride)
            later = encoder(options, in_channels=channels, depth=depth)
            before = copy.deepcopy(later.state_dict())
            if made.state_dict().keys() != before.keys():
                assert options["spatial_separable"]
                with pytest.raises(ValueError, match="give encoder_output_stride"):
                    later.make_dilated(stride)
                assert later.output_stride == 2**depth
                assert [64 // one.shape[2] for one in later(x)] == list(strides)
                continue
            later.make_dilated(stride)
            assert all(torch.equal(one, before[k]) for k, one in later.state_dict().items())
            made.load_state_dict(before)
            maps = made(x)
            assert [64 // one.shape[2] for one in maps] == [min(one, stride) for one in strides]
            assert made.output_stride == later.output_stride == min(stride, 2**depth)
            close(later(x), maps)
    net = FlexResNet(**{**options, "output_stride": stride}).double().eval()
    net.load_state_dict(made.net.state_dict())
    close(made(x)[2:], net(x))


def it_is_compiled_traced_and_exported(options):
    one, x = encoder(options), image()
    expected = one(x)
    torch.compiler.reset()
    close(torch.export.export(one, (x,)).module()(x), expected)
    close(torch.jit.trace(one, x, check_trace=False)(x), expected)
    close(torch.compile(one, backend="eager", fullgraph=True)(x), expected)
    close(torch.jit.script(one)(x), expected)


def other_channels_keep_the_weights_or_draw_the_first_anew(options):
    one = encoder(options).train()
    one.net.layer1.requires_grad_(False)
    before = copy.deepcopy(one.net.state_dict())
    first = "stem.0.weight" if options.get("deep_stem") else "conv1.weight"
    for keep in (True, False):
        other = copy.deepcopy(one)
        other.set_in_channels(1, pretrained=keep)
        state = other.net.state_dict()
        assert all(torch.equal(v, before[name]) for name, v in state.items() if name != first)
        assert state[first].dtype == torch.float64 and other.out_channels[0] == 1
        assert torch.allclose(state[first], before[first].sum(1, keepdim=True)) == keep
        assert not any(p.requires_grad for p in other.net.layer1.parameters())
        assert other.training and other.net.training
    same = copy.deepcopy(one)
    same.set_in_channels(3)
    assert all(torch.equal(v, before[name]) for name, v in same.net.state_dict().items())


def a_state_dict_goes_round(options):
    one, x = encoder(options), image()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.mul_(1.1)
    other = encoder(options)
    other.load_state_dict(one.state_dict())
    close(other(x), one(x))


def a_frozen_encoder_stays_as_it_is(options):
    register("drawn", **of_encoder(options))
    model = smp.Unet("drawn", encoder_weights=None, decoder_channels=(16, 8, 8, 8, 8))
    model.freeze_encoder()
    before = copy.deepcopy(model.encoder.state_dict())
    model.train()(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert not any(p.requires_grad for p in model.encoder.parameters())
    assert all(torch.equal(v, before[name]) for name, v in model.encoder.state_dict().items())


PROMISES = [
    a_forward_and_a_backward_pass_reach_every_parameter,
    images_may_have_any_number_of_channels,
    there_is_one_feature_map_for_each_level,
    stages_are_dilated_for_the_output_stride,
    it_is_compiled_traced_and_exported,
    other_channels_keep_the_weights_or_draw_the_first_anew,
    a_state_dict_goes_round,
    a_frozen_encoder_stays_as_it_is,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("options", EACH)
def test_it_holds(options, promise, tally):
    tally("smp's contract", 0, 1)
    promise(options)
    tally("smp's contract", 1, 0)


def test_the_output_stride_is_told_where_the_options_dilate():
    register("dilated", depth=18, base_channels=8, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    one = smp.encoders.get_encoder("dilated", weights=None).eval()
    assert one.output_stride == 16 == 64 // one(torch.zeros(1, 3, 64, 64))[-1].shape[2]


def test_options_for_each_stage_are_taken_at_every_depth():
    register(
        "each", depth=50, base_channels=8, kernel_size=(3, 3, 5, 5), multi_grid=(1, 2, 4),
        frozen_stages=3, attention=[None, "SE", None, "ECA"],
    )  # fmt: skip
    one = smp.encoders.get_encoder("each", depth=3, weights=None)
    assert one.net.plan.stages[1].attention == "SE" and one.net.frozen_stages == 2


@pytest.mark.parametrize("decoder", ["Unet", "FPN", "DeepLabV3Plus", "PSPNet"])
def test_whole_models_are_scripted(decoder):
    register("tiny", depth=18, base_channels=8)
    model = getattr(smp, decoder)("tiny", encoder_weights=None).eval()
    x = torch.randn(1, 3, 64, 64)
    expected = model(x)
    torch.testing.assert_close(torch.jit.script(copy.deepcopy(model))(x), expected)


def test_weights_that_smp_has_for_its_resnet_go_into_ours(tmp_path, monkeypatch):
    source = resnet18()
    save_file(source.state_dict(), tmp_path / "model.safetensors")
    file = str(tmp_path / "model.safetensors")
    monkeypatch.setattr(smp.encoders, "hf_hub_download", lambda *_, **__: file)
    for depth, channels in ((5, 3), (3, 4)):
        one = smp.encoders.get_encoder(
            "flexresnet18", weights="imagenet", depth=depth, in_channels=channels
        )
        assert torch.equal(one.net.layer2[0].conv1.weight, source.layer2[0].conv1.weight)
    with pytest.raises(RuntimeError, match=r"Missing.*net\.layer1\.1"):
        one.load_state_dict(
            {k: v for k, v in source.state_dict().items() if not k.startswith("layer1.1")}
        )


def test_timms_encoders_of_smp_are_the_adapters_for_timm():
    pytest.importorskip("resblock_backbones.adapters.timm")
    model = smp.DeepLabV3Plus(
        "tu-flexresnet18", encoder_weights=None, in_channels=4, base_channels=8,
        encoder_output_stride=16,
    ).eval()  # fmt: skip
    assert model.encoder.out_channels == [4, 8, 8, 16, 32, 64]
    assert model(torch.zeros(1, 4, 64, 64)).shape == (1, 1, 64, 64)


@pytest.mark.parametrize("name", ["resnet18", "tu-mine"])
def test_a_name_of_smps_own_is_refused(name):
    with pytest.raises(ValueError, match="choose another"):
        register(name, depth=18)
