"""Check the data of a config, or a folder of images and annotations, to the last value.

resblock check CONFIG                   # the data sets of a config, as a run will use them
resblock check data/pets                # a folder, whatever it was annotated with
resblock check data/pets --fix repaired # and a copy with unambiguous faults repaired

The exit status is 2 where training would stop or would learn something other than intended
(lines that begin with "error"), and 0 where there are only warnings and notes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...data.errors import DatasetError
from ...files.shipped_configs import find_config
from ...options.errors import InputError
from ..arguments import add_config_options, read_config_options, require_mm_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("data", metavar="CONFIG|DATA", help="a config, a folder, or a COCO file")
    parser.add_argument(
        "--fix",
        metavar="OUT",
        help="write a copy of the annotations, with unambiguous faults repaired, to this folder",
    )
    parser.add_argument("--format", help="format to check, where the folder has several")
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Check."""
    path = Path(given.data).expanduser()
    if path.is_dir() or path.suffix.lower() == ".json" or (path.is_file() and path.suffix != ".py"):
        if given.cfg_options:
            raise InputError("--cfg-options: needs a config")
        _check_folder(path, given.format, given.fix)
        return
    for name in ("fix", "format"):
        if getattr(given, name):
            message = f"--{name}: takes a folder or an annotation file, and {path} is a config"
            raise InputError(message)
    _check_config(given)


def _check_folder(path: Path, format: str | None, fix: str | None) -> None:
    from ...data.formats.checking import check_folder

    report = check_folder(path, format=format, fix=None if fix is None else Path(fix))
    for line in [*report.tables, *report.lines(), *(f"written: {one}" for one in report.written)]:
        print(line)
    report.refuse_errors()


def _check_config(given: argparse.Namespace) -> None:
    require_mm_packages()
    from ...openmmlab.configs.read import read_config
    from ...openmmlab.datasets.dataset_checks import check_datasets

    cfg = read_config(find_config(given.data), read_config_options(given.cfg_options))
    loaders = [f"{split}_dataloader" for split in ("train", "val", "test")]
    used = [name for name in loaders if cfg.get(name)]
    result = check_datasets(cfg, used, write=False, refuse=False)
    errors = result.errors or []
    # A single one is told at the end alone.
    lines = [f"error: {one}" for one in errors[: len(errors) * (len(errors) > 1)]]
    lines += [f"warning: {one}" for one in result.warnings]
    for line in [*result.tables, *lines, *(f"note: {one}" for one in result.notes)]:
        print(line)
    if errors:
        more = f"; other kinds of mistakes: {len(errors) - 1}" if len(errors) > 1 else ""
        raise DatasetError(errors[0] + more)
