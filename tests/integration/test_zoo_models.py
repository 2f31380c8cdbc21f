"""Whole detectors and segmentors of both zoos, with FlexResNet in place of their ResNet."""

import copy
import random

import numpy as np
import pytest
import torch
from mmdet.testing import demo_mm_inputs
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from zoo import build, model_config, small, with_flexresnet, with_narrow_backbones

from resblock_backbones import FlexResNet
from resblock_backbones.openmmlab.models.channels import link_channels

# Drawn at random (seed 0): ten folders with a ResNet from each zoo, and a config from each folder.
# Of the thirteen first drawn three of a zoo were left out: one is about videos, and the others
# differ only in their data from one that is here.
SAMPLE = [
    "mmdet::legacy_1.x/faster-rcnn_r50_fpn_1x_coco_v1.py",
    "mmdet::cascade_rcnn/cascade-mask-rcnn_r101_fpn_ms-3x_coco.py",
    "mmdet::free_anchor/freeanchor_r101_fpn_1x_coco.py",
    "mmdet::openimages/faster-rcnn_r50_fpn_32xb2-1x_openimages-challenge.py",
    "mmdet::lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1.py",
    "mmdet::gn/mask-rcnn_r50-contrib_fpn_gn-all_2x_coco.py",
    "mmdet::htc/htc_x101-64x4d-dconv-c3-c5_fpn_ms-400-1400-16xb1-20e_coco.py",
    "mmdet::sabl/sabl-cascade-rcnn_r50_fpn_1x_coco.py",
    "mmdet::empirical_attention/faster-rcnn_r50-attn1111-dcn_fpn_1x_coco.py",
    "mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_ms-3x_coco.py",
    "mmseg::knet/knet-s3_r50-d8_deeplabv3_8xb2-adamw-80k_ade20k-512x512.py",
    "mmseg::encnet/encnet_r50-d8_4xb4-160k_ade20k-512x512.py",
    "mmseg::fcn/fcn_r50-d8_4xb4-80k_pascal-context-59-480x480.py",
    "mmseg::emanet/emanet_r101-d8_4xb2-80k_cityscapes-512x1024.py",
    "mmseg::maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py",
    "mmseg::nonlocal_net/nonlocal_r50-d8_4xb2-80k_cityscapes-512x1024.py",
    "mmseg::deeplabv3plus/deeplabv3plus_r101-d8_4xb4-80k_pascal-context-59-480x480.py",
    "mmseg::upernet/upernet_r18_4xb4-160k_ade20k-512x512.py",
    "mmseg::icnet/icnet_r50-d8_4xb2-80k_cityscapes-832x832.py",
    "mmseg::dnlnet/dnl_r101-d8_4xb2-80k_cityscapes-769x769.py",
]
SIZES = {"mmdet": 128, "mmseg": 64}  # pixels


def batch(package):
    """Two random images with their annotations."""
    size = SIZES[package]
    shape = (3, size, size)
    if package == "mmdet":
        return demo_mm_inputs(2, [shape, shape], [3, 2], 10, with_mask=True, with_semantic=True)
    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(2):
        labels = torch.randint(0, 10, (1, size // 16, size // 16), generator=generator)
        labels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)
        meta = dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), (size, size))
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo=meta))
    images = [torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8) for _ in samples]
    return {"inputs": images, "data_samples": samples}


def losses(model, package, dtype):
    """Of one training step: what is minimised, and the losses by name."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    data = model.data_preprocessor(copy.deepcopy(batch(package)), training=True)
    model.to(dtype)
    data["inputs"] = data["inputs"].to(dtype)
    return model.parse_losses(model(**data, mode="loss"))


def numbers(told):
    return {name: value.item() for name, value in told.items()}


# K-Net needs almost 1 GB in float64.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if "knet" in name else name for name in SAMPLE],
)
def test_one_training_step_has_the_losses_of_the_original(name, tally):
    package, path = name.split("::")
    model = small(model_config(package, path))
    assert link_channels(ConfigDict(with_flexresnet(model))) == []
    model = with_narrow_backbones(model)
    if package == "mmseg":  # the size to which images are padded
        model["data_preprocessor"]["size"] = (SIZES["mmseg"], SIZES["mmseg"])
    flex_model = with_flexresnet(model)
    torch.manual_seed(0)
    original = build(model, package)
    assert link_channels(ConfigDict(flex_model)) == []
    flex = build(flex_model, package)
    backbones = [module for module in flex.modules() if isinstance(module, FlexResNet)]
    flex.load_state_dict(original.state_dict(), strict=True)
    # A segmentor's norms take statistics of the batch: rounding errors grow. MaskFormer's norms
    # are in eval mode, and its transformer knows float32 alone.
    exact = package == "mmseg" and "maskformer" not in path
    dtype, tolerance = (torch.float64, 1e-9) if exact else (torch.float32, 1e-5)
    with torch.no_grad():
        _, theirs = losses(original, package, dtype)
    total, ours = losses(flex, package, dtype)
    assert numbers(ours) == pytest.approx(numbers(theirs), rel=tolerance, abs=1e-7)
    weights = [p for net in backbones for p in net.parameters() if p.requires_grad]
    # Of heads' weights as well, gradients would take most of the memory.
    gradients = torch.autograd.grad(total, weights, allow_unused=True)
    assert sum(float(one.abs().sum()) for one in gradients if one is not None) > 0
    tally("zoo models", 1, 1)
