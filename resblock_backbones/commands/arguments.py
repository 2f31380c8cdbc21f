"""Arguments that several commands share, and the packages that configs need."""

from __future__ import annotations

import argparse
import importlib.util
import os
import warnings
from collections.abc import Sequence
from typing import Any

from ..options.errors import InputError

#: The packages that configs need besides torch; an extra installs all of them.
MM_PACKAGES = ("mmengine", "mmcv", "mmdet", "mmseg")


def require_mm_packages(purpose: str | None = None, packages: Sequence[str] = MM_PACKAGES) -> None:
    """Raise an error if packages that configs need are missing.

    Args:
        purpose: the argument that needs them, for the message.
        packages: their import names.

    Raises:
        InputError: some are not installed, or cannot be imported; says the cure.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        needed = f"{purpose}: " if purpose else ""
        raise InputError(
            f"{needed}{', '.join(missing)}: not installed; pip install "
            "'resblock_backbones[onedl]' installs MMEngine, MMCV, MMDetection and MMSegmentation"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the line below says it all
        from ..openmmlab.versions.faults import first_fault

    fault = first_fault(packages)
    if fault is not None:
        raise InputError(str(fault))


def add_config_options(parser: argparse._ActionsContainer) -> None:
    """`--cfg-options`."""
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="change the config, e.g. model.backbone.depth=34 or optim_wrapper.optimizer.lr=0.01; "
        'lists as key="[a,b]" or key=a,b, dicts as key="dict(type=\'GN\', num_groups=8)"',
    )


def add_weights_parts(parser: argparse._ActionsContainer) -> None:
    """`--prefix` and `--bands`: which of a checkpoint's tensors, which of their channels."""
    parser.add_argument("--prefix", help="of the backbone's names in the weights [detected]")
    parser.add_argument(
        "--bands",
        type=read_bands,
        metavar="N,N,...",
        help="for each input channel of the network, the number that it has in the weights, from "
        "0, or none: 3,2,1 takes red, green and blue of weights for Sentinel-2's 13 bands",
    )


def read_bands(text: str) -> tuple[int | None, ...]:
    """Numbers of input channels, as they are typed.

    >>> read_bands("3,2,1"), read_bands("0,1,2,none")
    ((3, 2, 1), (0, 1, 2, None))
    """
    parts = [part.strip().lower() for part in text.strip("()[] ").split(",")]
    if not all(part == "none" or (part.isascii() and part.isdigit()) for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r}: write numbers of the weights' channels from 0, or none, as 3,2,1"
        )
    return tuple(None if part == "none" else int(part) for part in parts)


def read_config_options(pairs: Sequence[str] | None) -> dict[str, Any] | None:
    """The changes of `--cfg-options`; None if it was not given."""
    from ..openmmlab.configs.cfg_options import parse_options

    return None if pairs is None else parse_options(pairs)


def add_views(parser: argparse._ActionsContainer) -> None:
    """`--tta` and `--tta-scales`."""
    parser.add_argument(
        "--tta",
        action="store_true",
        help="test-time augmentation: the config's, else the image and its mirror image",
    )
    parser.add_argument(
        "--tta-scales",
        nargs="+",
        type=float,
        metavar="FACTOR",
        help="the same at several sizes, such as 0.75 1 1.25 times the usual one",
    )


def views_given(given: argparse.Namespace) -> Sequence[float] | None:
    """The scales of test-time augmentation, empty for the usual one; None where none is asked."""
    return given.tta_scales or (() if given.tta else None)


def add_launcher(parser: argparse.ArgumentParser) -> None:
    """`--launcher`, and the rank that a launcher passes."""
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def take_local_rank(given: dict[str, Any]) -> None:
    """torch.distributed.launch gives the rank as an argument, torchrun in the environment."""
    os.environ.setdefault("LOCAL_RANK", str(given.pop("local_rank")))
