"""torchvision's detectors and segmentation models, whole, against torchvision's own predictions."""

import pytest
import torch
from torchvision.models import detection, segmentation

from resblock_backbones import FlexResNet, export_model
from resblock_backbones.adapters.torchvision import FlexResNetFPN, deeplabv3, fcn
from resblock_backbones.deploy.graph.masks import paste, paste_whole_pixels
from resblock_backbones.deploy.graph.regions import AdaptivePool
from resblock_backbones.deploy.graph.selection import Candidates, suppress
from resblock_backbones.deploy.models.compare import compare, example_images, fault, unpack
from resblock_backbones.deploy.models.kinds import whole
from resblock_backbones.files.model_card import Card

OWN = {"weights": None, "weights_backbone": None, "num_classes": 4}


def flexible(kind, **options):
    return kind(
        FlexResNetFPN(FlexResNet(18, width=0.125), out_channels=32), num_classes=4, **options
    )


DETECTORS = {
    "FasterRCNN, FlexResNetFPN": lambda: flexible(detection.FasterRCNN, box_score_thresh=0.2),
    "MaskRCNN, FlexResNetFPN": lambda: flexible(detection.MaskRCNN, box_score_thresh=0.2),
    "FasterRCNN, its own": lambda: detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        box_score_thresh=0.2, **OWN
    ),
    "RetinaNet, its own": lambda: detection.retinanet_resnet50_fpn(score_thresh=0.005, **OWN),
    "FCOS, its own": lambda: detection.fcos_resnet50_fpn(score_thresh=0.001, **OWN),
}
SEGMENTORS = {
    "DeepLabV3, its own": lambda: segmentation.deeplabv3_mobilenet_v3_large(**OWN),
    "DeepLabV3, FlexResNet": lambda: deeplabv3(FlexResNet(18, width=0.125, output_stride=16), 4),
    "FCN, FlexResNet": lambda: fcn(FlexResNet(18, width=0.125, output_stride=16), 4),
}


def built(name):
    torch.manual_seed(0)
    return {**DETECTORS, **SEGMENTORS}[name]().eval()


@pytest.mark.parametrize("name", [*DETECTORS, *SEGMENTORS])
def test_the_graph_finds_what_torchvision_does(name):
    ready = whole(built(name))
    rows = []
    for batch in example_images()[:2]:
        with torch.no_grad():
            outputs = ready.graph(batch)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        found = unpack(outputs, ready.card.outputs)
        rows.append(compare(batch.shape, found, ready.reference(batch)))
    assert fault(rows) is None and sum(row.objects for row in rows) >= 100
    assert max(row.box for row in rows) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DETECTORS, *SEGMENTORS])
def test_its_file_takes_any_number_and_size_of_images(name, tmp_path):
    pytest.importorskip("onnxscript")
    done = export_model(built(name), tmp_path / "model.onnx")
    assert {row.shape[0] for row in done.compared} == {1, 2, 3}


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (6, 6)])
def test_pooling_to_a_grid_is_torch_s(size):
    for shape in ((1, 2, 7, 9), (2, 3, 6, 12), (1, 1, 5, 4)):
        x = torch.randn(shape, dtype=torch.float64)
        expected = torch.nn.functional.adaptive_avg_pool2d(x, size)
        torch.testing.assert_close(AdaptivePool(size)(x), expected, rtol=0, atol=1e-12)


def test_masks_are_pasted_as_grid_sample_does_it():
    masks = torch.rand(2, 28, 28, dtype=torch.float64)
    boxes = torch.tensor([[-3.3, 4.1, 20.7, 30.2], [10, 2, 44, 9.5]], dtype=torch.float64)
    height, width = 32, 40
    y, x = (torch.arange(n, dtype=torch.float64) + 0.5 for n in (height, width))
    y = (y - boxes[:, 1:2]) / (boxes[:, 3:4] - boxes[:, 1:2]) * 2 - 1
    x = (x - boxes[:, 0:1]) / (boxes[:, 2:3] - boxes[:, 0:1]) * 2 - 1
    grid = torch.stack((x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)), 3)
    expected = torch.nn.functional.grid_sample(masks[:, None], grid, align_corners=False)[:, 0]
    torch.testing.assert_close(paste(masks, boxes, height, width), expected)


def test_masks_on_whole_pixels_are_torchvision_s():
    masks = torch.rand(2, 28, 28)
    boxes = torch.tensor([[3.3, 4.1, 20.7, 30.2], [10, 2, 39, 9.5]])
    expected = detection.roi_heads.paste_masks_in_image(masks[:, None], boxes, (32, 40))[:, 0]
    torch.testing.assert_close(paste_whole_pixels(masks, boxes, 32, 40), expected)


def test_boxes_suppress_each_other_within_an_image_and_label_alone():
    generator = torch.Generator().manual_seed(0)
    corner = 60 * torch.rand(400, 2, generator=generator)
    boxes = torch.cat((corner, corner + 10 + 20 * torch.rand(400, 2, generator=generator)), 1)
    scores = torch.rand(400, generator=generator)
    labels = torch.randint(0, 7, (400,), generator=generator)
    images = torch.randint(0, 3, (400,), generator=generator)
    kept = suppress(Candidates(boxes, scores, labels, images), 0.5, classes=7)
    expected = set()
    for image in range(3):
        for label in range(7):
            mine = ((images == image) & (labels == label)).nonzero()[:, 0]
            keep = torch.ops.torchvision.nms(boxes[mine], scores[mine], 0.5)
            expected |= set(scores[mine][keep].tolist())
    assert set(kept.scores.tolist()) == expected
    assert kept.scores.tolist() == sorted(kept.scores.tolist(), reverse=True)


def test_a_card_is_read_as_it_was_written():
    card = Card(
        "detection", "FCOS", ("a", "b"), ((1, 2, 3), (4, 5, 6)), "exact", (64, 32), 100, 0.05
    )
    assert Card.from_json(card.as_json()) == card
