"""Write a page about what a trained model gets right and wrong.

Of detectors: average precision of each class and size, precision-recall curves, the best score
thresholds, a confusion matrix, kinds of errors, and the worst images drawn. Of segmentors: IoU of
each class, a confusion matrix, errors at borders, images by IoU, and the worst of them drawn.

resblock analyse CONFIG CHECKPOINT             # work_dirs/<config name>/analyse/index.html
resblock analyse CONFIG --predictions predictions.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...files.shipped_configs import find_config
from ..arguments import add_config_options, read_config_options, require_mm_packages

MAIN_NUMBERS = ("bbox AP", "bbox AP50", "segm AP", "segm AP50", "threshold", "mIoU", "aAcc", "mAcc")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("config", help="a config file, or the name of a shipped one")
    parser.add_argument("checkpoint", nargs="?", help="the checkpoint file, or an .onnx file")
    parser.add_argument(
        "--predictions",
        metavar="FILE",
        help="in place of a checkpoint: the folder or the predictions.json of `resblock predict`, "
        "FILE.pkl of `resblock test --out`, or COCO results",
    )
    parser.add_argument("--out", help="the output folder [work_dirs/<config name>/analyse]")
    parser.add_argument("--split", choices=["train", "val", "test"], default="test")
    parser.add_argument("--worst", type=int, default=20, help="images to draw [20]")
    parser.add_argument(
        "--score-threshold",
        type=float,
        metavar="SCORE",
        help="leave objects with lower scores out of the confusion matrix and the drawings [the "
        "score with the best F1]",
    )
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    parser.add_argument("--force", action="store_true", help="replace existing files")
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Analyse."""
    require_mm_packages()
    from ...openmmlab.analysis.analyse import analyse
    from ...openmmlab.training.processes import deaths_explained

    config = find_config(given.config)
    out = given.out or str(Path("work_dirs", Path(config).stem, "analyse"))
    with deaths_explained():
        report, numbers = analyse(
            config,
            out,
            checkpoint=given.checkpoint,
            predictions=given.predictions,
            split=given.split,
            worst=given.worst,
            score_threshold=given.score_threshold,
            device=given.device,
            force=given.force,
            cfg_options=read_config_options(given.cfg_options),
        )
    for level, line in report.worst_first():
        print(f"{level}: {line}")
    told = [f"{name} {value:.3f}" for name, value in numbers.items() if name in MAIN_NUMBERS]
    print(", ".join(told))
    print(f"{Path(out, 'index.html')}: open it in a browser")
