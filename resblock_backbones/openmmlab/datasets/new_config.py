"""A small config for a data set: what differs from a config that comes along, with the reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...data.formats.writing import Written
from .choices import MODELS, Choices, class_weights
from .class_counts import counts_of, weights_of

HEADER = """\
# Written for {source} ({format}); a file to keep and to edit.
# Behind each value that was inferred stands what it was inferred from.
_base_ = "{base}"
"""


def config_for(data: Written, choices: Choices, base: Mapping[str, Any]) -> str:
    """A config that trains one of our models on a data set.

    Args:
        data: the data set.
        choices: for it.
        base: the content of the config behind the model.
    """
    reasons = choices.reasons
    parts = [
        HEADER.format(
            source=data.root, format=data.format, base=f"resblock::{MODELS[choices.model][0]}"
        ),
        _names(data),
        f"imgsz = {choices.imgsz}{_comment(reasons, 'imgsz')}",
    ]
    if data.kind == "objects":
        parts += [_detection_pipelines(choices), _detection_data(data, choices)]
        parts += [_model(choices, base, data), _epochs(choices)]
    else:
        parts += [_segmentation_data(data, choices), _segmentor(choices, base), _steps(choices)]
    return "\n".join(parts) + "\n"


def config_on(data: Written, base_name: str, base: Mapping[str, Any]) -> str:
    """A config that trains the model of any config on a data set, and changes nothing else.

    Class weights for other classes are replaced: for label maps by those that `choose` takes.

    Args:
        data: the data set.
        base_name: how the config is named in `_base_`.
        base: its content.
    """
    loaders = ["train", "val", *(["test"] if base.get("test_dataloader") else [])]
    parts = [HEADER.format(source=data.root, format=data.format, base=base_name), _names(data)]
    parts += [_head_lines(base), *_weight_lines(base, data)]
    for split in loaders:
        file = data.files.get(split, data.files["val"])
        parts.append(f"{split}_dataloader = dict(dataset=dict(\n    {_data_keys(data, file)}))\n")
        if split != "train" and data.kind == "objects":
            parts.append(f"{split}_evaluator = dict(ann_file={str(file.resolve())!r})")
    return "\n".join(parts) + "\n"


def told(data: Written, choices: Choices, config: Path) -> list[str]:
    """What was chosen, in five lines."""
    names = ", ".join(data.classes[:8]) + (", ..." if len(data.classes) > 8 else "")
    counted = "objects" if data.kind == "objects" else "pixels"
    images = ", ".join(f"{count} {split}" for split, count in data.images.items())
    notes = f" ({'; '.join(data.notes)})" if data.notes else ""
    anchors = f", anchors from {4 * choices.anchor_scale} px" if data.kind == "objects" else ""
    if choices.model in ("retinanet", "fcos"):
        anchors = f", {choices.levels} levels"
    total = sum(data.counts.values())
    return [
        f"data     {data.format} in {data.root}: {images} images{notes}",
        f"classes  {len(data.classes)}: {names}; {total} {counted} to learn from",
        f"model    {choices.model}, ResNet-{choices.depth} of width {choices.width:g}{anchors}",
        f"run      images of {choices.imgsz}, batches of {choices.batch}, {choices.epochs} epochs "
        f"({choices.iterations} iterations), lr {choices.lr:g}",
        f"config   {config}",
    ]


def _names(data: Written) -> str:
    lines = "".join(f"    {name!r},\n" for name in data.classes)
    return (
        f"classes = (  # in the order of the labels, from the {data.format} annotations\n{lines})"
    )


def _comment(reasons: Mapping[str, str], name: str) -> str:
    return f"  # {reasons[name]}" if name in reasons else "  # as given"


def _data_keys(data: Written, file: Path) -> str:
    """The keys of a data set that say where it is."""
    common = f"metainfo=dict(_delete_=True, classes=classes), ann_file={str(file.resolve())!r}, "
    if data.kind == "objects":
        return f"{common}data_root={str(data.root)!r}, data_prefix=dict(img='')"
    image_suffix, label_suffix = data.suffixes
    images, labels = data.folders
    return (
        f"{common}data_root='',\n    data_prefix=dict(img_path={images!r}, "
        f"seg_map_path={labels!r}),\n    img_suffix={image_suffix!r}, "
        f"seg_map_suffix={label_suffix!r}"
    )


def _flip(choices: Choices) -> str:
    prob = 0.5 if choices.flip else 0.0
    return f'dict(type="RandomFlip", prob={prob}),{_comment(choices.reasons, "flip")}'


def _detection_pipelines(choices: Choices) -> str:
    load = "dict(type='LoadAnnotations', with_bbox=True"
    load += ", with_mask=True)" if choices.model == "mask-rcnn" else ")"
    return f"""
train_pipeline = [
    dict(type="LoadImageFromFile"),
    {load},
    dict(type="Resize", scale=(imgsz, imgsz), keep_ratio=True),
    {_flip(choices)}
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(imgsz, imgsz), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(
        type="PackDetInputs",
        meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor"),
    ),
]"""


def _detection_data(data: Written, choices: Choices) -> str:
    test = data.files.get("test", data.files["val"])
    return f"""
train_dataloader = dict(
    batch_size={choices.batch},{_comment(choices.reasons, "batch")}
    dataset=dict(
    {_data_keys(data, data.files["train"])},
    pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    {_data_keys(data, data.files["val"])},
    pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(
    {_data_keys(data, test)},
    pipeline=test_pipeline))
val_evaluator = dict(ann_file={str(data.files["val"].resolve())!r})
test_evaluator = dict(ann_file={str(test.resolve())!r})"""


def _head_lines(base: Mapping[str, Any]) -> str:
    """The model of the base, with as many classes as the data."""
    lines = ["model = _base_.model"]
    lines += [f"{path}.num_classes = len(classes)" for path, _ in counts_of(base["model"], "model")]
    return "\n".join(lines)


def _weight_lines(base: Mapping[str, Any], data: Written) -> Iterator[str]:
    """Class weights of the base that are for another number of classes."""
    for path, count, wanted in weights_of(base["model"], data.classes):
        if count != wanted:
            weights = list(class_weights(data, {})) or None
            yield f"{path}.class_weight = {weights}  # the base's {count} are for its own classes"


def _model(choices: Choices, base: Mapping[str, Any], data: Written) -> str:
    lines = [_head_lines(base)]
    lines.append(f"model.backbone.update(depth={choices.depth}, width={choices.width:g})")
    why = _comment(choices.reasons, "anchors")
    strides = [8 * 2**level for level in range(choices.levels)]
    if choices.model in ("faster-rcnn", "mask-rcnn"):
        lines.append(f"model.rpn_head.anchor_generator.scales = [{choices.anchor_scale}]{why}")
    else:
        lines.append(f"model.neck.num_outs = {choices.levels}{why}")
    if choices.model == "retinanet":
        lines.append(f"model.bbox_head.anchor_generator.strides = {strides}")
    if choices.model == "fcos":
        ends = [4 * stride for stride in strides[:-1]]
        ranges = list(zip([-1, *ends], [*ends, 100_000_000], strict=True))
        lines.append(f"model.bbox_head.update(strides={strides}, regress_ranges={ranges})")
    return "\n" + "\n".join(lines)


def _epochs(choices: Choices) -> str:
    interval = max(1, choices.epochs // 5)
    warm_up = min(50, max(1, choices.iterations // 10))
    return f"""
max_epochs = {choices.epochs}{_comment(choices.reasons, "epochs")}
train_cfg = dict(max_epochs=max_epochs, val_interval={interval})
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end={warm_up}),
    dict(
        type="CosineAnnealingLR", begin=0, end=max_epochs, T_max=max_epochs, eta_min_ratio=0.01,
        by_epoch=True, convert_to_iter_based=True,
    ),
]
optim_wrapper = dict(optimizer=dict(lr={choices.lr}))  # for batches of {choices.batch}"""


def _segmentation_data(data: Written, choices: Choices) -> str:
    test = data.files.get("test", data.files["val"])
    several = len(set(data.image_sizes)) > 1
    size_of_test = 1 if several else 8
    why = "images of several sizes" if several else "all images have one size"
    return f"""
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
{_sizes(choices)}
    {_flip(choices)}
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(imgsz, imgsz), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(
    batch_size={choices.batch},{_comment(choices.reasons, "batch")}
    dataset=dict(
    {_data_keys(data, data.files["train"])},
    pipeline=train_pipeline))
val_dataloader = dict(
    batch_size={size_of_test},  # {why}
    dataset=dict(
    {_data_keys(data, data.files["val"])},
    pipeline=test_pipeline))
test_dataloader = dict(
    batch_size={size_of_test},
    dataset=dict(
    {_data_keys(data, test)},
    pipeline=test_pipeline))"""


def _sizes(choices: Choices) -> str:
    if not choices.vary:
        return '    dict(type="Resize", scale=(imgsz, imgsz), keep_ratio=True),'
    return f"""\
    dict(  {_comment(choices.reasons, "vary").strip()}
        type="RandomResize", scale=(imgsz, imgsz), ratio_range=(0.75, 1.33), keep_ratio=True,
    ),
    dict(type="RandomCrop", crop_size=(imgsz, imgsz)),
    dict(type="RandomRotate", prob=0.5, degree=10),"""


def _segmentor(choices: Choices, base: Mapping[str, Any]) -> str:
    weights = list(choices.class_weights)
    return f"""
{_head_lines(base)}
model.backbone.update(depth={choices.depth}, width={choices.width:g})
model.data_preprocessor.size = (imgsz, imgsz)
class_weight = {weights}{_comment(choices.reasons, "class weights")}
model.decode_head.loss_decode.class_weight = class_weight
model.auxiliary_head.loss_decode.class_weight = class_weight"""


def _steps(choices: Choices) -> str:
    interval = max(1, choices.iterations // 5)
    warm_up = min(50, max(1, choices.iterations // 10))
    return f"""
max_iters = {choices.iterations}{_comment(choices.reasons, "epochs")}
train_cfg = dict(max_iters=max_iters, val_interval={interval})
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end={warm_up}),
    dict(
        type="CosineAnnealingLR", begin=0, end=max_iters, T_max=max_iters, eta_min_ratio=0.01,
        by_epoch=False,
    ),
]
default_hooks = dict(checkpoint=dict(interval={interval}))
optim_wrapper = dict(optimizer=dict(lr={choices.lr}))  # for batches of {choices.batch}"""
