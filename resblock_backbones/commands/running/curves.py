"""Plot several training runs together: losses, scores, learning rates, memory.

resblock curves work_dirs/a work_dirs/b --out curves.png
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ...options.errors import InputError

FORMATS = (".png", ".svg", ".pdf", ".jpg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUN",
        help="work folders of training runs; of a folder that was used several times, the last run",
    )
    parser.add_argument("--out", default="curves.png", help="the image to write [curves.png]")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(given: argparse.Namespace) -> None:
    """Plot the runs."""
    from ...openmmlab.training.plots import plot_runs
    from ...openmmlab.training.report import History, logs_of, read_history

    out = Path(given.out)
    if out.suffix.lower() not in FORMATS:
        raise InputError(f"--out {out}: its name has to end with {', '.join(FORMATS)}")
    if out.exists() and not given.force:
        raise InputError(f"{out}: already exists; give another --out, or --force to replace it")
    runs = [Path(one) for one in dict.fromkeys(given.runs)]
    histories: dict[str, History] = {}
    for name, path in zip(names_of(runs), runs, strict=True):
        if not path.exists():
            raise InputError(f"{path}: there is no such folder")
        history = read_history(logs_of(path))
        if not history.losses:
            raise InputError(
                f"{path}: has no log of a training run (<time>/vis_data/scalars.json with losses)"
            )
        histories[name] = history
    plot_runs(histories, out)
    print(f"{out}: {', '.join(histories)}")


def names_of(runs: Sequence[Path]) -> list[str]:
    """Names of the runs: their paths without what all of them share.

    >>> names_of([Path("work_dirs/a/x"), Path("work_dirs/b/x")])
    ['a/x', 'b/x']
    >>> names_of([Path("work_dirs/a")])
    ['a']
    """
    parts = [one.resolve().parts for one in runs]
    shared = 0
    while all(len(one) > shared + 1 for one in parts) and len({one[shared] for one in parts}) == 1:
        shared += 1
    return ["/".join(one[shared:]) for one in parts]
