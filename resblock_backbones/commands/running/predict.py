"""Predict images and videos with a trained detector or segmentation model.

Predictions are drawn over the images, and written as COCO JSON or PNG label maps.

resblock predict CONFIG CHECKPOINT photos/ 'more/*.jpg' clip.mp4 --out predictions
"""

from __future__ import annotations

import argparse
import sys

from ...files.shipped_configs import find_config
from ..arguments import add_config_options, read_config_options, require_mm_packages

INTERRUPTED = "interrupted; the files written so far are complete"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("config", help="a config file, or the name of a shipped one")
    parser.add_argument("checkpoint", help="the checkpoint file")
    parser.add_argument("images", nargs="+", help="image files, folders, glob patterns, videos")
    parser.add_argument("--out", required=True, help="the output folder")
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="SCORE",
        help="leave out objects with a lower score [0.3]",
    )
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    parser.add_argument("--batch-size", type=int, default=1, help="images in a batch [1]")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Predict."""
    require_mm_packages()
    from ...openmmlab.prediction.predict import predict
    from ...openmmlab.training.processes import deaths_explained

    options = vars(given)
    options["config"] = find_config(given.config)
    options["cfg_options"] = read_config_options(given.cfg_options)
    with deaths_explained():
        done = predict(**options)
    for note in done.notes:
        print(note, file=sys.stderr)
    objects = "" if done.objects is None else f", {done.objects} objects"
    print(f"{done.images} images{objects}: {', '.join(map(str, done.files))}")
