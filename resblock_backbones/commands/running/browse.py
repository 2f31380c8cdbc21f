"""Write a page that shows what the model of a config will see.

Images after the training pipeline with their annotations, the stored ones beside them, and
statistics of the whole set; what stands out is listed at the head of the page.

resblock browse CONFIG                       # work_dirs/<config name>/browse/index.html
resblock browse CONFIG --images 40 --draws 5 --out look
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...files.shipped_configs import find_config
from ..arguments import add_config_options, read_config_options, require_mm_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("config", help="a config file, or the name of a shipped one")
    parser.add_argument("--out", help="the output folder [work_dirs/<config name>/browse]")
    parser.add_argument("--split", choices=["train", "val", "test"], default="train")
    parser.add_argument("--images", type=int, default=12, help="images to draw [12]")
    parser.add_argument(
        "--draws",
        type=int,
        default=3,
        help="random draws of the training pipeline for each image [3]",
    )
    parser.add_argument(
        "--sample", type=int, default=300, help="images in the statistics after the pipeline [300]"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the draws [0]")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Browse."""
    require_mm_packages()
    from ...openmmlab.analysis.browse import browse

    config = find_config(given.config)
    out = given.out or str(Path("work_dirs", Path(config).stem, "browse"))
    report = browse(
        config,
        out,
        split=given.split,
        images=given.images,
        draws=given.draws,
        sample=given.sample,
        seed=given.seed,
        force=given.force,
        cfg_options=read_config_options(given.cfg_options),
    )
    for level, line in report.worst_first():
        print(f"{level}: {line}")
    print(f"{Path(out, 'index.html')}: open it in a browser")
