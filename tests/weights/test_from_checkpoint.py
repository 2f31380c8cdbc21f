"""A network's own checkpoint gives the network back, and what weights do not show can be said."""

import logging
import random

import pytest
import torch

from resblock_backbones import CheckpointError, FlexResNet, load_weights
from resblock_backbones.weights import read_plan


def random_options(seed):
    """Options that weights show, in combinations that FlexResNet takes."""
    choose = random.Random(seed)
    options = {"width": choose.choice([0.125, 0.25, 0.1875, (0.25, 0.125, 0.125, 0.0625)])}
    options["stem_channels"] = choose.choice([None, 24])
    options["depthwise"] = choose.choice([False, True, (False, True, True, False)])
    if options["depthwise"]:  # whose channels have to be multiples
        options |= {"width": 0.25, "stem_channels": None}
    if options["depthwise"] or choose.random() < 0.5:
        options["depth"] = choose.choice([18, 34, 50])
    else:
        options["stage_blocks"] = tuple(choose.randint(1, 3) for _ in range(4))
        options["block"] = tuple(choose.choice(["basic", "bottleneck"]) for _ in range(4))
    options["kernel_size"] = choose.choice([3, 5, (3, 5, 3, 7)])
    if not options["depthwise"] and options.get("depth") == 50:
        options["groups"] = choose.choice([1, 2])
        options["base_width"] = choose.choice([None, 32, 128])
        options["reduce_first"] = choose.choice([1, 2])
    elif not options["depthwise"]:
        options["spatial_separable"] = choose.choice([False, True, (False, False, True, True)])
    options["attention"] = choose.choice(
        [
            None,
            "SE",
            "ECA",
            {"type": "SE", "ratio": 0.25},
            {"type": "ECA", "kernel_size": 5},
            {"type": "SE", "ratio": 0.3, "divisor": 1},
        ]
    )
    options["avg_down"] = choose.random() < 0.5
    options["down_kernel_size"] = 1 if options["avg_down"] else choose.choice([1, 3])
    options["deep_stem"] = choose.random() < 0.5
    if options["deep_stem"]:
        options["deep_stem_channels"] = choose.choice([None, (6, 10)])
    else:
        options["stem_kernel_size"] = choose.choice([3, 5, 7])
    options["stem_pool"] = choose.choice(["max", "conv"])
    options["in_channels"] = choose.choice([1, 3, 4])
    return options


@pytest.mark.parametrize("seed", range(60))
def test_what_weights_show_is_read_off_them(seed):
    options = random_options(seed)
    torch.manual_seed(seed)
    net = FlexResNet(**options, zero_init_residual=False).double().eval()
    again = FlexResNet.from_checkpoint(net.state_dict()).eval()
    assert again.state_dict().keys() == net.state_dict().keys(), options
    assert read_plan(net.state_dict()) == again.plan
    x = torch.randn(1, options["in_channels"], 64, 64, dtype=torch.float64)
    with torch.no_grad():
        for ours, theirs in zip(again(x), net(x), strict=True):
            assert torch.equal(ours, theirs), options


@pytest.mark.parametrize(
    "options",
    [
        {"dilations": (1, 1, 2, 4), "strides": (1, 2, 1, 1)},
        {"style": "caffe"},
        {"anti_alias": "blur"},
        {"anti_alias": "average", "stem_pool": "average"},
        {"norm_cfg": {"type": "GN", "num_groups": 4}},
        {"norm_cfg": {"type": "BN", "eps": 1e-3}},
        {"norm_cfg": "FrozenBN"},
        {"act_cfg": "SiLU"},
        {"out_indices": (1, 3), "frozen_stages": 1},
    ],
)
def test_what_weights_do_not_show_can_be_said(options):
    net = FlexResNet(50, width=0.125, **options).double().eval()
    again = FlexResNet.from_checkpoint(net.state_dict(), **options).eval()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(again(x), net(x), strict=True))
    if "frozen_stages" in options:
        assert not again.conv1.weight.requires_grad and again.layer2[0].conv1.weight.requires_grad


def test_the_first_stages_alone():
    net = FlexResNet(block="basic", stage_blocks=(1, 2, 1, 1), width=0.25)
    part = FlexResNet.from_checkpoint(net.state_dict(), num_stages=2)
    assert [len(stage) for stage in part.stages] == [1, 2]
    assert torch.equal(part.layer2[1].conv2.weight, net.layer2[1].conv2.weight)


def test_layers_that_the_checkpoint_does_not_have_get_first_values():
    state = FlexResNet(18, width=0.25).state_dict()
    net = FlexResNet.from_checkpoint(state, attention="SE")
    assert torch.equal(net.conv1.weight, state["conv1.weight"])
    assert net.layer1[0].se.fc1.weight.abs().max() > 0
    assert all(not tensor.is_meta for tensor in net.state_dict().values())
    net(torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_lower_precision_becomes_single(dtype):
    state = {
        k: t.to(dtype) if t.ndim == 4 else t
        for k, t in FlexResNet(18, width=0.25).state_dict().items()
    }
    net = FlexResNet.from_checkpoint(state)
    assert net.conv1.weight.dtype == torch.float32
    assert torch.equal(net.conv1.weight, state["conv1.weight"].float())


def test_counters_of_batches_may_be_missing():
    state = {k: t for k, t in FlexResNet(18, width=0.25).state_dict().items() if "num_b" not in k}
    net = FlexResNet.from_checkpoint(state)
    assert net.bn1.num_batches_tracked == 0


def test_a_wrong_option_is_refused_by_name():
    state = FlexResNet(18, width=0.25).state_dict()
    with pytest.raises(TypeError, match="no option 'out_indexes'; did you mean 'out_indices'"):
        FlexResNet.from_checkpoint(state, out_indexes=(3,))
    with pytest.raises(CheckpointError, match="does not match"):
        FlexResNet.from_checkpoint(state, depth=34)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.pop("layer2.1.conv1.weight"), "layer2.1.conv1.weight is missing"),
        (lambda s: s.pop("conv1.weight"), "the stem's first convolution is missing"),
        (lambda s: [s.pop(k) for k in list(s) if k.startswith("layer3.")], "layer3.0"),
        (lambda s: s.update({"layer3.0.gate.weight": torch.zeros(3)}), "layer3.0.gate.weight"),
        (lambda s: s.update({"gate.weight": torch.zeros(3)}), "1 more tensors .gate.weight"),
        (lambda s: [s.pop(k) for k in list(s) if k.startswith("bn1.")], "no norms"),
    ],
)
def test_what_is_no_resnet_is_refused_by_what_is_odd(damage, message):
    state = FlexResNet(18, width=0.125).state_dict()
    damage(state)
    with pytest.raises(CheckpointError, match=message) as caught:
        FlexResNet.from_checkpoint(state)
    assert "\n" not in str(caught.value)


def test_a_pooled_shortcut_has_to_be_said():
    net = FlexResNet(50, width=0.25, pool_on_residual_downsample="maxpool")
    with pytest.raises(CheckpointError, match="pool_on_residual_downsample"):
        FlexResNet.from_checkpoint(net.state_dict())
    again = FlexResNet.from_checkpoint(net.state_dict(), pool_on_residual_downsample="maxpool")
    assert again.state_dict().keys() == net.state_dict().keys()


def test_the_log_says_which_options_were_read(caplog):
    net = FlexResNet(50, width=0.25, deep_stem=True, attention="ECA")
    with caplog.at_level(logging.INFO):
        FlexResNet.from_checkpoint(net.state_dict())
    assert "FlexResNet(deep_stem=True, depth=50, width=0.25, attention=" in caplog.text
    assert "(flex): 346 of 346 tensors matched" in caplog.text


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod.", "ema_model."])
@pytest.mark.parametrize("inside", ["", "backbone.", "model.encoder."])
def test_wrappers_in_any_order(wrapper, inside):
    state = FlexResNet(18, width=0.125).state_dict()
    wrapped = {f"{wrapper}{inside}{key}": tensor for key, tensor in state.items()}
    wrapped |= {f"{wrapper}head.weight": torch.zeros(2), "n_averaged": torch.tensor(3)}
    if wrapper.startswith("_orig"):  # compiled stage by stage
        wrapped = {key.replace("layer1.", "layer1._orig_mod."): t for key, t in wrapped.items()}
    net = FlexResNet(18, width=0.125)
    assert load_weights(net, {"state_dict": wrapped}).missing == ()
    assert torch.equal(net.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])
    FlexResNet.from_checkpoint({"model_ema": wrapped})


def test_a_stem_for_small_images_is_not_taken_for_one_that_downsamples():
    torchvision = pytest.importorskip("torchvision")
    net = torchvision.models.resnet18()
    net.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    with pytest.raises(CheckpointError, match="its stem is a 3x3 convolution.*stem_kernel_size=3"):
        FlexResNet.from_checkpoint(net.state_dict())
    assert FlexResNet.from_checkpoint(net.state_dict(), stem_kernel_size=3).depth == 18
