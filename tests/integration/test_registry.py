"""FlexResNet in MMEngine's registry, and in place of both zoos' own ResNets."""

import copy

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, init_default_scope

from resblock_backbones import BACKBONES, FlexResNet

init_default_scope("mmdet")
import mmdet.models.backbones as mmdet_backbones  # noqa: E402
import mmseg.models.backbones as mmseg_backbones  # noqa: E402
from mmdet.registry import MODELS as MMDET_MODELS  # noqa: E402
from mmseg.registry import MODELS as MMSEG_MODELS  # noqa: E402


@pytest.mark.parametrize("registry", [BACKBONES, MODELS, MMDET_MODELS, MMSEG_MODELS])
def test_every_scope_builds_it_from_a_config(registry):
    net = registry.build(
        ConfigDict(type="FlexResNet", depth=18, width=0.25, norm_cfg={"type": "BN"})
    )
    assert isinstance(net, FlexResNet)


SETTINGS = [
    (mmdet_backbones.ResNet, {"depth": 18}),
    (mmdet_backbones.ResNet, {"depth": 50, "style": "caffe", "frozen_stages": 1}),
    (mmdet_backbones.ResNet, {"depth": 50, "norm_cfg": {"type": "GN", "num_groups": 32}}),
    (mmdet_backbones.ResNet, {"depth": 50, "conv_cfg": {"type": "ConvWS"}, "frozen_stages": 1}),
    (mmdet_backbones.ResNet, {"depth": 101, "deep_stem": True, "avg_down": True}),
    (
        mmdet_backbones.ResNet,
        {
            "depth": 50,
            "num_stages": 3,
            "strides": (1, 2, 2),
            "dilations": (1, 1, 1),
            "out_indices": (2,),
        },
    ),
    (
        mmdet_backbones.ResNet,
        {
            "depth": 50,
            "plugins": [
                {"cfg": {"type": "ContextBlock", "ratio": 1 / 16}, "position": "after_conv3"}
            ],
        },
    ),
    (mmdet_backbones.ResNeXt, {"depth": 50, "groups": 32, "base_width": 4}),
    (mmseg_backbones.ResNet, {"depth": 18, "dilations": (1, 1, 2, 4), "strides": (1, 2, 1, 1)}),
    (
        mmseg_backbones.ResNet,
        {
            "depth": 50,
            "deep_stem": True,
            "dilations": (1, 1, 2, 4),
            "strides": (1, 2, 1, 1),
            "contract_dilation": True,
            "multi_grid": (1, 2, 4),
        },
    ),
]


@pytest.mark.parametrize(("original_type", "options"), SETTINGS)
def test_the_originals_weights_load_strictly_and_give_the_same_features(original_type, options):
    original = original_type(**copy.deepcopy(options)).double()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in original.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            low, high = (0.5, 1.5) if name.endswith(("weight", "running_var")) else (-0.3, 0.3)
            tensor.uniform_(low, high, generator=generator)
    net = FlexResNet(**copy.deepcopy(options)).double()
    net.load_state_dict(original.state_dict(), strict=True)
    frozen = {name for name, p in net.named_parameters() if not p.requires_grad}
    theirs = {name for name, p in original.named_parameters() if not p.requires_grad}
    assert len(frozen) == len(theirs)
    net.eval(), original.eval()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        for ours, expected in zip(net(x), original(x), strict=True):
            scale = expected.abs().max().clamp(min=1)
            assert ((ours - expected).abs().max() / scale) < 1e-9


def test_init_weights_is_what_mmengine_calls_and_loads_a_checkpoint(tmp_path):
    source = FlexResNet(18, width=0.25)
    torch.save(
        {"state_dict": {f"backbone.{k}": v for k, v in source.state_dict().items()}},
        tmp_path / "a.pth",
    )
    init_cfg = {"type": "Pretrained", "checkpoint": str(tmp_path / "a.pth")}
    net = FlexResNet(18, width=0.25, init_cfg=init_cfg)
    net.init_weights()
    assert all(
        torch.equal(a, b) for a, b in zip(net.parameters(), source.parameters(), strict=True)
    )
