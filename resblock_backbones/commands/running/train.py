"""Train the model of a config.

resblock train CONFIG
resblock train CONFIG --resume                      # after an interruption
resblock train CONFIG --cfg-options model.backbone.depth=34
"""

from __future__ import annotations

import argparse

from ...files.shipped_configs import find_config
from ..arguments import (
    add_config_options,
    add_launcher,
    read_config_options,
    require_mm_packages,
    take_local_rank,
)

INTERRUPTED = "interrupted; --resume continues from the last checkpoint"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("config", help="a config file, or the name of a shipped one")
    parser.add_argument("--work-dir", help="for logs and checkpoints [work_dirs/<config name>]")
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
    add_config_options(parser)
    add_launcher(parser)


def run(given: argparse.Namespace) -> None:
    """Train."""
    require_mm_packages()
    from ...openmmlab.training.launch import train
    from ...openmmlab.training.processes import deaths_explained

    options = vars(given)
    take_local_rank(options)
    options["config"] = find_config(given.config)
    options["cfg_options"] = read_config_options(given.cfg_options)
    with deaths_explained():
        train(**options)
