"""FlexResNet against torchvision, and what freezing, checkpointing and modes promise."""

import copy
import itertools
import pickle

import pytest
import torch
import torchvision
from torch import nn

from resblock_backbones import BottleneckResBlock, FlexResNet


def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and running statistics, so that no norm is the identity."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.ndim == 1:
            tensor.normal_(1 if name.endswith("weight") else 0, 0.2, generator=generator)
        else:
            fan_in = tensor[0].numel()
            tensor.uniform_(-1, 1, generator=generator).mul_((3 / fan_in) ** 0.5)
    return module


def torchvision_features(net, x):
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    outputs = []
    for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
        x = stage(x)
        outputs.append(x)
    return outputs


TORCHVISION = {
    "resnet18": {"depth": 18},
    "resnet34": {"depth": 34},
    "resnet50": {"depth": 50},
    "resnet101": {"depth": 101},
    "resnet152": {"depth": 152},
    "resnext50_32x4d": {"depth": 50, "groups": 32, "base_width": 4},
    "resnext101_32x8d": {"depth": 101, "groups": 32, "base_width": 8},
    "resnext101_64x4d": {"depth": 101, "groups": 64, "base_width": 4},
    "wide_resnet50_2": {"depth": 50, "base_width": 128},
    "wide_resnet101_2": {"depth": 101, "base_width": 128},
}
#: They take a process over 2 GiB; their options are those of smaller ones.
LARGE = ("resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in TORCHVISION],
)
def test_torchvision_s_weights_give_torchvision_s_features(name):
    with torch.device("meta"):  # no time for first values that are overwritten
        original = torchvision.models.get_model(name, weights=None).double().eval()
        net = FlexResNet(**TORCHVISION[name]).eval()
    randomise(original.to_empty(device="cpu"))
    report = net.load_state_dict(original.state_dict(), strict=False, assign=True)
    assert report.missing_keys == []
    assert report.unexpected_keys == ["fc.weight", "fc.bias"]
    x = torch.randn(1, 3, 33, 65, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for ours, theirs in zip(net(x), torchvision_features(original, x), strict=True):
            assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize("output_stride", [8, 16])
def test_a_dilated_net_is_torchvision_s_with_strides_replaced(output_stride):
    replace = (False, output_stride < 16, True)
    original = torchvision.models.resnet50(replace_stride_with_dilation=replace)
    original = randomise(original).double().eval()
    net = FlexResNet(50, output_stride=output_stride, contract_dilation=True).double().eval()
    net.load_state_dict(original.state_dict(), strict=False)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        theirs = torchvision_features(original, x)
        for ours, expected, stride in zip(net(x), theirs, net.out_strides, strict=True):
            assert (ours - expected).abs().max() < 1e-9
            assert ours.shape[-1] == 64 // stride
    assert net.out_strides[-1] == output_stride


@pytest.mark.parametrize("replace", list(itertools.product([False, True], repeat=3)), ids=str)
def test_any_stride_of_torchvision_s_is_replaced_with_dilation(replace):
    original = torchvision.models.resnet50(replace_stride_with_dilation=replace, width_per_group=8)
    original = randomise(original).double().eval()
    strides, dilations = [1], [1]
    for dilated in replace:
        strides.append(1 if dilated else 2)
        dilations.append(dilations[-1] * (2 if dilated else 1))
    net = FlexResNet(
        50,
        base_width=8,
        strides=strides,
        dilations=dilations,
        contract_dilation=(False, *replace),
    )
    net = net.double().eval()
    assert net.load_state_dict(original.state_dict(), strict=False).missing_keys == []
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        for ours, theirs in zip(net(x), torchvision_features(original, x), strict=True):
            assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize("deep_stem", [False, True])
@pytest.mark.parametrize("frozen_stages", [-1, 0, 1, 3, 4])
def test_a_training_step_leaves_frozen_stages_bit_equal(frozen_stages, deep_stem):
    net = FlexResNet(
        18, width=0.25, frozen_stages=frozen_stages, norm_eval=False, deep_stem=deep_stem
    )
    assert net.train() is net
    before = copy.deepcopy(net.state_dict())
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if trained:
        optimizer = torch.optim.SGD(trained, lr=0.1)
        sum(output.square().mean() for output in net(torch.randn(2, 3, 64, 64))).backward()
        optimizer.step()
    frozen = ("conv1.", "bn1.", "stem.") if frozen_stages >= 0 else ()
    frozen += tuple(f"layer{index}." for index in range(1, frozen_stages + 1))
    for name, tensor in net.state_dict().items():
        same = torch.equal(tensor, before[name])
        # The last norms start at zero, so the first convolution of a block cannot move yet.
        assert same if name.startswith(frozen) else (not same or "conv" in name or "bn" in name)
    changed = [name for name, t in net.state_dict().items() if not torch.equal(t, before[name])]
    assert bool(changed) == (frozen_stages < 4)
    assert all(p.grad is None for p in net.parameters() if not p.requires_grad)


def test_norm_eval_keeps_all_running_statistics():
    net = FlexResNet(18, width=0.25, norm_eval=True).train()
    before = copy.deepcopy(dict(net.named_buffers()))
    net(torch.randn(2, 3, 64, 64))
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
    assert net.training and not net.layer4[0].bn1.training
    net = FlexResNet(18, width=0.25, norm_eval=False).train()
    net(torch.randn(2, 3, 64, 64))
    assert not torch.equal(net.layer4[0].bn1.running_mean, before["layer4.0.bn1.running_mean"])


def test_eval_and_train_return_the_net():
    net = FlexResNet(18, width=0.25)
    assert net.eval() is net and not net.training
    assert net.train() is net and net.training
    assert net.train(False) is net and not net.training


def test_recomputed_blocks_give_the_same_gradients_and_count_each_batch_once():
    plain = FlexResNet(18, width=0.25, norm_eval=False, zero_init_residual=False).double()
    saving = FlexResNet(18, width=0.25, norm_eval=False, with_cp=True).double()
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    for net in (plain, saving):
        sum(output.square().mean() for output in net(x)).backward()
    for ours, theirs in zip(saving.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-14)
    for ours, theirs in zip(saving.buffers(), plain.buffers(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (33, 35)])
@pytest.mark.parametrize(
    "options",
    [
        {"depth": 18, "width": 0.5},
        {"depth": 50, "width": 0.25, "out_indices": (1, 3), "deep_stem": True, "avg_down": True},
        {"depth": 34, "width": 0.25, "num_stages": 3},
        {"depth": 18, "width": (0.5, 0.25, 0.125, 0.25), "anti_alias": True, "in_channels": 1},
        {"depth": 50, "width": 0.25, "dilations": (1, 1, 2, 4), "strides": (1, 2, 1, 1)},
        {"stage_blocks": (1, 1, 2, 1), "block": "bottleneck", "width": 0.25},
        {"depth": 18, "width": 0.25, "pool_on_residual_downsample": "maxpool"},
        {"depth": 18, "width": (1, 0.5, 0.25, 0.125), "pool_on_residual_downsample": "averagepool"},
        {"depth": 50, "width": 0.25, "kernel_size": (3, 5, 3, 7), "spatial_separable": True},
        {"depth": 50, "width": 0.25, "depthwise": (False, True, True, True), "attention": "SE"},
        {
            "depth": 18,
            "width": 0.25,
            "norm_cfg": {"type": "GN", "num_groups": 4},
            "act_cfg": "SiLU",
        },
    ],
)
def test_channels_and_strides_are_known_before_any_forward(options, size):
    net = FlexResNet(**options).eval()
    x = torch.zeros(1, options.get("in_channels", 3), *size)
    outputs = net(x)
    assert isinstance(outputs, tuple) and len(outputs) == len(net.out_channels)
    for output, channels, stride in zip(outputs, net.out_channels, net.out_strides, strict=True):
        assert output.shape == (1, channels, -(-size[0] // stride), -(-size[1] // stride))


def test_blocks_with_an_equal_number_of_channels_pool_without_a_projection():
    net = FlexResNet(
        18,
        width=(1, 0.5, 0.25, 0.125),
        pool_on_residual_downsample=(False, "maxpool", False, False),
    )
    assert isinstance(net.layer2[0].residual, nn.MaxPool2d)
    assert isinstance(net.layer3[0].residual, nn.Sequential)


def test_basic_blocks_in_the_net_dilate_their_first_convolution_alone():
    block = FlexResNet(18, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)).layer4[1]
    assert block.conv1.dilation == (2, 2) and block.conv2.dilation == (1, 1)


def test_stochastic_depth_grows_with_the_block_s_number():
    net = FlexResNet(18, width=0.25, drop_path_rate=0.7)
    rates = [block.drop_path.p if block.drop_path else 0 for stage in net.stages for block in stage]
    assert rates == pytest.approx([0.1 * index for index in range(8)])


def test_the_net_survives_copying_and_pickling():
    net = randomise(FlexResNet(18, width=0.25, attention="ECA", anti_alias=True)).eval()
    x = torch.randn(1, 3, 64, 64)
    expected = net(x)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert all(torch.equal(a, b) for a, b in zip(twin(x), expected, strict=True))


def test_the_last_norm_of_each_block_starts_at_zero_unless_told_otherwise():
    assert FlexResNet(50, width=0.25).layer1[0].bn3.weight.eq(0).all()
    assert FlexResNet(50, width=0.25, zero_init_residual=False).layer1[0].bn3.weight.eq(1).all()
    frozen = FlexResNet(18, width=0.25, norm_cfg="FrozenBN")
    assert frozen.layer1[0].bn2.weight.eq(1).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"depth": 20}, ValueError, "depth=20: must be one of 18, 34, 50, 101, 152"),
        ({"depth": "50"}, TypeError, "depth='50'"),
        ({"depth": 50, "dcn": "DCN"}, TypeError, "dcn='DCN': must be a dict"),
        ({"plugins": 3}, TypeError, "plugins=3: must be a list"),
        ({"plugins": [3]}, TypeError, "plugins: 3 is not a dict"),
        (
            {"plugins": [{"cfg": {"type": "ContextBlok"}, "position": "after_conv2"}]},
            ValueError,
            "plugins: no layer is called 'ContextBlok'.*did you mean 'ContextBlock'",
        ),
        ({"multi_grid": 3}, TypeError, "multi_grid=3: must be a list"),
        ({"init_cfg": 3}, TypeError, "init_cfg=3: must be a dict with 'type'"),
        ({"bn_momentum": 2.0}, ValueError, "bn_momentum=2.0"),
        ({"stage_with_dcn": (False, True)}, ValueError, "stage_with_dcn.*2 values for 4 stages"),
        ({"depth": None}, ValueError, "give a depth, or stage_blocks and block"),
        ({"dpeth": 50}, TypeError, "no option 'dpeth'; did you mean 'depth'"),
        ({"num_stages": 5}, ValueError, "num_stages=5"),
        ({"strides": (1, 2, 2)}, ValueError, r"strides=\(1, 2, 2\): 3 values for 4 stages"),
        ({"dilations": (1, 1, 0, 1)}, ValueError, "dilations=0"),
        ({"out_indices": (0, 4)}, ValueError, "out_indices.*there is no stage 4"),
        ({"out_indices": (3, 1)}, ValueError, "out_indices.*ascending"),
        ({"out_indices": (-1, 3)}, ValueError, "out_indices.*ascending"),
        ({"out_indices": (-5,)}, ValueError, "out_indices=-5: .* at least -4"),
        ({"out_indices": ("3",)}, TypeError, "out_indices='3'"),
        ({"frozen_stages": 5}, ValueError, "frozen_stages=5: must be an integer, from -1 to 4"),
        ({"style": "tensorflow"}, ValueError, "style='tensorflow'"),
        ({"width": 0}, ValueError, "width=0"),
        ({"width": (1, 1)}, ValueError, r"width=\(1, 1\): 2 values for 4 stages"),
        ({"kernel_size": 4}, ValueError, "kernel_size=4"),
        ({"groups": 7}, ValueError, "groups=7"),
        ({"output_stride": 12}, ValueError, "output_stride=12"),
        ({"output_stride": 8, "dilations": (1, 1, 2, 4)}, ValueError, "output_stride=8.*dilations"),
        ({"multi_grid": (1, 2, 4)}, ValueError, "multi_grid"),
        ({"dcn": {"type": "DCNv2"}, "stage_with_dcn": (0, 0, 0, 1)}, TypeError, "stage_with_dcn=0"),
        (
            {"dcn": {"type": "DCNv2"}, "stage_with_dcn": (False, False, False, True)},
            ValueError,
            "dcn=.*no place.*depth 50",
        ),
        ({"plugins": [{"cfg": {"type": "X"}, "position": "after_conv3"}]}, ValueError, "position"),
        ({"avg_down": True, "pool_on_residual_downsample": "maxpool"}, ValueError, "avg_down"),
        ({"deep_stem": True, "stem_channels": 33}, ValueError, "stem_channels=33"),
        ({"base_width": 0, "depth": 50}, ValueError, "base_width=0"),
        ({"stem_pool": "mean"}, ValueError, "stem_pool='mean': must be one of 'max'"),
        ({"stem_kernel_size": 4}, ValueError, "stem_kernel_size=4: is even"),
        ({"stem_kernel_size": 3, "deep_stem": True}, ValueError, "stem_kernel_size=3.*3x3"),
        ({"deep_stem_channels": (24, 32)}, ValueError, "deep_stem_channels.*needs deep_stem"),
        ({"deep_stem_channels": 24, "deep_stem": True}, ValueError, "must be two numbers"),
        ({"anti_alias": "blurred"}, ValueError, "anti_alias='blurred'.*did you mean 'blur'"),
        ({"reduce_first": 3}, ValueError, "reduce_first=3: does not divide 64 channels"),
        ({"down_kernel_size": 2}, ValueError, "down_kernel_size=2"),
        ({"conv_channels": [[(8, 8)] * 2]}, ValueError, "conv_channels: 1 entries for 4 stages"),
        ({"conv_channels": [[(8, 8)]] * 4}, ValueError, "conv_channels: stage 0 has 2 basic"),
        ({"pretrained": "a", "init_cfg": {"type": "Pretrained"}}, ValueError, "init_cfg"),
        ({"norm_cfg": {"num_groups": 4}}, ValueError, "norm_cfg.*'type'"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options, error, message):
    with pytest.raises(error, match=message):
        FlexResNet(**{"depth": 18, **options})


def test_a_bottleneck_without_midplanes_needs_a_multiple_of_four():
    with pytest.raises(ValueError, match="outplanes=30.*give midplanes"):
        BottleneckResBlock(8, 30)
    assert BottleneckResBlock(8, 30, midplanes=7).conv2.in_channels == 7
