"""Top-1 and Top-5 error of classifiers, as a table.

The data is a folder with one subfolder for each class.

resblock imagenet --arch resnet18 resnet50 --data data/imagenet/val
resblock imagenet --arch resnet50 --weights my.pth --data data/imagenet/val
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...options.errors import InputError

if TYPE_CHECKING:
    from ...imagenet import Errors

INTERRUPTED = "interrupted"
MISTAKES = (ValueError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("--arch", nargs="+", required=True, help="names of torchvision or timm")
    parser.add_argument(
        "--weights",
        nargs="+",
        help="weights for each name: a file, or timm://..., torchvision://... [torchvision's]",
    )
    parser.add_argument(
        "--prefix",
        nargs="+",
        help="of the backbone's names in the weights, one for all or for each name [detected]",
    )
    parser.add_argument(
        "--data", required=True, type=Path, help="the folder, or one that contains val/"
    )
    parser.add_argument(
        "--preprocess", default="auto", help="preprocessing [that of the weights' family]"
    )
    parser.add_argument("--batch-size", type=int, default=64, help="images in a batch [64]")
    parser.add_argument("--workers", type=int, default=2, help="processes that read images [2]")
    parser.add_argument("--device", help="where to compute [cuda, or cpu]")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.md", help="also write the table to this file"
    )


def run(given: argparse.Namespace) -> None:
    """Measure the errors."""
    from ...imagenet import Candidate, compare
    from ...options.devices import find_device

    weights = given.weights or [f"torchvision://{name}" for name in given.arch]
    if len(weights) != len(given.arch):
        raise InputError(
            f"--weights: {len(weights)} for {len(given.arch)} names of --arch; give one each"
        )
    prefixes = given.prefix or [None]
    if len(prefixes) not in (1, len(weights)):
        raise InputError(
            f"--prefix: {len(prefixes)} for {len(weights)} names of --arch; give one, or one each"
        )
    prefixes = prefixes * (len(weights) if len(prefixes) == 1 else 1)
    done: list[Errors] = []
    try:
        compare(
            [Candidate(*row) for row in zip(given.arch, weights, prefixes, strict=True)],
            given.data,
            preprocess=given.preprocess,
            batch_size=given.batch_size,
            workers=given.workers,
            device=str(find_device(given.device)),
            on_row=done.append,
        )
    finally:  # the rows so far, also after an error or an interruption
        _show(done, given.out)


def _show(rows: list[Errors], out: Path | None) -> None:
    from ...files.whole import write_whole
    from ...imagenet import error_table

    if rows:
        table = error_table(rows)
        print(f"\n{table}")
        if out is not None:
            write_whole(out, f"{table}\n".encode())
