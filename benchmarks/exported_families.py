"""The families of models that `resblock export` promises, as small configs for `shapes`.

Nine of them are shipped; ATSS, GFL and UPerNet are written here, from a shipped one with another
head.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).resolve().parents[1] / "configs"

_GROUPS = {"type": "GN", "num_groups": 16}
_ANCHORS = {
    "type": "AnchorGenerator",
    "ratios": [1.0],
    "octave_base_scale": 8,
    "scales_per_octave": 1,
    "strides": [8, 16, 32],
}
_DENSE = {
    "_delete_": True,
    "num_classes": 5,
    "in_channels": 64,
    "feat_channels": 64,
    "stacked_convs": 2,
    "norm_cfg": _GROUPS,
    "anchor_generator": _ANCHORS,
}
_NEAREST = {
    "_delete_": True,
    "assigner": {"type": "ATSSAssigner", "topk": 9},
    "allowed_border": -1,
    "pos_weight": -1,
}
_ATSS = {
    "type": "ATSSHead",
    "bbox_coder": {
        "type": "DeltaXYWHBBoxCoder",
        "target_means": [0.0, 0.0, 0.0, 0.0],
        "target_stds": [0.1, 0.1, 0.2, 0.2],
    },
    "loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25},
    "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
    "loss_centerness": {"type": "CrossEntropyLoss", "use_sigmoid": True},
}
_GFL = {
    "type": "GFLHead",
    "reg_max": 16,
    "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
    "loss_bbox": {"type": "GIoULoss", "loss_weight": 2.0},
    "loss_dfl": {"type": "DistributionFocalLoss", "loss_weight": 0.25},
}
_UPER = {
    "_delete_": True,
    "type": "UPerHead",
    "in_channels": [32, 64, 128, 256],
    "in_index": [0, 1, 2, 3],
    "pool_scales": (1, 2, 3, 6),
    "channels": 64,
    "num_classes": 6,
    "norm_cfg": {"type": "BN"},
    "align_corners": False,
    "loss_decode": {"type": "CrossEntropyLoss", "class_weight": [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]},
}


@dataclass(frozen=True)
class Family:
    """A family as a config.

    Attributes:
        base: a shipped config, below `configs/`.
        model: what differs from its model.
        segments: whether it is a segmentor.
    """

    base: str
    model: dict[str, Any] = field(default_factory=dict)
    segments: bool = False

    @property
    def side(self) -> int:
        """Of the square images that it is trained on, in pixels."""
        return 96 if self.segments else 160


def _detector(name: str, model: dict[str, Any] | None = None) -> Family:
    folder = name.replace("-", "_")
    return Family(f"{folder}/{name}_flexr18-half_fpn_shapes.py", model or {})


def _segmentor(name: str, stride: int, model: dict[str, Any] | None = None) -> Family:
    return Family(f"{name}/{name}_flexr18-half-d{stride}_shapes.py", model or {}, segments=True)


FAMILIES = {
    "Faster R-CNN": _detector("faster-rcnn"),
    "Mask R-CNN": _detector("mask-rcnn"),
    "Cascade R-CNN": _detector("cascade-rcnn"),
    "RetinaNet": _detector("retinanet"),
    "FCOS": _detector("fcos"),
    "ATSS": _detector(
        "retinanet", {"type": "ATSS", "bbox_head": _DENSE | _ATSS, "train_cfg": _NEAREST}
    ),
    "GFL": _detector(
        "retinanet", {"type": "GFL", "bbox_head": _DENSE | _GFL, "train_cfg": _NEAREST}
    ),
    "DeepLabV3": _segmentor("deeplabv3", 16),
    "DeepLabV3+": _segmentor("deeplabv3plus", 16),
    "PSPNet": _segmentor("pspnet", 8),
    "FCN": _segmentor("fcn", 8),
    "UPerNet": _segmentor("fcn", 8, {"backbone": {"output_stride": None}, "decode_head": _UPER}),
}


def write_config(name: str, file: Path, more: str = "") -> None:
    """Write the config of a family; `more` is added to its text."""
    family = FAMILIES[name]
    text = f'_base_ = "{(CONFIGS / family.base).as_posix()}"\n'
    padded = {"data_preprocessor": {"size": (family.side, family.side)}}
    model = family.model | (padded if family.segments else {})
    file.write_text(f"{text}model = {model!r}\n{more}")


def schedule(family: Family, data: Path, iterations: int) -> str:
    """Text of a config: a data set, and a training of so many iterations."""
    text = f'data_root = "{data.as_posix()}/"\n'
    warm_up = '{"type": "LinearLR", "start_factor": 0.01, "by_epoch": False, "begin": 0, "end": 50}'
    cosine = (
        f'{{"type": "CosineAnnealingLR", "begin": 0, "end": {iterations}, "T_max": {iterations},'
        ' "eta_min_ratio": 0.01, "by_epoch": False}'
    )
    text += f"param_scheduler = [{warm_up}, {cosine}]\n"
    text += (
        f'train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters={iterations}, '
        f"val_interval={iterations})\n"
        "default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, "
        f"interval={iterations}), logger=dict(log_metric_by_epoch=False))\n"
        "log_processor = dict(by_epoch=False)\n"
    )
    for split, part in (("train", "train"), ("val", "val"), ("test", "val")):
        folder = {"data_root": f"{data.as_posix()}/"}
        loader: dict[str, Any] = {"dataset": folder, "num_workers": 0, "persistent_workers": False}
        if split == "train":
            loader["sampler"] = {"_delete_": True, "type": "InfiniteSampler", "shuffle": True}
        text += f"{split}_dataloader = {loader!r}\n"
        if split != "train" and not family.segments:
            truth = f"{data.as_posix()}/annotations/instances_{part}.json"
            text += f"{split}_evaluator = dict(ann_file={truth!r})\n"
    return text
