"""Write what a trained detector or segmentation model predicts.

For images and videos: drawn over them, and as COCO JSON or PNG label maps.

resblock predict CONFIG CHECKPOINT photos/ 'more/*.jpg' clip.mp4 --out predictions
"""

from __future__ import annotations

import argparse
import sys

from ...files.shipped_configs import find_config
from ..arguments import add_config_options, read_config_options, require_mm_packages

INTERRUPTED = "interrupted; files that are there are whole"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument("config", help="the config file, or the name of one that comes along")
    parser.add_argument("checkpoint", help="the checkpoint file")
    parser.add_argument(
        "images", nargs="+", help="image files, folders, patterns with stars, videos"
    )
    parser.add_argument("--out", required=True, help="the folder to write to")
    parser.add_argument(
        "--score-threshold",
        type=float,
        default=0.3,
        metavar="SCORE",
        help="leave out objects below it [0.3]",
    )
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    parser.add_argument("--batch-size", type=int, default=1, help="images at once [1]")
    parser.add_argument("--force", action="store_true", help="replace what is there")
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
