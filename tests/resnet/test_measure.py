"""What a summary says of a network is what other counts of it give."""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from resblock_backbones import FlexResNet
from resblock_backbones.resnet.measure import summarise
from resblock_backbones.resnet.measure.receptive_field import receptive_fields

PUBLISHED = {
    "resnet18": {"depth": 18},
    "resnet50": {"depth": 50},
    "resnext50_32x4d": {"depth": 50, "groups": 32},
    "wide_resnet50_2": {"depth": 50, "base_width": 128},
}


def on_meta(**options):
    with torch.device("meta"):
        return FlexResNet(**options)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_flops_are_those_that_torchvision_publishes(name, monkeypatch):
    monkeypatch.setattr("resblock_backbones.resnet.measure.summary._saved", lambda *_: {})
    published = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"].meta
    summary = summarise(on_meta(**PUBLISHED[name]), (224, 224))
    channels = summary.plan.out_channels[-1]
    assert summary.parameters == published["num_params"] - (channels + 1) * 1000
    multiply_adds = summary.flops / 2 + channels * 1000
    assert multiply_adds / 1e9 == pytest.approx(published["_ops"], abs=6e-4)


def test_flops_of_each_part_of_resnet_18_as_counted_by_hand(monkeypatch):
    monkeypatch.setattr("resblock_backbones.resnet.measure.summary._saved", lambda *_: {})
    stem, first, second, *_ = summarise(on_meta(depth=18), (96, 64)).stages
    assert stem.flops == 2 * 7 * 7 * 3 * 64 * 48 * 32
    assert first.flops == 4 * 2 * 3 * 3 * 64 * 64 * 24 * 16
    shortcut = 2 * 64 * 128 * 12 * 8
    assert second.flops == 2 * 3 * 3 * (64 * 128 + 3 * 128 * 128) * 12 * 8 + shortcut
    assert (stem.parameters, first.parameters) == (7 * 7 * 3 * 64 + 128, 4 * (9 * 64 * 64 + 128))


OPTIONS = {
    "plain": {"depth": 18},
    "SE, average down": {"depth": 50, "attention": "SE", "avg_down": True},
    "blurred, three strided stages": {"depth": 18, "anti_alias": True, "strides": (2, 2, 3, 1)},
    "group norm": {"depth": 18, "norm_cfg": {"type": "GN", "num_groups": 4}},
    "synchronised norms": {"depth": 18, "norm_cfg": "SyncBN", "with_cp": True, "frozen_stages": 1},
    "one channel, two stages": {
        "depth": 34,
        "in_channels": 1,
        "num_stages": 2,
        "out_indices": (1,),
    },
    "deformable": {"depth": 50, "dcn": {"type": "DCNv2"}, "stage_with_dcn": (False, True) * 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_summary_is_that_of_a_real_forward_pass_and_leaves_the_network_alone(name):
    if name == "deformable":
        pytest.importorskip("mmcv")
    net = FlexResNet(width=0.125, **OPTIONS[name]).train()
    before = copy.deepcopy(net.state_dict())
    modes = [module.training for module in net.modules()]
    summary = summarise(net, (37, 64))
    assert all(torch.equal(one, before[key]) for key, one in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert summary.parameters == sum(one.numel() for one in net.parameters())
    x = torch.zeros(1, net.plan.stem.in_channels, 37, 64)
    # torchvision registers its operators with PyTorch, and no formula for the counter.
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        maps = net.eval()(x)
    if name == "deformable":
        assert summary.flops > counter.get_total_flops()
    else:
        assert summary.flops == counter.get_total_flops()
    given = [summary.stages[1 + index] for index in net.out_indices]
    assert [(one.channels, *one.size) for one in given] == [tuple(one.shape[1:]) for one in maps]
    assert str(summary).count("\n") >= 8


def torchvision_saved(name: str, side: int, frozen: bool) -> int:
    """Bytes that torchvision's network keeps for each of two images, counted on its graph."""
    net = getattr(torchvision.models, name)().train()
    net.avgpool, net.fc = nn.Identity(), nn.Identity()
    for module in net.modules():
        if frozen and isinstance(module, nn.BatchNorm2d):
            module.eval()
    own = {one.data_ptr() for one in (*net.parameters(), *net.buffers())}
    found, seen = {}, set()
    waiting = [net(torch.zeros(2, 3, side, side)).grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        waiting += [following for following, _ in node.next_functions]
        for attribute in dir(node):
            value = getattr(node, attribute) if attribute.startswith("_saved_") else None
            if isinstance(value, torch.Tensor) and value.data_ptr() not in own:
                found[value.data_ptr()] = value.untyped_storage().nbytes()
    return sum(found.values()) // 2


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 18), ("resnet50", 50)])
def test_two_layers_keep_what_torchvision_s_keep(name, depth):
    side = 64
    saved = summarise(FlexResNet(depth), (side, side)).saved
    assert saved["unfolded"] == torchvision_saved(name, side, frozen=True)
    recomputed = 64 * (side // 2) ** 2  # outputs of ReLUs inside the stem and the blocks
    before = 4
    for stage in FlexResNet.plan_of(depth=depth).stages:
        for block in stage.blocks:
            if stage.kind == "bottleneck":
                first, last = block.midplanes
                recomputed += first * (side // before) ** 2
            else:
                last = block.midplanes
            recomputed += last * (side // stage.out_stride) ** 2
            before = stage.out_stride
    expected = torchvision_saved(name, side, frozen=False) - 4 * recomputed
    assert saved["batch_statistics"] == expected


@pytest.mark.usefixtures("fold_always")
def test_folded_layers_keep_the_maps_between_them_alone():
    plan, side = FlexResNet.plan_of(depth=18), 256
    maps = 3 * side**2 + 64 * (side // 2) ** 2
    maps += 64 * (side // 4) ** 2 * 3  # the pooled map, and of each pixel a 64-bit index
    for stage in plan.stages:
        for block in stage.blocks:
            maps += (block.midplanes + block.outplanes) * (side // stage.out_stride) ** 2
    saved = summarise(FlexResNet(18), (side, side)).saved
    assert saved["folded"] == 4 * maps < 0.8 * saved["unfolded"]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"depth": 18}, [11, 43, 99, 211, 435]),
        ({"depth": 50}, [11, 35, 91, 267, 427]),  # known of ResNet-50 with strides at 3x3
    ],
)
def test_receptive_fields_are_those_that_are_known(options, sizes):
    assert [field.size for field in receptive_fields(on_meta(**options))] == sizes


FIELDS = {
    "plain": {},
    "large kernels": {"kernel_size": (3, 5, 7, 3), "stem_kernel_size": 9},
    "dilated": {"output_stride": 8, "multi_grid": (1, 2)},
    "deep, averaging": {"deep_stem": True, "stem_pool": "average", "avg_down": True},
    "separable": {"spatial_separable": True, "kernel_size": 5},
    "averaged subsampling": {"anti_alias": "average", "stem_pool": "conv"},
    "blurred": {"anti_alias": "blur"},
    "pooled shortcuts, points": {"kernel_size": 1, "down_kernel_size": 3},
    "bottlenecks": {"block": "bottleneck", "style": "caffe", "anti_alias": True},
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_feature_sees_the_pixels_of_its_field_and_no_others(name):
    options = {"stage_blocks": (1, 1, 1, 2), "block": "basic"} | FIELDS[name]
    net = FlexResNet(base_channels=4, zero_init_residual=False, **options).double().eval()
    for index, field in enumerate(receptive_fields(net)[1:]):
        number = 384 // field.stride  # far from the borders
        low, high = field.low + number * field.stride, field.high + number * field.stride
        seen = {}
        for column in (low - 1, low, high, high + 1):
            image = torch.ones(1, 3, 8, 800, dtype=torch.float64)
            image[..., column] = float("nan")
            with torch.no_grad():
                seen[column] = bool(net(image)[index][0, :, :, number].isnan().any())
        assert seen == {low - 1: False, low: True, high: True, high + 1: False}, (index, field)


def test_an_impossible_size_is_refused():
    with pytest.raises(ValueError, match="size=0"):
        summarise(FlexResNet(18, width=0.125), (0, 64))
