"""Make the `shapes` data set: images, COCO boxes and masks, label maps.

resblock shapes                                     # in data/shapes, which the configs use
resblock shapes --out data/small --train 40 --val 8
"""

from __future__ import annotations

import argparse
import time

INTERRUPTED = "interrupted; no files remain"
MISTAKES = (ValueError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    from ...data.shapes import ShapesInfo

    default = ShapesInfo()
    parser.add_argument("--out", default="data/shapes", help="the output folder [data/shapes]")
    parser.add_argument(
        "--train", type=int, default=default.train, help="training images [%(default)s]"
    )
    parser.add_argument(
        "--val", type=int, default=default.val, help="validation images [%(default)s]"
    )
    parser.add_argument(
        "--size", type=int, default=default.size, help="side, in pixels [%(default)s]"
    )
    parser.add_argument(
        "--seed", type=int, default=default.seed, help="seed of the images [%(default)s]"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a data set with other settings"
    )


def run(given: argparse.Namespace) -> None:
    """Make it."""
    from ...data.shapes import make_shapes

    started = time.monotonic()
    if make_shapes(**vars(given)):
        print(f"{given.out}: made in {time.monotonic() - started:.1f} s")
    else:
        print(f"{given.out}: already exists with these settings; nothing to do")
