"""The command lines of `tools/`: arguments in, exit status out.

A mistake in what was given is one line and exit status 2; an interrupted run is 130; the end of
another process of a run is one line and 1; anything else is unexpected and keeps its traceback.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: What the tools need beside torch, and which extra brings it.
MM_PACKAGES = ("mmengine", "mmcv", "mmdet", "mmseg")


def train_command(arguments: Sequence[str] | None = None) -> int:
    """`tools/train.py`: train the model of a config.

    Args:
        arguments: what was typed after the script's name; default: this process's.

    Returns:
        The exit status: 0, 2 for a mistake in what was given, 130 when interrupted.
    """
    parser = argparse.ArgumentParser(prog="train.py", description="Train the model of a config.")
    parser.add_argument("config", help="the config file")
    parser.add_argument("--work-dir", help="for logs and checkpoints [work_dirs/<config name>]")
    parser.add_argument(
        "--resume",
        nargs="?",
        const="auto",
        metavar="CHECKPOINT",
        help="go on from this checkpoint, or from the newest in the work folder",
    )
    parser.add_argument(
        "--amp", action="store_true", help="mixed precision (bfloat16 without a GPU)"
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate to the batch size, from auto_scale_lr.base_batch_size",
    )
    _add_shared_arguments(parser)

    def run(given: dict[str, Any]) -> None:
        from ..openmmlab.training.launch import train

        train(**given)

    return _run(parser, arguments, run)


def test_command(arguments: Sequence[str] | None = None) -> int:
    """`tools/test.py`: test a checkpoint with the model of a config.

    Args and returns as :func:`train_command`.
    """
    parser = argparse.ArgumentParser(prog="test.py", description="Test a checkpoint of a model.")
    parser.add_argument("config", help="the config file")
    parser.add_argument("checkpoint", help="the checkpoint file")
    parser.add_argument("--work-dir", help="for logs [work_dirs/<config name>]")
    parser.add_argument("--out", metavar="FILE.pkl", help="write the predictions to this file")
    parser.add_argument("--show", action="store_true", help="show the predictions in a window")
    parser.add_argument("--show-dir", help="write images with the predictions to this folder")
    parser.add_argument(
        "--wait-time", type=float, default=2, metavar="SECONDS", help="how long a window stays [2]"
    )
    _add_shared_arguments(parser)

    def run(given: dict[str, Any]) -> None:
        from ..openmmlab.training.launch import test

        test(**given)

    return _run(parser, arguments, run)


def predict_command(arguments: Sequence[str] | None = None) -> int:
    """`tools/predict.py`: ask a trained model about images and videos.

    Args and returns as :func:`train_command`.
    """
    parser = argparse.ArgumentParser(
        prog="predict.py",
        description="Write what a trained detector or segmentation model sees in images: "
        "drawn over them, and as COCO JSON or PNG label maps.",
    )
    parser.add_argument("config", help="the config file")
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
    _add_config_arguments(parser)

    def run(given: dict[str, Any]) -> None:
        from ..openmmlab.prediction.predict import predict

        done = predict(**given)
        for note in done.notes:
            print(note, file=sys.stderr)
        objects = "" if done.objects is None else f", {done.objects} objects"
        print(f"{done.images} images{objects}: {', '.join(map(str, done.files))}")

    return _run(parser, arguments, run, interrupted="interrupted; files that are there are whole")


def list_configs_command(arguments: Sequence[str] | None = None) -> int:
    """`tools/list_configs.py`: write the page that lists all configs, or check that it is new.

    Args and returns as :func:`train_command`.
    """
    parser = argparse.ArgumentParser(
        prog="list_configs.py", description="List all configs with what they cost and gave."
    )
    parser.add_argument("--configs", default="configs", help="the folder of configs [configs]")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 2 when the page is old"
    )
    given = parser.parse_args(arguments)
    if missing := missing_packages():
        return _refuse(missing)

    from ..console.progress import Progress
    from ..files.whole import write_whole
    from ..openmmlab.configs.table import config_files, format_page, read_rows, read_runs
    from ..options.errors import InputError

    folder = Path(given.configs)
    page = folder / "README.md"
    try:
        with Progress(total=len(config_files(folder)), title="configs") as shown:
            text = format_page(read_rows(folder, shown.step), read_runs(folder))
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    except InputError as error:
        return _refuse(str(error))
    if not given.check:
        write_whole(page, text.encode())
    elif not page.is_file() or page.read_text() != text:
        return _refuse(f"{page}: not as the configs are; python tools/list_configs.py writes it")
    print(page)
    return 0


def _add_shared_arguments(parser: argparse.ArgumentParser) -> None:
    _add_config_arguments(parser)
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def _add_config_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        metavar="KEY=VALUE",
        help="change the config, e.g. model.backbone.depth=34 or optim_wrapper.optimizer.lr=0.01; "
        'lists as key="[a,b]" or key=a,b',
    )
    parser.add_argument(
        "--traceback", action="store_true", help="show where a mistake was found, not only what"
    )


def _run(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    run: Callable[[dict[str, Any]], None],
    interrupted: str = "interrupted; --resume goes on from the last checkpoint",
) -> int:
    given = vars(parser.parse_args(arguments))
    show_traceback = given.pop("traceback")
    # torch.distributed.launch gives the rank as an argument, torchrun in the environment.
    os.environ.setdefault("LOCAL_RANK", str(given.pop("local_rank", 0)))
    if missing := missing_packages():
        return _refuse(missing)

    from ..openmmlab.configs.cfg_options import parse_options
    from ..openmmlab.training.processes import explain_death
    from ..options.errors import InputError

    try:
        if given["cfg_options"] is not None:
            given["cfg_options"] = parse_options(given["cfg_options"])
        run(given)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130
    except (InputError, FileNotFoundError) as error:
        if show_traceback:
            traceback.print_exc()
            return 2
        return _refuse(str(error))
    except RuntimeError as error:
        death = explain_death(error)
        if death is None or show_traceback:
            raise
        return _refuse(death, status=1)
    return 0


def missing_packages() -> str:
    """What to say of the packages that configs need and that are not installed; else nothing."""
    missing = [name for name in MM_PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return ""
    return (
        f"{', '.join(missing)}: not installed; pip install 'resblock_backbones[onedl]' "
        "brings MMEngine, MMCV, MMDetection and MMSegmentation"
    )


def _refuse(message: str, status: int = 2) -> int:
    rank = os.environ.get("RANK", "0")
    where = "" if rank == "0" else f" [rank {rank}]"
    print(f"error{where}: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return status
