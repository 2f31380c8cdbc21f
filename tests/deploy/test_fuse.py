"""A fused copy computes what the network computes, with no norm left in it."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.ops import FrozenBatchNorm2d

from resblock_backbones import FlexResNet, fuse, fuse_backbone
from resblock_backbones.deploy import FusedBackbone
from resblock_backbones.layers import processor

NORMS = (nn.modules.batchnorm._BatchNorm, FrozenBatchNorm2d)


def randomise(module, seed=0):
    """Random values for all parameters and statistics; the maps keep their size."""
    torch.manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.ndim == 1:
            tensor.normal_(1 if name.endswith("weight") else 0, 0.2)
        else:
            tensor.uniform_(-1, 1).mul_((3 / tensor[0].numel()) ** 0.5)
    return module


def assert_same(ours, theirs, atol=1e-9):
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == other.dtype
        torch.testing.assert_close(mine, other, rtol=atol, atol=atol)


NETS = {
    "basic": {"depth": 18},
    "bottleneck": {"depth": 50, "frozen_stages": 1},
    "deep stem": {"depth": 50, "style": "caffe", "deep_stem": True, "avg_down": True},
    "convolution for a pool": {"depth": 18, "stem_pool": "conv"},
    "resnext, dilated": {"depth": 50, "groups": 4, "base_width": 8, "output_stride": 8},
    "all of the post": {
        "depth": 50,
        "kernel_size": (3, 5, 3, 3),
        "spatial_separable": True,
        "depthwise": (False, True, False, True),
        "pool_on_residual_downsample": "maxpool",
    },
    "extras": {"depth": 18, "attention": "SE", "drop_path_rate": 0.5, "with_cp": True},
    "frozen norms": {"depth": 18, "norm_cfg": "FrozenBN"},
    "other activation": {"depth": 18, "act_cfg": "SiLU"},
}


@pytest.mark.parametrize("name", NETS)
def test_the_outputs_are_the_network_s(name):
    net = randomise(FlexResNet(**{"width": 0.125, **NETS[name]})).double().train()
    fused = fuse(net)
    assert not any(isinstance(module, NORMS) for module in fused.modules())
    assert not any(parameter.requires_grad for parameter in fused.parameters())
    assert (fused.out_channels, fused.out_strides) == (net.out_channels, net.out_strides)
    x = torch.randn(2, 3, 40, 33, dtype=torch.float64)
    with torch.no_grad():
        net.eval()
        for image in (x, x.to(memory_format=torch.channels_last), x[:, :, ::2, 1:]):
            assert_same(fused(image), net(image))
    assert_same(fused(x), net(x))  # without no_grad too
    assert_same(fused.train()(x), net(x))  # stays as it is


def test_weights_and_outputs_have_channels_last():
    fused = fuse(FlexResNet(18, width=0.25))
    for output in fused(torch.randn(2, 3, 64, 64)):
        assert output.is_contiguous(memory_format=torch.channels_last)
    assert fused.net.conv1.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_another_type_inside_is_not_seen_outside(dtype):
    net = randomise(FlexResNet(50, width=0.25)).eval()
    fused = fuse(net, dtype)
    assert {parameter.dtype for parameter in fused.parameters()} == {dtype}
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(fused(x), net(x), strict=True):
            assert ours.dtype == torch.float32
            size = theirs.abs().max()
            tolerance = 0.05 if dtype == torch.bfloat16 else 1e-4
            torch.testing.assert_close(ours / size, theirs / size, rtol=0, atol=tolerance)
        assert fused(x.to(torch.bfloat16))[0].dtype == torch.bfloat16


def test_the_weight_is_rounded_once():
    net = randomise(FlexResNet(18, width=0.25)).eval()
    exact, rounded = fuse(net), fuse(net, torch.bfloat16)
    for ours, theirs in zip(rounded.parameters(), exact.parameters(), strict=True):
        assert torch.equal(ours, theirs.to(torch.bfloat16))


def test_norms_that_cannot_be_folded_stay():
    net = FlexResNet(18, width=0.25, norm_cfg={"type": "GN", "num_groups": 4}).double().eval()
    fused = fuse(net)
    assert isinstance(fused.net.layer1[0].bn1, nn.GroupNorm)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert_same(fused(x), net(x))


def test_a_hooked_layer_stays_as_it_is():
    net = randomise(FlexResNet(18, width=0.25)).double().eval()
    net.layer1[0].bn1.register_forward_hook(lambda module, args, out: out + 1)
    fused = fuse(net)
    assert isinstance(fused.net.layer1[0].bn1, nn.BatchNorm2d)
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    assert_same(fused(x), net(x))


def test_the_network_itself_does_not_change():
    net = randomise(FlexResNet(18, width=0.25, norm_eval=False)).train()
    before = copy.deepcopy(net.state_dict())
    fused = fuse(net, torch.bfloat16)
    assert net.training and net.layer1[0].bn1.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    net.conv1.weight.data.zero_()
    assert fused.net.conv1.weight.abs().sum() > 0


def test_a_fused_backbone_can_be_copied_saved_and_loaded():
    fused = fuse(randomise(FlexResNet(18, width=0.25)))
    x = torch.randn(1, 3, 64, 64)
    expected = fused(x)
    for twin in (copy.deepcopy(fused), pickle.loads(pickle.dumps(fused))):
        assert_same(twin(x), expected, 0)
    other = fuse(FlexResNet(18, width=0.25))
    other.load_state_dict(fused.state_dict())
    assert_same(other(x), expected, 0)


def test_the_input_s_gradient_passes_through():
    net = randomise(FlexResNet(18, width=0.25)).double().eval()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    grads = []
    for module in (net, fuse(net)):
        image = x.clone().requires_grad_()
        sum(output.square().sum() for output in module(image)).backward()
        grads.append(image.grad)
    assert_same(*[[grad / grad.abs().max()] for grad in grads])


def test_it_is_compiled_and_exported_whole():
    net = randomise(FlexResNet(18, width=0.125, num_stages=2, out_indices=(0, 1))).double().eval()
    fused = fuse(net)
    x = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        expected = net(x)
        assert_same(torch.compile(fused, fullgraph=True, backend="aot_eager")(x), expected)
        program = torch.export.export(fused, (x,))
        assert_same(program.module()(x), expected)
        assert_same(torch.jit.trace(fused, x)(x), expected)
    names = {str(node.target) for node in program.graph.nodes}
    assert not any("norm" in name for name in names)


def test_low_precision_on_the_cpu_needs_no_special_kernel(monkeypatch):
    net = randomise(FlexResNet(18, width=0.25)).eval()
    x = torch.randn(1, 3, 64, 64)
    fused = fuse(net)
    with torch.no_grad():
        expected = fused(x)
        with torch.backends.mkldnn.flags(enabled=False):
            assert_same(fused(x), expected, 1e-4)


def test_torchvision_s_detector_detects_the_same():
    torch.manual_seed(0)
    body = BackboneWithFPN(
        randomise(FlexResNet(18, width=0.25)),
        {"layer2": "0", "layer3": "1", "layer4": "2"},
        [32, 64, 128],
        16,
    )
    sizes = ((16,), (32,), (64,), (128,))
    model = FasterRCNN(
        body,
        3,
        min_size=96,
        max_size=96,
        rpn_anchor_generator=AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 4),
        box_score_thresh=0.0,
    ).double()
    model.eval()
    fused = fuse_backbone(model)
    assert not any(isinstance(module, NORMS) for module in fused.modules())
    assert any(isinstance(module, NORMS) for module in model.modules())
    assert isinstance(fused.backbone.body, FusedBackbone)
    image = torch.rand(3, 96, 80, dtype=torch.float64)
    with torch.no_grad():
        assert_same(fused([image])[0].values(), model([image])[0].values(), 1e-6)
    assert not fused.training and not fused.train().backbone.body.training


def test_a_backbone_is_found_anywhere():
    net = FlexResNet(18, width=0.25)
    model = nn.ModuleDict({"a": nn.Sequential(net, nn.Identity()), "b": nn.Linear(1, 1)})
    fused = fuse_backbone(model, torch.bfloat16)
    assert isinstance(fused["a"][0], FusedBackbone)
    assert fused["a"][0].net.conv1.weight.dtype == torch.bfloat16
    assert fused["b"].weight.dtype == torch.float32
    assert isinstance(fuse_backbone(net), FusedBackbone)


@pytest.mark.parametrize("faster", [True, False])
def test_auto_takes_bfloat16_only_on_a_processor_that_is_faster_in_it(faster, monkeypatch):
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    for amx, name in enumerate(names):
        monkeypatch.setattr(torch.cpu, name, lambda amx=amx: faster and bool(amx))
    processor.cpu_has_bfloat16.cache_clear()
    net = FlexResNet(18, width=0.25)
    expected = torch.bfloat16 if faster else torch.float32
    assert fuse(net, "auto").net.conv1.weight.dtype == expected
    assert fuse(net.double(), "auto").net.conv1.weight.dtype == torch.float64
    processor.cpu_has_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("capability", "dtype"), [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), None)]
)
def test_the_fastest_type_of_a_gpu(capability, dtype, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.version, "hip", None)
    processor.gpu_capability.cache_clear()
    assert processor.fastest_dtype(torch.device("cuda")) == dtype
    processor.gpu_capability.cache_clear()


def test_what_cannot_be_fused_is_refused_by_name():
    with pytest.raises(TypeError, match="Linear is not a FlexResNet.*fuse_backbone"):
        fuse(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="Linear contains no FlexResNet"):
        fuse_backbone(nn.Linear(1, 1))
    fused = fuse_backbone(nn.Sequential(FlexResNet(18, width=0.25)))
    with pytest.raises(ValueError, match="fused already"):
        fuse_backbone(fused)
    for dtype in ("bfloat16", torch.int8):
        with pytest.raises(TypeError, match="dtype="):
            fuse(FlexResNet(18, width=0.25), dtype)
