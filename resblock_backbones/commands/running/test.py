"""Test a checkpoint of the model of a config.

resblock test CONFIG work_dirs/mine/epoch_12.pth
resblock test CONFIG model.onnx                 # of `resblock export`
resblock test CONFIG epoch_12.pth --tta
resblock test CONFIG epoch_12.pth --show-dir drawn --out predictions.pkl
"""

from __future__ import annotations

import argparse

from ...files.shipped_configs import find_config
from ..arguments import (
    add_config_options,
    add_launcher,
    add_views,
    read_config_options,
    require_mm_packages,
    take_local_rank,
    views_given,
)

INTERRUPTED = "interrupted; no metrics were computed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("config", help="a config file, or the name of a shipped one")
    parser.add_argument("checkpoint", help="the checkpoint file, or an .onnx file")
    parser.add_argument("--work-dir", help="folder for logs [work_dirs/<config name>]")
    parser.add_argument("--out", metavar="FILE.pkl", help="write the predictions to this file")
    parser.add_argument("--show", action="store_true", help="show the predictions in a window")
    parser.add_argument("--show-dir", help="write images with predictions to this folder")
    parser.add_argument(
        "--wait-time",
        type=float,
        default=2,
        metavar="SECONDS",
        help="how long a window stays open [2]",
    )
    add_views(parser)
    add_config_options(parser)
    add_launcher(parser)


def run(given: argparse.Namespace) -> None:
    """Test."""
    require_mm_packages()
    from ...openmmlab.training.launch import test
    from ...openmmlab.training.processes import deaths_explained

    views = views_given(given)
    options = {k: v for k, v in vars(given).items() if k not in ("tta", "tta_scales")}
    options["views"] = views
    take_local_rank(options)
    options["config"] = find_config(given.config)
    options["cfg_options"] = read_config_options(given.cfg_options)
    with deaths_explained():
        test(**options)
