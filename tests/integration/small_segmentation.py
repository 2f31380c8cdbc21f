"""DeepLabV3 on a quarter of a ResNet-18 and four random images: trains in a second."""

import importlib.util
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("sky", "grass", "road")
IMAGES = {"train": 4, "val": 2}
SIZE = 64  # pixels

CONFIG = """
_base_ = [{base!r}]
custom_imports = dict(imports=["resblock_backbones"])
default_scope = "mmseg"
randomness = dict(seed=1)

norm_cfg = dict(type="BN", requires_grad=True)
head = dict(channels=16, num_classes=3, norm_cfg=norm_cfg, dropout_ratio=0.0)
model = dict(
    data_preprocessor=dict(size=({size}, {size})),
    pretrained=None,
    backbone=dict(
        type="FlexResNet", depth=18, width=0.25, deep_stem=True, norm_cfg=norm_cfg, norm_eval=False
    ),
    decode_head=dict(dilations=(1, 2), **head),
    auxiliary_head=head,
)

dataset = dict(
    type="BaseSegDataset",
    data_root={data!r},
    metainfo=dict(classes={classes}, palette=[[0, 0, 255], [0, 255, 0], [90, 90, 90]]),
    img_suffix=".png",
)
load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        data_prefix=dict(img_path="train", seg_map_path="train_labels"),
        pipeline=[*load, dict(type="PackSegInputs")],
        **dataset,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path="val", seg_map_path="val_labels"),
        pipeline=[*load, dict(type="PackSegInputs")],
        **dataset,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator

train_cfg = dict(type="IterBasedTrainLoop", max_iters=4, val_interval=4)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9)
)
param_scheduler = [dict(type="PolyLR", begin=0, end=8, power=0.9, eta_min=1e-4, by_epoch=False)]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2),
    visualization=dict(type="SegVisualizationHook"),
)
log_processor = dict(by_epoch=False)
# Without a name, so that each run of a process has its own.
visualizer = dict(type="SegLocalVisualizer", vis_backends=[dict(type="LocalVisBackend")])
"""


def package_folder(package):
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


def write_config(folder):
    """Write images, label maps and a config into `folder`; returns the config's path."""
    random = np.random.default_rng(0)
    data = folder / "data"
    for split, count in IMAGES.items():
        for part in (split, f"{split}_labels"):
            (data / part).mkdir(parents=True)
        for number in range(count):
            labels = np.sort(random.integers(0, len(CLASSES), (SIZE, SIZE)), axis=0)
            noise = random.integers(0, 80, (SIZE, SIZE, 3))
            image = (80 * labels[:, :, None] + noise).astype(np.uint8)
            Image.fromarray(image).save(data / split / f"{number}.png")
            Image.fromarray(labels.astype(np.uint8)).save(data / f"{split}_labels/{number}.png")
    base = package_folder("mmseg") / ".mim/configs/_base_/models/deeplabv3_r50-d8.py"
    config = folder / "deeplabv3.py"
    config.write_text(CONFIG.format(base=str(base), data=str(data), classes=CLASSES, size=SIZE))
    return config
