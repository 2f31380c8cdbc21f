"""Oriented R-CNN's and R3Det's heads, as far as they are MMCV's operators, on a FlexResNet."""

import math

import pytest
import torch
from literal_rotated import rotated_region_align
from mmcv.ops import (
    RoIAlignRotated,
    box_iou_rotated,
    diff_iou_rotated_2d,
    nms_rotated,
    rotated_feature_align,
    sigmoid_focal_loss,
)
from test_rotated_feature_align import aligned
from torch import nn

from resblock_backbones import FlexResNet

STRIDES = (4, 8, 16)
CLASSES, CHANNELS = 3, 4


class Pyramid(nn.Module):
    """``(N, 3, H, W)`` to maps of four channels with strides 4, 8 and 16."""

    def __init__(self):
        super().__init__()
        options = {"norm_eval": False, "zero_init_residual": False}
        self.backbone = FlexResNet(18, width=0.0625, num_stages=3, out_indices=(0, 1, 2), **options)
        self.lateral = nn.ModuleList(
            nn.Conv2d(width, CHANNELS, 1) for width in self.backbone.out_channels
        )

    def forward(self, x):
        return [layer(one) for layer, one in zip(self.lateral, self.backbone(x), strict=True)]


class RegionHead(nn.Module):
    """Oriented R-CNN's second stage (arXiv 2108.05699): a region of the level of its size."""

    def __init__(self):
        super().__init__()
        self.aligns = nn.ModuleList(
            RoIAlignRotated(2, 1 / stride, sampling_ratio=2, clockwise=True) for stride in STRIDES
        )
        self.shared = nn.Linear(CHANNELS * 4, 8)
        self.classes, self.boxes = nn.Linear(8, CLASSES + 1), nn.Linear(8, 5)

    def regions(self, maps, rois):
        size = (rois[:, 3] * rois[:, 4]).sqrt()
        level = (size / 16).log2().floor().clamp(0, len(maps) - 1)
        regions = maps[0].new_zeros(len(rois), CHANNELS, 2, 2)
        for number, (align, features) in enumerate(zip(self.aligns, maps, strict=True)):
            regions[level == number] = align(features, rois[level == number])
        return regions, level

    def forward(self, maps, rois):
        hidden = self.shared(self.regions(maps, rois)[0].flatten(1)).relu()
        return self.classes(hidden), self.boxes(hidden)


class Refinement(nn.Module):
    """R3Det's feature refinement (arXiv 1908.05612) of one level, and its two predictions."""

    def __init__(self):
        super().__init__()
        self.tall = nn.Conv2d(CHANNELS, CHANNELS, (5, 1), padding=(2, 0))
        self.wide = nn.Conv2d(CHANNELS, CHANNELS, (1, 5), padding=(0, 2))
        self.point = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.classes = nn.Conv2d(CHANNELS, CLASSES, 3, padding=1)
        self.boxes = nn.Conv2d(CHANNELS, 5, 3, padding=1)

    def mixed(self, x):
        return self.wide(self.tall(x)) + self.point(x)

    def forward(self, x, best, stride):
        x = x + rotated_feature_align(self.mixed(x), best, 1 / stride, 5)
        classes, boxes = self.classes(x), self.boxes(x)
        # (N, K, H, W) -> (N * H * W, K)
        return [one.permute(0, 2, 3, 1).flatten(0, 2) for one in (classes, boxes)]


@pytest.fixture
def pyramid():
    torch.manual_seed(0)
    return Pyramid().double()


def proposals():
    """(R, 6): image, centre x, centre y, width, height, angle; one large, some sticking out."""
    generator = torch.Generator().manual_seed(1)
    boxes = torch.rand(12, 5, generator=generator, dtype=torch.float64)
    boxes = boxes * torch.tensor([48, 56, 30, 24, math.pi]) + torch.tensor([0, 0, 2, 2, -1.5])
    boxes[0, 2:4] = 60
    return torch.cat([torch.arange(12)[:, None] % 2, boxes], 1)


def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2)).double()


def assert_all_learn(*modules):
    for module in modules:
        for name, parameter in module.named_parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.abs().sum() > 0, name


def test_oriented_r_cnn_s_second_stage(pyramid):
    head, rois = RegionHead().double(), proposals()
    maps = pyramid(images())
    regions, level = head.regions(maps, rois)
    assert set(level.tolist()) == {0, 1}
    for number in (0, 1):
        own = level == number
        expected = rotated_region_align(
            maps[number].detach(), rois[own], (2, 2), 1 / STRIDES[number], 2, True, True
        )
        torch.testing.assert_close(regions[own], expected, rtol=1e-9, atol=1e-12)
    classes, deltas = head(maps, rois)
    labels = torch.arange(12) % (CLASSES + 1)
    decoded = rois[:, 1:] + deltas
    overlap = diff_iou_rotated_2d(decoded[None], rois[None, :, 1:] + 0.3)
    (nn.functional.cross_entropy(classes, labels) + (1 - overlap).mean()).backward()
    head_parts = (head.shared, head.classes, head.boxes)
    assert_all_learn(*head_parts, pyramid.lateral[0], pyramid.lateral[1])
    assert_all_learn(pyramid.backbone.conv1, pyramid.backbone.layer2)
    scores = classes.softmax(1)[:, :CLASSES].max(1)
    boxes = decoded.detach()
    kept, order = nms_rotated(boxes.float(), scores.values.detach().float(), 0.1, scores.indices)
    # What is kept overlaps with nothing of its class that scored more.
    overlaps = box_iou_rotated(boxes[order].float(), boxes[order].float())
    same = scores.indices[order][:, None] == scores.indices[order]
    assert 0 < len(kept) < len(rois) and (overlaps * same).triu(1).max() <= 0.1


def test_r3det_s_refinement(pyramid):
    head, stride = Refinement().double(), 8
    features = pyramid(images())[1]
    generator = torch.Generator().manual_seed(3)
    best = torch.rand(2, 8, 8, 5, generator=generator, dtype=torch.float64)
    best = best * torch.tensor([64, 64, 24, 16, 3.0])
    mixed = head.mixed(features)
    result = rotated_feature_align(mixed, best, 1 / stride, 5)
    torch.testing.assert_close(result, aligned(mixed.detach(), best, 1 / stride, 5))
    classes, deltas = head(features, best, stride)
    boxes = best.flatten(0, 2)
    overlaps = box_iou_rotated(boxes.float(), proposals()[:, 1:].float())
    labels = torch.where(overlaps.amax(1) > 0.3, overlaps.argmax(1) % CLASSES, CLASSES)
    loss = sigmoid_focal_loss(classes, labels, 2.0, 0.25, None, "mean")
    (loss + deltas[labels < CLASSES].abs().mean()).backward()
    assert_all_learn(head, pyramid.lateral[1], pyramid.backbone.conv1, pyramid.backbone.layer2)


def test_gradients_of_both_are_those_of_finite_differences():
    torch.manual_seed(0)
    maps = [torch.randn(2, CHANNELS, side, side).double().requires_grad_() for side in (8, 4, 2)]
    head, rois = RegionHead().double(), proposals()
    rois[:, 1:5] /= 2
    assert torch.autograd.gradcheck(lambda *maps: head.regions(maps, rois)[0], maps, fast_mode=True)
    refinement = Refinement().double()
    best = torch.rand(2, 4, 4, 5).double() * 16
    assert torch.autograd.gradcheck(lambda x: refinement(x, best, 8), maps[1], fast_mode=True)
