"""Whole models of MMDetection and MMSegmentation as files find what the models predict."""

import sys
from pathlib import Path

import pytest
import torch

import resblock_backbones  # noqa: F401 - before MMDetection, which looks for operators

pytest.importorskip("mmdet.models")
pytest.importorskip("mmseg.models")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from mmengine.config import Config  # noqa: E402
from mmengine.registry import MODELS, init_default_scope  # noqa: E402

from resblock_backbones import ExportError, export_model  # noqa: E402
from resblock_backbones.deploy.models.compare import (  # noqa: E402
    HALF,
    SINGLE,
    compare,
    example_images,
    fault,
    unpack,
)
from resblock_backbones.deploy.models.kinds import whole  # noqa: E402
from resblock_backbones.files.model_card import CARD  # noqa: E402
from resblock_backbones.files.shipped_configs import find_config  # noqa: E402
from resblock_backbones.openmmlab.export.kind import Reference  # noqa: E402
from resblock_backbones.openmmlab.models.channels import link_channels  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).parents[1] / "prediction"))
from spread_weights import spread_weights  # noqa: E402

CONFIGS = {
    "RetinaNet": "retinanet/retinanet_flexr18-half_fpn_shapes",
    "FCOS": "fcos/fcos_flexr18-half_fpn_shapes",
    "Faster R-CNN": "faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes",
    "Mask R-CNN": "mask_rcnn/mask-rcnn_flexr18-half_fpn_shapes",
    "Cascade R-CNN": "cascade_rcnn/cascade-rcnn_flexr18-half_fpn_shapes",
}
SEGMENTORS = {
    "DeepLabV3": "deeplabv3/deeplabv3_flexr18-half-d16_shapes",
    "DeepLabV3+": "deeplabv3plus/deeplabv3plus_flexr18-half-d16_shapes",
    "PSPNet": "pspnet/pspnet_flexr18-half-d8_shapes",
    "FCN": "fcn/fcn_flexr18-half-d8_shapes",
}


def built(name, spread=True, **changes):
    """The model of a config with random weights, as small as it still is one."""
    config = {**CONFIGS, **SEGMENTORS}[name]
    cfg = Config.fromfile(find_config(f"resblock::{config}.py"))
    cfg.model.backbone.update(width=0.125, init_cfg=None)
    cfg.merge_from_dict({"model": changes})
    init_default_scope(cfg.default_scope)
    link_channels(cfg.model)
    model = MODELS.build(cfg.model).eval()
    if spread:
        spread_weights(model, lambda: Reference(model)(example_images()[0]))
    return model


def session(file):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def eager(model, batches, **options):
    """The graph in PyTorch against the model's own predictions."""
    ready = whole(model, **options)
    rows = []
    for batch in batches:
        with torch.no_grad():
            outputs = ready.graph(batch)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else outputs
        found = unpack(outputs, ready.card.outputs)
        tolerance = HALF if options.get("fp16") else SINGLE
        rows.append(compare(batch.shape, found, ready.reference(batch), tolerance))
    return rows


@pytest.mark.parametrize("name", [*CONFIGS, *SEGMENTORS])
def test_the_graph_finds_what_the_model_predicts(name):
    rows = eager(built(name), example_images())
    assert fault(rows) is None
    assert sum(row.objects for row in rows) > 100
    assert max(row.box for row in rows) < 0.05


def test_no_choice_is_chance_in_large_images():
    # In flat areas scores are equal: of the 100 objects of a black image, 20 were not in both.
    rows = eager(built("Faster R-CNN"), example_images(size=(320, 320)))
    assert sum(row.odd for row in rows) == 0 and sum(row.objects for row in rows) > 100


@pytest.mark.parametrize("name", ["FCN", "DeepLabV3+"])
def test_logits_are_those_of_the_model(name):
    rows = eager(built(name), example_images()[:3], logits=True)
    assert fault(rows) is None and max(row.score for row in rows) < 1e-4


@pytest.mark.parametrize("name", ["RetinaNet", "Faster R-CNN", "PSPNet"])
def test_half_precision_finds_the_same_up_to_its_digits(name):
    model = built(name)
    ready = whole(model, fp16=True)
    assert ready.card.precision == "float16"
    weights = [one for one in ready.graph.parameters() if one.is_floating_point()]
    assert {one.dtype for one in weights} == {torch.float16}
    rows = eager(model, example_images()[:2], fp16=True)
    assert fault(rows, HALF) is None and sum(row.objects for row in rows) > 100
    assert {one.dtype for one in model.parameters()} == {torch.float32}  # stays as it is


HEADS = {
    "ATSS": {
        "type": "ATSSHead",
        "loss_centerness": {"type": "CrossEntropyLoss", "use_sigmoid": True},
    },
    "GFL": {"type": "GFLHead", "reg_max": 8, "loss_dfl": {"type": "DistributionFocalLoss"}},
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_other_single_stage_detectors_are_decoded(name):
    anchors = {
        "type": "AnchorGenerator",
        "ratios": [1.0],
        "octave_base_scale": 8,
        "scales_per_octave": 1,
        "strides": [8, 16, 32],
    }
    head = {
        "num_classes": 5,
        "in_channels": 64,
        "feat_channels": 16,
        "stacked_convs": 1,
        "norm_cfg": {"type": "GN", "num_groups": 4},
        "anchor_generator": anchors,
        "_delete_": True,
    }
    model = built("RetinaNet", bbox_head=head | HEADS[name], test_cfg={"score_thr": 0.3})
    rows = eager(model, example_images()[:3])
    assert fault(rows) is None and sum(row.objects for row in rows) > 100


LEGACY = {
    "type": "LegacyDeltaXYWHBBoxCoder",
    "target_means": [0.0, 0.0, 0.0, 0.0],
    "target_stds": [0.5, 0.5, 0.5, 0.5],
    "_delete_": True,
}


def test_boxes_of_models_of_mmdetection_1_end_at_the_last_pixel():
    for model in (
        built("RetinaNet", bbox_head={"bbox_coder": LEGACY}),
        built(
            "Faster R-CNN",
            rpn_head={"bbox_coder": LEGACY},
            roi_head={"bbox_head": {"bbox_coder": LEGACY}},
        ),
    ):
        rows = eager(model, example_images()[:2])
        assert fault(rows) is None and sum(row.objects for row in rows) > 100
        assert max(row.box for row in rows) < 0.05
        found = whole(model).graph(example_images()[0].float())[0]
        height, width = example_images()[0].shape[2:]
        assert found[..., 2].max() == width - 1 and found[..., 3].max() == height - 1


@pytest.mark.parametrize(
    ("to", "input_type"),
    [pytest.param("onnx", "uint8", marks=pytest.mark.slow), ("pt2", "float32")],
)
def test_a_file_of_one_size_finds_what_the_model_predicts(to, input_type, tmp_path):
    file = tmp_path / f"model.{to}"
    done = export_model(built("RetinaNet"), file, to, static=(64, 96), input_type=input_type)
    assert done.size == file.stat().st_size and len(done.compared) == 5
    assert max(row.odd for row in done.compared) <= 2
    if to == "onnx":
        opened = session(file)
        (image,) = opened.get_inputs()
        assert (image.name, image.type, image.shape) == ("images", "tensor(uint8)", [1, 3, 64, 96])
        names = [one.name for one in opened.get_outputs()]
        assert names == ["boxes", "scores", "labels", "num_detections"]
        assert CARD in opened.get_modelmeta().custom_metadata_map


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CONFIGS, *SEGMENTORS])
def test_a_file_takes_any_number_and_size_of_images(name, tmp_path):
    model = built(name)
    done = export_model(model, tmp_path / "model.onnx")
    assert {row.shape[0] for row in done.compared} == {1, 2, 3}
    opened = session(tmp_path / "model.onnx")
    nodes = onnx.load(tmp_path / "model.onnx").graph.node
    assert {node.domain for node in nodes} == {""}
    batch = example_images()[2][:, :, :77, :90]
    ready = whole(model)
    found = unpack(opened.run(None, {"images": batch.float().numpy()}), ready.card.outputs)
    assert fault([compare(batch.shape, found, ready.reference(batch))]) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Faster R-CNN", "DeepLabV3"])
def test_a_file_in_half_precision_takes_and_gives_what_the_other_does(name, tmp_path):
    model = built(name)
    sizes = [
        export_model(
            model, tmp_path / f"{fp16}.onnx", static=(128, 160), input_type="uint8", **more
        )
        for fp16, more in ((False, {}), (True, {"fp16": True}))
    ]
    assert sizes[1].size < 0.65 * sizes[0].size
    opened = [session(tmp_path / f"{fp16}.onnx") for fp16 in (False, True)]
    for part in ("get_inputs", "get_outputs"):
        assert len({str([(v.name, v.type) for v in getattr(one, part)()]) for one in opened}) == 1
    kinds = {one.data_type for one in onnx.load(tmp_path / "True.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in kinds


@pytest.mark.slow
def test_a_file_of_logits_gives_them_for_any_size(tmp_path):
    done = export_model(built("DeepLabV3+"), tmp_path / "model.onnx", logits=True)
    (out,) = session(tmp_path / "model.onnx").get_outputs()
    assert out.name == "logits" and len(out.shape) == 4
    assert max(row.score for row in done.compared) < 1e-3


def test_what_cannot_be_written_is_named(tmp_path):
    soft = {"nms": {"type": "soft_nms", "iou_threshold": 0.5}}
    cases = (
        (built("RetinaNet", False, test_cfg=soft), "bbox_head: nms=.*soft_nms"),
        (built("FCN", False, test_cfg={"mode": "slide"}), "test_cfg.mode='slide': windows"),
        (torch.nn.Linear(1, 1), "Linear: is no detector or segmentor"),
    )
    for model, message in cases:
        with pytest.raises(ExportError, match=message):
            export_model(model, tmp_path / "model.onnx")
    with pytest.raises(ExportError, match="RetinaNet: logits are those of a segmentor"):
        export_model(built("RetinaNet", False), tmp_path / "model.onnx", logits=True)
    with pytest.raises(ValueError, match="a WholeModel has them"):
        export_model(whole(built("FCN", False)), tmp_path / "model.onnx", logits=True)
    assert not list(tmp_path.iterdir())


def test_a_model_of_several_views_is_named_and_the_one_in_it():
    from mmdet.models import DetTTAModel

    model = DetTTAModel(module=built("RetinaNet", False))
    with pytest.raises(ExportError, match="DetTTAModel: test-time .* can be written, RetinaNet"):
        whole(model)


class Airy(torch.nn.Module):
    """A neck with an operator that ONNX has not."""

    def __init__(self, neck):
        super().__init__()
        self.neck = neck

    def forward(self, maps):
        return tuple(torch.special.airy_ai(one) for one in self.neck(maps))


@pytest.mark.slow
def test_an_operator_that_onnx_has_not_is_named_and_the_part_it_is_in(tmp_path):
    model = built("RetinaNet", False)
    model.neck = Airy(model.neck)
    message = r"to='onnx': ONNX has no operator for aten.special_airy_ai, which Airy \(features.1\)"
    with pytest.raises(ExportError, match=message):
        export_model(model, tmp_path / "model.onnx", static=(64, 96))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Mask R-CNN", "PSPNet"])
def test_older_versions_of_onnx_are_written(name, tmp_path):
    export_model(built(name), tmp_path / "model.onnx", static=(64, 96), opset=16)
    assert [one.version for one in onnx.load(tmp_path / "model.onnx").opset_import] == [16]


def test_a_head_with_steps_of_its_own_is_named(tmp_path):
    model = built("RetinaNet", False)

    class OwnHead(type(model.bbox_head)):
        def _predict_by_feat_single(self, *args, **kwargs):
            return super()._predict_by_feat_single(*args, **kwargs)

    model.bbox_head.__class__ = OwnHead
    with pytest.raises(ExportError, match="bbox_head OwnHead: has a _predict_by_feat_single"):
        export_model(model, tmp_path / "model.onnx")


def test_a_file_of_another_task_than_the_config_s_is_named(tmp_path):
    from test_onnx_model import detector

    from resblock_backbones.openmmlab.models.exported import ExportedModel
    from resblock_backbones.options.errors import InputError

    detector(tmp_path / "model.onnx")
    assert ExportedModel(str(tmp_path / "model.onnx"), "detection").model.classes
    with pytest.raises(InputError, match="is a model for detection, .* is for segmentation"):
        ExportedModel(str(tmp_path / "model.onnx"), "segmentation")
