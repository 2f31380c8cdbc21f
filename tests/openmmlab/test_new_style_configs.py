"""Configs of MMEngine's new style: `read_base()`, classes as `type`, no `default_scope`."""

import pytest

pytest.importorskip("mmdet")

from resblock_backbones import FlexResNet  # noqa: E402
from resblock_backbones.data import make_shapes  # noqa: E402
from resblock_backbones.openmmlab.configs.read import read_config  # noqa: E402
from resblock_backbones.openmmlab.configs.scopes import scope_of  # noqa: E402
from resblock_backbones.openmmlab.configs.table import read_rows  # noqa: E402
from resblock_backbones.openmmlab.models.backbone_of_config import network_of_config  # noqa: E402
from resblock_backbones.openmmlab.prediction.predict import predict  # noqa: E402
from resblock_backbones.openmmlab.training import launch  # noqa: E402
from resblock_backbones.options.errors import ConfigError  # noqa: E402

MODEL = """
from mmdet.models import FPN, DetDataPreprocessor, FocalLoss, L1Loss, RetinaHead, RetinaNet
from mmdet.models.task_modules import (AnchorGenerator, DeltaXYWHBBoxCoder, MaxIoUAssigner,
                                       PseudoSampler)
from resblock_backbones import FlexResNet

model = dict(
    type=RetinaNet,
    data_preprocessor=dict(type=DetDataPreprocessor, mean=[124, 116, 104], std=[58, 57, 57],
                           bgr_to_rgb=True, pad_size_divisor=32),
    backbone=dict(type=FlexResNet, depth=18, width=0.25, norm_eval=False),
    neck=dict(type=FPN, in_channels=[64, 128, 256, 512], out_channels=8, start_level=1,
              num_outs=3),
    bbox_head=dict(
        type=RetinaHead, num_classes=5, in_channels=8, stacked_convs=1, feat_channels=8,
        anchor_generator=dict(type=AnchorGenerator, octave_base_scale=4, scales_per_octave=1,
                              ratios=[1.0], strides=[8, 16, 32]),
        bbox_coder=dict(type=DeltaXYWHBBoxCoder, target_means=[0.] * 4, target_stds=[1.] * 4),
        loss_cls=dict(type=FocalLoss), loss_bbox=dict(type=L1Loss)),
    train_cfg=dict(assigner=dict(type=MaxIoUAssigner, pos_iou_thr=0.5, neg_iou_thr=0.4,
                                 min_pos_iou=0, ignore_iof_thr=-1),
                   sampler=dict(type=PseudoSampler), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(nms_pre=100, min_bbox_size=0, score_thr=0.0, max_per_img=10,
                  nms=dict(type="nms", iou_threshold=0.5)))
"""

CONFIG = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Resize
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.evaluation import CocoMetric
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import read_base
from mmengine.dataset import DefaultSampler
from mmengine.optim import OptimWrapper
from mmengine.runner import EpochBasedTrainLoop, TestLoop, ValLoop
from mmengine.visualization import LocalVisBackend
from torch.optim import SGD

with read_base():
    from ._base_.model import *

default_scope = None
data = "data/shapes/"
pipeline = [dict(type=LoadImageFromFile), dict(type=Resize, scale=(64, 64), keep_ratio=True),
            dict(type=LoadAnnotations, with_bbox=True),
            dict(type=PackDetInputs, meta_keys=("img_id", "img_path", "ori_shape", "img_shape",
                                                "scale_factor"))]
dataset = dict(type=CocoDataset, data_root=data, pipeline=pipeline,
               metainfo=dict(classes=("circle", "square", "triangle", "star", "ring")))
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=True),
    dataset=dict(**dataset, ann_file="annotations/instances_train.json",
                 data_prefix=dict(img="train/")))
val_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(**dataset, ann_file="annotations/instances_val.json",
                 data_prefix=dict(img="val/"), test_mode=True))
test_dataloader = val_dataloader
val_evaluator = dict(type=CocoMetric, metric="bbox",
                     ann_file=data + "annotations/instances_val.json")
test_evaluator = val_evaluator
train_cfg = dict(type=EpochBasedTrainLoop, max_epochs=1)
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=SGD, lr=0.01))
default_hooks = dict(visualization=dict(type=DetVisualizationHook))
visualizer = dict(type=DetLocalVisualizer, vis_backends=[dict(type=LocalVisBackend)])
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with data, a new-style config, and the run that was trained from it."""
    folder = tmp_path_factory.mktemp("new_style")
    (folder / "configs/mine/_base_").mkdir(parents=True)
    (folder / "configs/mine/_base_/model.py").write_text(MODEL)
    (folder / "configs/mine/retina_shapes.py").write_text(CONFIG)
    make_shapes(folder / "data/shapes", train=2, val=2, progress=False)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(folder)
        launch.train("configs/mine/retina_shapes.py", work_dir="run")
    return folder


@pytest.fixture(params=["configs/mine/retina_shapes.py", "run/retina_shapes.py"])
def config(trained, request, monkeypatch):
    """The config as it was written, and as the run saved it: with dotted names of the classes."""
    monkeypatch.chdir(trained)
    return request.param


def test_it_is_tested_and_its_predictions_are_drawn(trained, config, tmp_path):
    scores = launch.test(config, "run/epoch_1.pth", work_dir=str(tmp_path), show_dir="drawn")
    assert "coco/bbox_mAP" in scores
    assert len(list(tmp_path.rglob("drawn/*.png"))) == 2  # where MMDetection's own tool puts them


def test_it_predicts_with_the_names_of_its_classes(trained, config, tmp_path):
    done = predict(
        config, "run/epoch_1.pth", ["data/shapes/val"], str(tmp_path / "out"), score_threshold=0.0
    )
    assert done.images == 2 and done.objects
    assert '"circle"' in (tmp_path / "out/predictions.json").read_text()


@pytest.mark.parametrize("any_backbone", [True, False], ids=["features", "export"])
def test_its_backbone_is_built_with_its_weights(trained, config, any_backbone):
    chosen = network_of_config(config, "run/epoch_1.pth", any_backbone=any_backbone)
    assert isinstance(chosen.network, FlexResNet) and chosen.network.out_channels == (
        16,
        32,
        64,
        128,
    )
    assert "120 of 120 tensors matched" in chosen.origin


def test_the_table_of_configs_counts_it(trained):
    (row,) = read_rows(trained / "configs")
    assert row.channels == (16, 32, 64, 128) and row.parameters > row.backbone_parameters > 0


def test_options_change_it_and_a_misspelt_one_is_refused(trained, config):
    changed = read_config(config, {"model.backbone": {"depth": 34, "norm_cfg": {"type": "GN"}}})
    assert changed.model.backbone.depth == 34 and changed.model.backbone.norm_cfg == {"type": "GN"}
    with pytest.raises(ConfigError, match=r"backbone \(.*FlexResNet\) has no 'dpeth'; .* 'depth'"):
        read_config(config, {"model.backbone.dpeth": 34})


def test_its_package_is_that_of_the_models_class(trained, config):
    assert scope_of(read_config(config)) == "mmdet"


def test_a_class_that_is_not_there_is_one_line(tmp_path):
    file = tmp_path / "config.py"
    file.write_text("from mmdet.models import RetinaNett\nmodel = dict(type=RetinaNett)\n")
    with pytest.raises(ConfigError, match="Failed to import RetinaNett from mmdet.models in .*py"):
        read_config(str(file))
