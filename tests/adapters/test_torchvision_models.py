"""torchvision's detectors and segmentation models with a FlexResNet are torchvision's own."""

from functools import partial

import pytest
import torch
from torch import nn
from torchvision.models import detection, resnet18, segmentation
from torchvision.models.detection import FCOS, FasterRCNN, MaskRCNN, RetinaNet
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from resblock_backbones import FlexResNet, fuse_backbone
from resblock_backbones.adapters.torchvision import FlexResNetFPN, SegmentationModel, deeplabv3, fcn


def scatter(model: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and statistics under which a network's outputs are neither 0 nor constant."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            module.weight.data.uniform_(0.3, 0.7)
            module.bias.data.normal_(0, 0.2)
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, nn.Linear) and module.out_features < 100:
            module.weight.data.normal_(0, 0.3)  # so that classes differ in score
        elif isinstance(module, nn.Conv2d) and module.weight.std() < 0.02:
            module.weight.data.normal_(0, 0.02)  # so do RetinaNet's
    return model.double().eval()


def images(*sizes):
    torch.manual_seed(1)
    return [torch.rand(3, *size, dtype=torch.float64) for size in sizes]


SMALL = {"num_classes": 5, "min_size": 96, "max_size": 128}
# Two stages' own: all that is found counts, but not too much of it.
TWO_STAGES = SMALL | {
    "box_score_thresh": 0.0,
    "rpn_post_nms_top_n_test": 40,
    "box_detections_per_img": 12,
}


FEW_BLOCKS = [1, 2, 1, 1]


def p6_p7(**options):
    body = FlexResNet(50, out_indices=(1, 2, 3), **options)
    return FlexResNetFPN(body, extra_blocks=LastLevelP6P7(256, 256))


DETECTORS = {
    "faster_rcnn": (
        partial(detection.fasterrcnn_resnet50_fpn, **TWO_STAGES),
        lambda **body: FasterRCNN(FlexResNetFPN(FlexResNet(50, **body)), **TWO_STAGES),
    ),
    "mask_rcnn": (
        partial(detection.maskrcnn_resnet50_fpn, **TWO_STAGES),
        lambda **body: MaskRCNN(FlexResNetFPN(FlexResNet(50, **body)), **TWO_STAGES),
    ),
    "retinanet": (
        partial(detection.retinanet_resnet50_fpn, score_thresh=0.0, **SMALL),
        lambda **body: RetinaNet(p6_p7(**body), score_thresh=0.0, **SMALL),
    ),
    "fcos": (
        partial(detection.fcos_resnet50_fpn, score_thresh=0.0, **SMALL),
        lambda **body: FCOS(p6_p7(**body), score_thresh=0.0, **SMALL),
    ),
}


def detects_the_same(theirs, model):
    model.load_state_dict(theirs.state_dict(), strict=True)
    batch = images((64, 96), (96, 80))
    with torch.no_grad():
        wanted, found = theirs(batch), model(batch)
    for want, got in zip(wanted, found, strict=True):
        assert len(want["boxes"]) >= 10 and want["scores"].std() > 1e-4
        assert got.keys() == want.keys()
        assert torch.equal(got["labels"], want["labels"])
        for key in want.keys() - {"labels"}:
            torch.testing.assert_close(got[key], want[key], rtol=0, atol=1e-9)


@pytest.mark.parametrize("norm", [{}, {"norm_cfg": "FrozenBN"}], ids=["BN", "FrozenBN"])
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detectors_state_dict_loads_strictly_and_detects_the_same(name, norm, monkeypatch):
    def resnet(norm_layer, **_):
        return ResNet(Bottleneck, FEW_BLOCKS, norm_layer=norm_layer)

    monkeypatch.setattr(f"torchvision.models.detection.{name}.resnet50", resnet)
    factory, ours = DETECTORS[name]
    theirs = scatter(factory(weights=None, weights_backbone=None))
    detects_the_same(theirs, ours(stage_blocks=FEW_BLOCKS, **norm).double().eval())


def test_a_detector_with_all_blocks_too():
    factory, ours = DETECTORS["faster_rcnn"]
    detects_the_same(scatter(factory(weights=None, weights_backbone=None)), ours().double().eval())


def two_stages(build, backbone, **more):
    return build(
        backbone,
        box_head=TwoMLPHead(32 * 7 * 7, 32),
        box_predictor=FastRCNNPredictor(32, 3),
        rpn_anchor_generator=backbone.anchors(16),
        box_batch_size_per_image=32,
        min_size=64,
        **more,
    )


IN_TRAINING = {
    "Faster R-CNN": partial(two_stages, FasterRCNN),
    "Mask R-CNN": lambda backbone: two_stages(
        MaskRCNN, backbone, mask_predictor=MaskRCNNPredictor(256, 16, 3)
    ),
    "RetinaNet": lambda backbone: RetinaNet(
        backbone, 3, min_size=64, anchor_generator=backbone.anchors(16, sizes_per_level=3)
    ),
    "FCOS": lambda backbone: FCOS(
        backbone, 3, min_size=64, anchor_generator=backbone.anchors(8, aspect_ratios=(1.0,))
    ),
}


@pytest.mark.parametrize("name", IN_TRAINING)
def test_a_training_step_of_each_detector_moves_all_that_learns(name):
    torch.manual_seed(0)
    net = FlexResNet(
        18, in_channels=3, base_channels=8, frozen_stages=1, norm_eval=False,
        zero_init_residual=False,
    )  # fmt: skip
    model = IN_TRAINING[name](FlexResNetFPN(net, out_channels=32)).train()
    target = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 48.0]]), "labels": torch.tensor([1])}
    target["masks"] = torch.ones(1, 64, 64, dtype=torch.uint8)
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(learning.values(), lr=1e-3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    losses = model([torch.rand(3, 64, 64) for _ in range(2)], [target] * 2)
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in learning.values())
    optimizer.step()
    after = net.state_dict()
    still = {name.split(".")[0] for name, v in after.items() if torch.equal(v, before[name])}
    assert still == {"conv1", "bn1", "layer1"}
    assert len(model.eval()([torch.rand(3, 64, 80)])) == 1


def test_weights_without_eps_are_those_of_frozen_norms_without_eps():
    """torchvision's first published detectors have no eps in their norms."""
    theirs = scatter(resnet_fpn_backbone(backbone_name="resnet50", weights=None))
    overwrite_eps(theirs, 0.0)
    body = FlexResNet(50, norm_cfg={"type": "FrozenBN", "eps": 0.0})
    ours = FlexResNetFPN(body).double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    batch = torch.stack(images((64, 96)))
    with torch.no_grad():
        wanted, found = theirs(batch), ours(batch)
    assert list(found) == list(wanted) == list(ours.level_names)
    for key in wanted:
        torch.testing.assert_close(found[key], wanted[key], rtol=0, atol=1e-9)


SEGMENTORS = {
    "deeplabv3": (segmentation.deeplabv3_resnet50, deeplabv3),
    "fcn": (segmentation.fcn_resnet50, fcn),
}


@pytest.mark.parametrize("name", SEGMENTORS)
@pytest.mark.parametrize("aux_loss", [False, True])
def test_a_segmentors_state_dict_loads_strictly_and_gives_the_same_scores(name, aux_loss):
    theirs, ours = SEGMENTORS[name]
    wanted_model = scatter(
        theirs(weights=None, weights_backbone=None, num_classes=4, aux_loss=aux_loss)
    )
    backbone = FlexResNet(50, output_stride=8, contract_dilation=True)
    model = ours(backbone, num_classes=4, aux_loss=aux_loss).double().eval()
    model.load_state_dict(wanted_model.state_dict(), strict=True)
    batch = torch.stack(images((65, 72), (65, 72)))
    with torch.no_grad():
        wanted, found = wanted_model(batch), model(batch)
    assert list(found) == list(wanted) == ["out", "aux"][: 1 + aux_loss]
    for key in wanted:
        assert wanted[key].shape == (2, 4, 65, 72) and wanted[key].std() > 1e-3
        torch.testing.assert_close(found[key], wanted[key], rtol=0, atol=1e-9)


def test_the_heads_dilate_as_the_paper_says_for_the_stride():
    for stride, rates in ((8, [12, 24, 36]), (16, [6, 12, 18])):
        model = deeplabv3(FlexResNet(18, width=0.25, output_stride=stride), 4)
        assert [conv[0].dilation[0] for conv in model.classifier[0].convs[1:4]] == rates
    model = deeplabv3(FlexResNet(18, width=0.25), 4, atrous_rates=(2, 4))
    assert [conv[0].dilation[0] for conv in model.classifier[0].convs[1:3]] == [2, 4]


@pytest.mark.parametrize("trainable", range(6))
def test_trainable_layers_are_frozen_stages(trainable):
    theirs = resnet_fpn_backbone(
        backbone_name="resnet18",
        weights=None,
        norm_layer=nn.BatchNorm2d,
        trainable_layers=trainable,
    )
    ours = FlexResNetFPN(FlexResNet(18, frozen_stages=4 - trainable)).train()

    def learns(model):
        return {
            name.replace("downsample", "residual")
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }

    assert learns(ours) == learns(theirs)


def test_frozen_stages_keep_their_statistics_in_training():
    body = FlexResNet(18, width=0.25, frozen_stages=1, norm_eval=False)
    model = FasterRCNN(FlexResNetFPN(body, out_channels=16), num_classes=3, min_size=64).train()
    target = {"boxes": torch.tensor([[4.0, 4.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
    before = {name: value.clone() for name, value in body.state_dict().items()}
    sum(model([torch.rand(3, 64, 64)] * 2, [target] * 2).values()).backward()
    changed = {
        name.split(".")[0] for name, v in body.state_dict().items() if (v != before[name]).any()
    }
    assert changed == {"layer2", "layer3", "layer4"}
    assert body.layer1[0].conv1.weight.grad is None and body.layer2[0].conv1.weight.grad is not None


def test_anchors_are_torchvisions_defaults_and_fit_other_pyramids():
    faster = FlexResNetFPN(FlexResNet(18, width=0.25), out_channels=16)
    theirs = FasterRCNN(faster, num_classes=3).rpn.anchor_generator
    ours = faster.anchors(32)
    assert (ours.sizes, ours.aspect_ratios) == (theirs.sizes, theirs.aspect_ratios)
    retina = FlexResNetFPN(
        FlexResNet(18, width=0.25, out_indices=(1, 2, 3)), extra_blocks=LastLevelP6P7(256, 256)
    )
    assert retina.level_names == ("0", "1", "2", "p6", "p7")
    assert (
        retina.anchors(32, sizes_per_level=3).sizes
        == RetinaNet(retina, num_classes=3).anchor_generator.sizes
    )
    three = FlexResNetFPN(FlexResNet(18, width=0.25, out_indices=(0, 1)), out_channels=16)
    model = FasterRCNN(three, num_classes=3, rpn_anchor_generator=three.anchors(8), min_size=64)
    assert model.eval()([torch.rand(3, 64, 64)])[0]["boxes"].shape[1] == 4


def test_the_published_weights_of_a_classifier_come_into_a_detectors_body():
    source = scatter(resnet18(weights=None)).float()
    body = FlexResNet.from_checkpoint(source.state_dict(), frozen_stages=1, norm_cfg="FrozenBN")
    backbone = FlexResNetFPN(body).eval()
    x = torch.rand(1, 3, 64, 64)
    wanted = source.layer1(source.maxpool(source.relu(source.bn1(source.conv1(x)))))
    torch.testing.assert_close(backbone.body(x)[0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("build", ["detector", "segmentor"])
def test_a_fused_backbone_gives_the_same(build):
    if build == "detector":
        backbone = FlexResNetFPN(FlexResNet(18, width=0.25), out_channels=16)
        model = FasterRCNN(backbone, **TWO_STAGES)
        model, batch = scatter(model), images((64, 64))
    else:
        model = scatter(deeplabv3(FlexResNet(18, width=0.25, output_stride=8), 4))
        batch = torch.stack(images((64, 64)))
    fused = fuse_backbone(model)
    with torch.no_grad():
        wanted, found = model(batch), fused(batch)
    wanted, found = (out[0] if build == "detector" else out for out in (wanted, found))
    for key in wanted:
        torch.testing.assert_close(found[key], wanted[key], rtol=0, atol=1e-9)


def test_what_does_not_fit_is_told():
    with pytest.raises(TypeError, match="body: ResNet is not a FlexResNet"):
        FlexResNetFPN(resnet18())
    with pytest.raises(TypeError, match="backbone: ResNet is not a FlexResNet"):
        fcn(resnet18(), 4)
    with pytest.raises(ValueError, match="extra_blocks: do not fit a pyramid of 256 channels"):
        FlexResNetFPN(FlexResNet(18), extra_blocks=LastLevelP6P7(2048, 256))
    with pytest.raises(ValueError, match="aux_loss=True: needs two feature maps"):
        deeplabv3(FlexResNet(18, out_indices=(3,)), 4, aux_loss=True)
    with pytest.raises(TypeError, match="atrous_rates='6'"):
        deeplabv3(FlexResNet(18, width=0.25), 4, atrous_rates="6")
    with pytest.raises(ValueError, match="aspect_ratios=-1"):
        FlexResNetFPN(FlexResNet(18, width=0.25)).anchors(aspect_ratios=(1.0, -1))
    with pytest.raises(TypeError, match="num_classes"):
        fcn(FlexResNet(18, width=0.25), "4")


def test_heads_of_ones_own_take_the_same_backbone():
    net = FlexResNet(18, width=0.25, output_stride=16)
    model = SegmentationModel(net, nn.Conv2d(net.out_channels[-1], 2, 1))
    assert model(torch.zeros(1, 3, 40, 56))["out"].shape == (1, 2, 40, 56)
