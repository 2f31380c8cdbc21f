"""Test-time augmentation merges what MMDetection and MMSegmentation merge, in test and predict."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

pytest.importorskip("mmdet")
pytest.importorskip("mmseg")

from mmengine.config import Config, ConfigDict
from mmengine.evaluator import DumpResults
from mmengine.fileio import load
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData

from resblock_backbones import Predictor
from resblock_backbones.commands.front import main
from resblock_backbones.data import make_shapes
from resblock_backbones.openmmlab.datasets.views import views_of
from resblock_backbones.openmmlab.models.channels import link_channels
from resblock_backbones.openmmlab.training.launch import test as run_test

CONFIGS = Path(__file__).parents[3] / "configs"
DETECTOR = CONFIGS / "fcos/fcos_flexr18-half_fpn_shapes.py"
MASKS = CONFIGS / "mask_rcnn/mask-rcnn_flexr18-half_fpn_shapes.py"
SEGMENTOR = CONFIGS / "fcn/fcn_flexr18-half-d8_shapes.py"
THRESHOLD = 0.02


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Images, and three narrow models with random weights that find something everywhere."""
    folder = tmp_path_factory.mktemp("views")
    make_shapes(folder / "data/shapes", train=1, val=3, progress=False)
    for name, base in (("detector", DETECTOR), ("masks", MASKS), ("segmentor", SEGMENTOR)):
        text = f"_base_ = {str(base)!r}\nmodel = dict(backbone=dict(width=0.125))\n"
        text += "test_dataloader = dict(num_workers=0, persistent_workers=False)\n"
        (folder / f"{name}.py").write_text(text)
        cfg = Config.fromfile(str(folder / f"{name}.py"))
        init_default_scope(cfg.default_scope)
        link_channels(cfg.model)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
        for path, module in model.named_modules():
            wide = ("conv_cls", "fc_cls", "conv_logits", "conv_seg", "rpn_cls")
            if isinstance(module, nn.Conv2d | nn.Linear) and path.endswith(wide):
                nn.init.normal_(module.weight, 0, 0.1)
        torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / f"{name}.pth")
    return folder


@pytest.fixture
def here(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def image() -> np.ndarray:
    return np.asarray(Image.open("data/shapes/val/000001.png").convert("RGB"))


def mirrored(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels[:, ::-1])


def as_in_mmdetections_tool(config: str) -> Config:
    """The config as MMDetection's tools/test.py changes it under --tta."""
    cfg = Config.fromfile(config)
    link_channels(cfg.model)
    cfg.work_dir = "theirs"
    data = cfg.test_dataloader.dataset
    pipeline = copy.deepcopy(data.pipeline)
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip")
    flips = [{"type": "RandomFlip", "prob": 1.0}, {"type": "RandomFlip", "prob": 0.0}]
    packed = [{"type": "PackDetInputs", "meta_keys": (*keys, "flip_direction")}]
    pipeline[-1] = {"type": "TestTimeAug", "transforms": [flips, packed]}
    data.pipeline = pipeline
    nms = {"type": "nms", "iou_threshold": 0.5}
    merging = {"type": "DetTTAModel", "tta_cfg": {"nms": nms, "max_per_img": 100}}
    cfg.model = dict(**merging, module=cfg.model)
    return cfg


def test_the_predictions_are_those_of_mmdetections_tool(here):
    cfg = as_in_mmdetections_tool("detector.py")
    cfg.dump("merging.py")
    cfg.load_from, cfg.launcher = "detector.pth", "none"
    runner = Runner.from_cfg(cfg)
    runner.test_evaluator.metrics.append(DumpResults("theirs.pkl"))
    runner.test()
    run_test("detector.py", "detector.pth", out="ours.pkl", views=())
    # A config that names the merging model itself: the weights are those of the model in it.
    run_test("merging.py", "detector.pth", out="named.pkl")
    theirs, ours, named = (load(f"{name}.pkl") for name in ("theirs", "ours", "named"))
    assert len(theirs) == 3 and all(len(one["pred_instances"]["scores"]) > 9 for one in theirs)
    for one, *others in zip(theirs, ours, named, strict=True):
        for other in others:
            for key in ("bboxes", "scores", "labels"):
                torch.testing.assert_close(other["pred_instances"][key], one["pred_instances"][key])
    found = Predictor("merging.py", "detector.pth", score_threshold=THRESHOLD)(image())
    assert len(found[0])


@pytest.mark.parametrize("name", ["detector", "masks"])
def test_objects_of_the_mirrored_image_are_mirrored(here, name):
    ask = Predictor(f"{name}.py", f"{name}.pth", score_threshold=THRESHOLD, tta=True)
    pixels = image()
    (one,), (other,) = ask(pixels), ask(mirrored(pixels))
    assert len(one) == len(other) > 3
    back = other.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [160, 0, 160, 0]

    def order(prediction, boxes):
        return np.lexsort((boxes[:, 0].round(1), prediction.scores.round(3)))

    first, second = order(one, one.boxes), order(other, back)
    np.testing.assert_allclose(one.boxes[first], back[second], atol=0.1)
    np.testing.assert_array_equal(one.labels[first], other.labels[second])
    if name == "masks":
        differ = one.masks[first] != other.masks[second][..., ::-1]
        assert one.masks.any() and differ.mean() < 0.01


def test_label_maps_are_of_the_mean_of_both_views(here):
    ask = Predictor("segmentor.py", "segmentor.pth")
    pixels = image()
    scores = []
    for view in (pixels, mirrored(pixels)):
        inputs = {"inputs": [torch.from_numpy(view[..., ::-1].copy()).permute(2, 0, 1)]}
        with torch.inference_mode():
            (found,) = ask.model.model.test_step(inputs)
        scores.append(found.seg_logits.data.softmax(0).numpy())
    wanted = (scores[0] + scores[1][..., ::-1]).argmax(0)
    merged = Predictor("segmentor.py", "segmentor.pth", tta=True)(pixels)[0].label_map
    assert (merged != wanted).mean() < 1e-3 < (wanted != scores[0].argmax(0)).mean()


def test_scales_are_multiples_of_the_test_pipelines_size(here):
    cfg = Config.fromfile("detector.py")
    pipeline = views_of(cfg.test_dataloader.dataset.pipeline, (0.5, 1, 2))
    sizes, flips, *_ = pipeline[1]["transforms"]
    assert [one["scale"] for one in sizes] == [(80, 80), (160, 160), (320, 320)]
    assert [one["prob"] for one in flips] == [0.0, 1.0]
    single = Predictor("detector.py", "detector.pth", score_threshold=THRESHOLD, tta_scales=[1])
    several = Predictor("segmentor.py", "segmentor.pth", tta_scales=[0.5, 1])
    flipped = Predictor("detector.py", "detector.pth", score_threshold=THRESHOLD, tta=True)
    np.testing.assert_array_equal(single(image())[0].boxes, flipped(image())[0].boxes)
    assert several(image())[0].label_map.shape == (160, 160)


def test_the_configs_own_views_are_taken(here, capsys):
    steps = [[{"type": "Resize", "scale": (320, 320)}], [{"type": "RandomFlip", "prob": 1.0}]]
    steps += [[{"type": "LoadAnnotations", "with_bbox": True}]]
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor", "flip")
    steps += [[{"type": "PackDetInputs", "meta_keys": (*keys, "flip_direction")}]]
    views = [{"type": "LoadImageFromFile"}, {"type": "TestTimeAug", "transforms": steps}]
    merging = {
        "type": "DetTTAModel",
        "tta_cfg": {"nms": {"type": "nms", "iou_threshold": 0.5}, "max_per_img": 2},
    }
    Path("own.py").write_text(
        f"_base_ = 'detector.py'\ntta_pipeline = {views}\ntta_model = {merging}\n"
    )
    arguments = ["own.py", "detector.pth", "data/shapes/val/000001.png", "--out", "own"]
    more = ["--tta", "--score-threshold", str(THRESHOLD)]
    assert main(["predict", *arguments, *more]) == 0
    told = capsys.readouterr()
    assert "the config's tta_pipeline" in told.err and "1 images, 2 objects" in told.out


def test_a_model_of_one_channel_has_its_threshold_applied_to_the_mean():
    from mmseg.structures import SegDataSample

    from resblock_backbones.openmmlab.models.tta_models import ScoresOfViews

    class Halves(nn.Module):
        decode_head = type("Head", (), {"threshold": 0.5})

        def test_step(self, data):
            sample = SegDataSample()
            sample.seg_logits = PixelData(data=data["inputs"])
            return [sample]

    views = [torch.tensor([[[0.9, 0.2, 0.4]]]), torch.tensor([[[0.5, 0.2, 0.8]]])]
    (merged,) = ScoresOfViews(module=Halves()).test_step({"inputs": views})
    assert merged.pred_sem_seg.data.tolist() == [[[1, 0, 1]]]
    torch.testing.assert_close(merged.seg_logits.data, torch.tensor([[[0.7, 0.2, 0.6]]]))


def test_masks_are_turned_back_along_the_axes_of_their_view():
    from mmdet.structures import DetDataSample

    from resblock_backbones.openmmlab.models.tta_models import ObjectsOfViews

    nms = ConfigDict(nms={"type": "nms", "iou_threshold": 0.5}, max_per_img=10)
    model = ObjectsOfViews(tta_cfg=nms, module=_Repeats())
    for direction, box, corner in (
        ("horizontal", [6.0, 1, 9, 3], (slice(1, 3), slice(6, 9))),
        ("vertical", [1.0, 5, 4, 7], (slice(5, 7), slice(1, 4))),
        ("diagonal", [6.0, 5, 9, 7], (slice(5, 7), slice(6, 9))),
    ):
        sample = DetDataSample(
            metainfo={"ori_shape": (8, 10), "flip": True, "flip_direction": direction}
        )
        mask = torch.zeros(1, 8, 10, dtype=torch.bool)
        mask[(0, *corner)] = True
        sample.pred_instances = InstanceData(
            bboxes=torch.tensor([box]),
            scores=torch.ones(1),
            labels=torch.zeros(1, dtype=torch.long),
            masks=mask,
        )
        (merged,) = model.test_step({"inputs": [sample]})
        objects = merged.pred_instances
        torch.testing.assert_close(objects.bboxes, torch.tensor([[1.0, 1, 4, 3]]))
        assert objects.masks[0, 1:3, 1:4].all() and objects.masks.sum() == 6


class _Repeats(nn.Module):
    def test_step(self, data):
        return [data["inputs"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["test", "detector.py", "m.onnx", "--tta"], "--tta: m.onnx: test-time augmentation"),
        (["predict", "m.onnx", "data", "--out", "x", "--tta"], "--tta: m.onnx: test-time"),
        (
            ["predict", "detector.py", "detector.pth", "data", "--out", "x", "--tta-scales", "0"],
            "--tta-scales 0.0: must lie in 0.1 to 10",
        ),
        (["test", "plain.py", "detector.pth", "--tta"], "this config is for mmengine"),
    ],
)
def test_what_cannot_be_merged_is_told_in_one_line(here, capsys, arguments, message):
    Path("m.onnx").write_bytes(b"")
    Path("plain.py").write_text(
        "default_scope = 'mmengine'\nmodel = dict(type='ToyModel')\n"
        "test_dataloader = dict(dataset=dict(type='BaseDataset'))\n"
    )
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1] and lines[-1].startswith("error: ") and not Path("x").exists()


def test_label_maps_of_slices_are_those_of_mmsegmentations_slide(here):
    """At full size and where the pipeline changes nothing, with a slice of two thirds."""
    base = "_base_ = 'segmentor.py'\n"
    slide = {"mode": "slide", "crop_size": (96, 96), "stride": (64, 64)}
    Path("slide.py").write_text(f"{base}model = dict(test_cfg=dict(_delete_=True, **{slide}))\n")
    theirs = Predictor("slide.py", "segmentor.pth")(image())[0].label_map
    ours = Predictor("segmentor.py", "segmentor.pth", slices=96, overlap=1 / 3)(image())[0]
    whole = Predictor("segmentor.py", "segmentor.pth")(image())[0].label_map
    assert (ours.label_map != theirs).mean() < 1e-4 < (whole != theirs).mean()
    views = Predictor("segmentor.py", "segmentor.pth", slices=96, overlap=1 / 3, tta=True)
    assert views(image())[0].label_map.shape == (160, 160)


def test_a_slice_is_at_least_a_cell_of_the_coarsest_feature_map(here, capsys):
    arguments = ["predict", "detector.py", "detector.pth", "data", "--out", "x"]
    for more, message in (
        (["--slice", "31"], "slices of 31 pixels: smaller than the stride of the model, 32 pixels"),
        (["--slice", "64", "--overlap", "1"], "overlap 1: must be at least 0, and below 1"),
        (["--overlap", "0.2"], "--overlap 0.2: is that of slices; give --slice too"),
    ):
        assert main([*arguments, *more]) == 2
        assert message in capsys.readouterr().err.strip().splitlines()[-1]
        assert not Path("x").exists()
