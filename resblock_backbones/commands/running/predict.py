"""Predict images and videos with a trained detector or segmentation model.

Predictions are drawn over the images, and written as COCO JSON or PNG label maps.

resblock predict CONFIG CHECKPOINT photos/ 'more/*.jpg' clip.mp4 --out predictions
resblock predict CONFIG CHECKPOINT map.tif --slice 640 --overlap 0.2 --out predictions
resblock predict MODEL.onnx photos/ --out predictions    # of `resblock export`; no MM packages
resblock predict FOLDER photos/ --out predictions        # of `resblock share`, or hf-hub:user/name
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ...files.shipped_configs import find_config
from ...options.errors import InputError
from ..arguments import (
    add_config_options,
    add_views,
    read_config_options,
    require_mm_packages,
    views_given,
)

if TYPE_CHECKING:
    from ...prediction.slices import Slices
    from ...prediction.write import PredictionSummary

INTERRUPTED = "interrupted; the files written so far are complete"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "config",
        metavar="CONFIG CHECKPOINT | MODEL.onnx | FOLDER",
        help="a config, and a checkpoint",
    )
    parser.add_argument("images", nargs="+", help="image files, folders, glob patterns, videos")
    parser.add_argument("--out", required=True, help="the output folder")
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="SCORE",
        help="leave out objects with a lower score [0.3]",
    )
    parser.add_argument(
        "--slice",
        type=int,
        metavar="SIDE",
        help="predict slices of this many pixels and merge them: large images, small objects",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        metavar="PART",
        help="part of a slice's side that neighbours share [0.2]",
    )
    add_views(parser)
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    parser.add_argument("--batch-size", type=int, default=1, help="images in a batch [1]")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Predict."""
    from ...prediction.predictor import is_stored

    whole = given.config.endswith(".onnx") or is_stored(given.config)
    done = _of_file(given) if whole else _of_config(given)
    for note in done.notes:
        print(note, file=sys.stderr)
    objects = "" if done.objects is None else f", {done.objects} objects"
    print(f"{done.images} images{objects}: {', '.join(map(str, done.files))}")


def _of_file(given: argparse.Namespace) -> PredictionSummary:
    """With a model that is whole: an `.onnx` file, a folder or a repository."""
    from ...prediction.write import predict_files

    exported = given.config.endswith(".onnx")
    if exported and given.device is not None:
        raise InputError(f"--device: is for the model of a config, and {given.config} is none")
    if exported and views_given(given) is not None:
        from ...prediction.predictor import NO_VIEWS

        raise InputError(f"--tta: {given.config}: {NO_VIEWS}")
    if given.cfg_options is not None:
        raise InputError(f"--cfg-options: is for a config, and {given.config} is none")
    return predict_files(
        lambda: _opened(given, exported),
        given.images,
        given.out,
        score_threshold=given.score_threshold,
        batch_size=given.batch_size,
        force=given.force,
        slices=_slices(given),
    )


def _slices(given: argparse.Namespace) -> Slices | None:
    from ...prediction.slices import Slices

    if given.slice is None:
        if given.overlap is not None:
            raise InputError(f"--overlap {given.overlap:g}: is that of slices; give --slice too")
        return None
    return Slices(given.slice, 0.2 if given.overlap is None else given.overlap)


def _opened(given: argparse.Namespace, exported: bool) -> Any:
    if exported:
        from ...prediction.onnx_model import OnnxModel

        return OnnxModel(given.config, score_threshold=given.score_threshold)
    require_mm_packages()
    from ...openmmlab.hub.opened import open_stored

    return open_stored(
        given.config,
        score_threshold=given.score_threshold,
        device=given.device,
        views=views_given(given),
    )


def _of_config(given: argparse.Namespace) -> PredictionSummary:
    require_mm_packages()
    from ...openmmlab.prediction.predict import predict
    from ...openmmlab.training.processes import deaths_explained

    checkpoint, *images = given.images
    if not images:
        raise InputError("no images: give CONFIG, CHECKPOINT and images, or MODEL.onnx and images")
    views = views_given(given)
    slices = _slices(given)
    own = ("tta", "tta_scales", "slice", "overlap")
    options = {name: value for name, value in vars(given).items() if name not in own} | {
        "config": find_config(given.config),
        "checkpoint": checkpoint,
        "images": images,
        "views": views,
        "slices": slices,
        "cfg_options": read_config_options(given.cfg_options),
    }
    with deaths_explained():
        return predict(**options)
