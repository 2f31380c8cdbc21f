"""Write a config that trains the model of another config on a folder of images and annotations.

resblock new data/pets --base faster-rcnn_flexr50_fpn_1x_coco > pets.py
resblock train pets.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..arguments import require_mm_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("data", help="the folder, in any known format")
    parser.add_argument(
        "--base", required=True, metavar="CONFIG", help="config whose model is trained"
    )
    parser.add_argument(
        "--out", help="folder for the annotations that the config names [data/<folder>_coco]"
    )
    parser.add_argument("--format", help="format of the annotations, where the folder has several")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the split, where the folder has none [0]"
    )


def run(given: argparse.Namespace) -> None:
    """Write it to stdout."""
    require_mm_packages()
    from ...openmmlab.training.from_data import new_config

    out = given.out or str(Path("data") / f"{Path(given.data).resolve().stem}_coco")
    text = new_config(given.data, base=given.base, out=out, format=given.format, seed=given.seed)
    print(text, end="")
