"""Necks and heads follow the backbone, and nothing else changes."""

import importlib.util

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from resblock_backbones import FlexResNet
from resblock_backbones.openmmlab.models.channels import link_channels
from resblock_backbones.openmmlab.models.flexible_backbones import check_backbones
from resblock_backbones.options.errors import ConfigError

CONFIG = "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
V1C = {"ResNetV1c": {"deep_stem": True}, "ResNetV1d": {"deep_stem": True, "avg_down": True}}

# One of each way in which a neck or head takes the backbone's channels.
ZOO = [
    "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "mmdet::faster_rcnn/faster-rcnn_r50-caffe_c4-1x_coco.py",
    "mmdet::faster_rcnn/faster-rcnn_r50-caffe-dc5_1x_coco.py",
    "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py",
    "mmdet::pafpn/faster-rcnn_r50_pafpn_1x_coco.py",
    "mmdet::nas_fpn/retinanet_r50_nasfpn_crop640-50e_coco.py",
    "mmdet::libra_rcnn/libra-faster-rcnn_r50_fpn_1x_coco.py",
    "mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",
    "mmdet::detr/detr_r50_8xb2-150e_coco.py",
    "mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py",
    "mmseg::pspnet/pspnet_r18-d8_4xb2-80k_cityscapes-512x1024.py",
    "mmseg::upernet/upernet_r50_4xb2-40k_cityscapes-512x1024.py",
    "mmseg::sem_fpn/fpn_r50_4xb2-80k_cityscapes-512x1024.py",
]


def zoo_model(name):
    package, path = name.split("::")
    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    cfg = Config.fromfile(f"{folder}/.mim/configs/{path}")
    backbone = cfg.model.backbone
    backbone.update(V1C.get(backbone.type, {}))
    backbone.type = "FlexResNet"
    init_default_scope(cfg.default_scope)
    return cfg.model


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_s_channels_are_right_already(name):
    assert link_channels(zoo_model(name)) == []


@pytest.mark.parametrize("name", [name for name in ZOO if "c4" not in name])
def test_at_half_width_something_follows_and_the_model_builds(name):
    model = zoo_model(name)
    model.backbone.width = 0.5
    model.backbone.init_cfg = None
    model.pop("pretrained", None)
    assert link_channels(model)
    with torch.device("meta"):
        MODELS.build(model)
    assert link_channels(model) == []


def test_a_changed_depth_trains_without_another_edit():
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(depth=50, width=0.25)
    init_default_scope("mmdet")
    assert link_channels(cfg) == [
        "neck.in_channels: [32, 64, 128, 256] -> [64, 128, 256, 512] (follows the backbone)"
    ]
    model = MODELS.build(cfg.model)
    features = model.extract_feat(torch.zeros(1, 3, 64, 64))
    assert [feature.shape[1] for feature in features] == [64] * 5


def test_channels_are_linked_without_building_a_backbone(monkeypatch):
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(depth=50)
    monkeypatch.setattr(torch.nn.Module, "__init__", lambda self: pytest.fail("a module was built"))
    assert link_channels(cfg)


def test_a_class_derived_from_flexresnet_is_followed_with_its_own_options():
    @MODELS.register_module(force=True)
    class ThinResNet(FlexResNet):
        def __init__(self, slices: int, **options) -> None:
            super().__init__(18, width=1 / slices, **options)

    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone = {"type": "ThinResNet", "slices": 4}
    assert link_channels(cfg) == [
        "neck.in_channels: [32, 64, 128, 256] -> [16, 32, 64, 128] (follows the backbone)"
    ]


def test_what_a_layer_refuses_is_told_with_its_place():
    backbone = {"type": "FlexResNet", "depth": 18, "norm_cfg": {"type": "GN", "num_groups": 7}}
    with pytest.raises(ConfigError, match="model.detector.backbone: norm_cfg: GroupNorm cannot be"):
        check_backbones({"model": {"detector": {"backbone": backbone}}})
