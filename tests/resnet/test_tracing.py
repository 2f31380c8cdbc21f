"""torch.fx and TorchScript take a FlexResNet with any options, and compute the same."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from resblock_backbones import FlexResNet, ResBlock, fuse_backbone

OPTIONS = [
    {},
    {"anti_alias": "blur"},
    {"anti_alias": "average", "style": "caffe"},
    {"channels_last": True},
    {"channels_last": False},
    {"with_cp": True},
    {"deep_stem": True, "stem_pool": "conv", "avg_down": True},
    {"attention": "SE", "stem_pool": "average"},
    {"attention": "ECA", "output_stride": 8},
    {"drop_path_rate": 0.2, "frozen_stages": 1},
    {"norm_cfg": {"type": "GN", "num_groups": 2}, "act_cfg": "SiLU"},
    {"norm_cfg": "FrozenBN"},
    {"pool_on_residual_downsample": "maxpool", "spatial_separable": True},
    {"out_indices": (0, 2), "norm_eval": False},
]
EACH = pytest.mark.parametrize("options", OPTIONS, ids=str)


def tiny(**options):
    torch.manual_seed(0)
    net = FlexResNet(stage_blocks=(1, 2, 1, 1), block="bottleneck", base_channels=4, **options)
    return net.double()


def image(side=33):
    return torch.randn(2, 3, side, side, dtype=torch.float64)


def same(outputs, expected):
    assert len(outputs) == len(expected)
    for one, other in zip(outputs, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-9)
    return True


@EACH
def test_a_symbolic_trace_computes_the_same_in_eval_mode_and_learns_the_same_in_training(options):
    net = tiny(**options)
    for side in (33, 1):  # a side of 1 leaves nothing to reflect
        x = image(side)
        same(torch.fx.symbolic_trace(net.eval())(x), net(x))
    if "drop_path_rate" in options:
        return  # draws at random while it learns
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0  # the second pass has the statistics of the first
    x, traced, gradients = image(), torch.fx.symbolic_trace(net), []
    for one in (net, traced):
        net.zero_grad()
        sum(output.square().sum() for output in one(x)).backward()
        gradients.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
    assert same(*gradients)


@EACH
def test_the_copy_for_inference_is_traced_too(options):
    fused = fuse_backbone(tiny(**options))
    x = image()
    same(torch.fx.symbolic_trace(fused)(x), fused(x))


@EACH
def test_torchscript_compiles_it_and_has_its_state_dict(options):
    net = tiny(**options).eval()
    scripted = torch.jit.script(net)
    x = image()
    same(scripted(x), net(x))
    state = {name for name in scripted.state_dict() if not name.endswith("kernel")}  # of BlurPool
    runs = {name for name in net.state_dict() if net.out_indices[-1] == 3 or "layer4" not in name}
    assert state == runs
    assert type(net) is FlexResNet


def test_a_scripted_network_still_changes_its_mode():
    net = tiny(norm_eval=False, drop_path_rate=0.5, norm_cfg="BN")
    scripted, x = torch.jit.script(net), image()
    scripted.eval()
    same(scripted(x), net.eval()(x))


def test_torchscript_compiles_blocks_and_stages_inside_other_modules():
    net = tiny(deep_stem=True, attention="SE").eval()
    block = ResBlock(4, 8, stride=2, residual=True).double().eval()
    model = nn.Sequential(nn.Conv2d(3, 4, 1).double(), block, nn.ReLU())
    x = image()
    expected = model(x), net.layer1(net.maxpool(net.stem(x)))
    state = model.state_dict().keys()
    scripted = torch.jit.script(copy.deepcopy(model))
    assert scripted.state_dict().keys() == state
    same([scripted(x)], [expected[0]])
    same([torch.jit.script(net.layer1)(net.maxpool(net.stem(x)))], [expected[1]])


def test_feature_maps_of_any_module_can_be_extracted():
    net = tiny().eval()
    seen = []
    net.layer3[0].register_forward_hook(lambda module, args, output: seen.append(output))
    x = image()
    maps = net(x)
    names = {"layer2": "a", "layer3.0": "b", "maxpool": "stem"}
    extracted = create_feature_extractor(net, names)(x)
    same([extracted["a"], extracted["b"]], [maps[1], seen[0]])
    train, evaluation = get_graph_node_names(net)
    assert train == evaluation
