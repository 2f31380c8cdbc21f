"""Train the model of a config, or a model on a folder of images and annotations.

resblock train CONFIG
resblock train --data data/pets --epochs 20         # YOLO, COCO, VOC, LabelMe, CVAT, masks, ...
resblock train CONFIG --val-loss --early-stop val_loss:3
resblock train CONFIG --resume                      # after an interruption
resblock train CONFIG --cfg-options model.backbone.depth=34
"""

from __future__ import annotations

import argparse

from ...files.shipped_configs import find_config
from ...options.errors import InputError
from ..arguments import (
    add_config_options,
    add_launcher,
    read_config_options,
    require_mm_packages,
    take_local_rank,
)

#: What goes with `--data`.
DATA_OPTIONS = ("model", "depth", "width", "epochs", "imgsz", "batch", "format", "seed")
INTERRUPTED = "interrupted; --resume continues from the last checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("config", nargs="?", help="a config file, or the name of a shipped one")
    add_data_arguments(parser)
    parser.add_argument(
        "--work-dir", help="folder for logs and checkpoints [work_dirs/<config name>]"
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="continue from this checkpoint, or from the newest in the work folder",
    )
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision (bfloat16 without a GPU)"
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate to the batch size, from auto_scale_lr.base_batch_size",
    )
    parser.add_argument(
        "--val-loss", action="store_true", help="also compute the losses of the validation set"
    )
    parser.add_argument(
        "--early-stop",
        metavar="METRIC[:PATIENCE]",
        help="end after this many validations [5] without a better value, e.g. bbox_mAP:3, mIoU, "
        "val_loss",
    )
    add_config_options(parser)
    add_launcher(parser)


def run(given: argparse.Namespace) -> None:
    """Train."""
    require_mm_packages()
    from ...openmmlab.training.launch import train
    from ...openmmlab.training.processes import deaths_explained

    options = vars(given)
    take_local_rank(options)
    options["cfg_options"] = read_config_options(given.cfg_options)
    wishes = {name: options.pop(name) for name in DATA_OPTIONS}
    path = options.pop("data")
    if (path is None) == (given.config is None):
        raise InputError("what to train? give a config, or --data and a folder")
    if path is None:
        unused = [name for name, value in wishes.items() if value is not None]
        if unused:
            raise InputError(f"--{unused[0]}: goes with --data")
        options["config"] = find_config(given.config)
        with deaths_explained():
            train(**options)
        return
    from ...openmmlab.training.from_data import train_on_data

    if options.pop("auto_scale_lr"):
        raise InputError("--auto-scale-lr: with --data the learning rate follows the batch")
    del options["config"]
    with deaths_explained():
        train_on_data(path, **options, **{name: v for name, v in wishes.items() if v is not None})


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """`--data` and what goes with it."""
    group = parser.add_argument_group("a folder of images and annotations in place of a config")
    group.add_argument("--data", metavar="PATH", help="the folder, in any known format")
    models = ["faster-rcnn", "mask-rcnn", "retinanet", "fcos", "deeplabv3plus"]
    group.add_argument("--model", choices=models, help="[chosen by the annotations]")
    group.add_argument("--depth", type=int, help="depth of the backbone [18]")
    group.add_argument("--width", type=float, help="factor on the backbone's channels [0.5]")
    group.add_argument("--epochs", type=int, help="[chosen by the number of images]")
    group.add_argument(
        "--imgsz", type=int, help="longer side of the images [from the data, 128 to 640]"
    )
    group.add_argument("--batch", type=_batch, help="batch size, or auto [auto]")
    group.add_argument("--format", help="format of the annotations, where the folder has several")
    group.add_argument("--seed", type=int, help="seed of the split, where the folder has none [0]")


def _batch(text: str) -> int | str:
    return text if text == "auto" else int(text)
