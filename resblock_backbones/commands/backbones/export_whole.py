"""The part of `resblock export` that writes a whole model."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from ...options.errors import InputError


def export_whole(given: argparse.Namespace) -> None:
    """Export the model of a config and a checkpoint."""
    from ...deploy.models.export_model import export_model
    from ...files.shipped_configs import find_config
    from ..arguments import read_config_options, require_mm_packages

    if given.to not in ("onnx", "pt2"):
        raise InputError(f"--to {given.to}: a whole model is written as onnx or pt2")
    if given.int8 and (given.to != "onnx" or not given.calibrate):
        raise InputError("--int8: is for --to onnx, and needs --calibrate IMAGES")
    if given.int8 and given.fp16:
        raise InputError("--int8, --fp16: give one of them")
    require_mm_packages(f"{given.config}")
    from ...openmmlab.export.of_config import whole_of_config

    ready, text = whole_of_config(
        find_config(given.config),
        given.checkpoint,
        raw_masks=given.raw_masks,
        logits=given.logits,
        fp16=given.fp16,
        cfg_options=read_config_options(given.cfg_options),
        note=lambda line: print(line, file=sys.stderr),
    )
    out = given.out or Path(f"{Path(given.config).stem}.{given.to}")
    done = export_model(
        ready,
        out,
        given.to,
        input_type=given.input,
        static=static_size(given.static),
        opset=given.opset,
        config=text,
        replace=given.force,
        progress=lambda step: print(f"{step} ...", file=sys.stderr, flush=True),
    )
    print("the file against the model:\n")
    print(done)
    if given.int8:
        write_int8_if_good(given, out)
    card = done.card
    print(f"\n{done.path}: {done.size / 2**20:.1f} MiB, {card.model}, input 'images', outputs:")
    print(f"  {', '.join(card.outputs)}")


def write_int8_if_good(given: argparse.Namespace, file: Path) -> None:
    """Write the model in int8 beside the file, if the config's metric stays.

    Raises:
        InputError: the metric falls by more than allowed.
    """
    import tempfile

    from ...data.image_files import find_images
    from ...files.shipped_configs import find_config
    from ...files.whole import write_whole
    from ...openmmlab.training.launch import test
    from ...prediction.int8 import write_int8
    from ..arguments import read_config_options

    target = file.with_name(f"{file.stem}-int8.onnx")
    images = [one.path for one in find_images(given.calibrate)]
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / target.name
        size = write_int8(file, small, images, progress=lambda step: print(step, file=sys.stderr))
        scores = [
            main_metric(
                test(
                    find_config(given.config),
                    str(one),
                    work_dir=folder,
                    cfg_options=read_config_options(given.cfg_options),
                )
            )
            for one in (file, small)
        ]
        (name, before), (_, after) = scores
        if before - after > given.max_drop:
            raise InputError(
                f"--int8: {name} falls from {before:.4f} to {after:.4f}, by more than --max-drop "
                f"{given.max_drop}; {file} is there, {target} is not"
            )
        write_whole(target, small.read_bytes())
    print(f"\n{target}: {size / 2**20:.1f} MiB, {name} {after:.4f} (float32 {before:.4f})")


def main_metric(metrics: Mapping[str, float]) -> tuple[str, float]:
    """The metric that a model is judged by, in 0 to 1.

    >>> main_metric({"coco/bbox_mAP": 0.4, "coco/bbox_mAP_50": 0.6})
    ('coco/bbox_mAP', 0.4)
    >>> main_metric({"aAcc": 90.0, "mIoU": 80.5})
    ('mIoU', 0.805)
    """
    for ending, scale in (("segm_mAP", 1), ("bbox_mAP", 1), ("mAP", 1), ("mIoU", 100)):
        for name, value in metrics.items():
            if name.endswith(ending):
                return name, float(value) / scale
    raise InputError(f"--int8: no mAP and no mIoU among the metrics ({', '.join(metrics)})")


def static_size(text: str | None) -> tuple[int, int] | None:
    """Height and width of ``640x480``.

    >>> static_size("640x480")
    (640, 480)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if found is None or not all(map(int, found.groups())):
        raise InputError(f"--static {text}: must be height and width, as 640x640")
    return int(found[1]), int(found[2])
