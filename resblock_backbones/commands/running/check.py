"""Check the data of a config, or a folder of images and annotations, to the last value.

resblock check CONFIG                   # the data sets of a config, as a run will use them
resblock check data/pets                # a folder, whatever it was annotated with
resblock check data/pets --fix mended   # and a copy in which what is certain is mended
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...files.shipped_configs import find_config
from ...options.errors import InputError
from ..arguments import add_config_options, read_config_options, require_mm_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("data", metavar="CONFIG|DATA", help="a config, a folder, or a COCO file")
    parser.add_argument(
        "--fix",
        metavar="OUT",
        help="write a copy of the annotations to this folder, in which what is certain is mended",
    )
    add_config_options(parser)


def run(given: argparse.Namespace) -> None:
    """Check."""
    path = Path(given.data).expanduser()
    if path.is_dir() or path.suffix.lower() == ".json" or (path.is_file() and path.suffix != ".py"):
        if given.cfg_options:
            raise InputError("--cfg-options: goes with a config")
        _check_folder(path, given.fix)
        return
    if given.fix:
        raise InputError(f"--fix: takes a folder or an annotation file, and {path} is a config")
    _check_config(given)


def _check_folder(path: Path, fix: str | None) -> None:
    from ...data.formats.checking import check_folder

    report = check_folder(path, fix=None if fix is None else Path(fix))
    for line in [*report.tables, *report.lines(), *(f"written: {one}" for one in report.written)]:
        print(line)
    report.refuse_errors()


def _check_config(given: argparse.Namespace) -> None:
    require_mm_packages()
    from ...openmmlab.configs.read import read_config
    from ...openmmlab.datasets.dataset_checks import check_datasets

    cfg = read_config(find_config(given.data), read_config_options(given.cfg_options))
    loaders = [f"{split}_dataloader" for split in ("train", "val", "test")]
    result = check_datasets(cfg, [name for name in loaders if cfg.get(name)], write=False)
    for line in [*result.tables, *(f"warning: {one}" for one in result.warnings)]:
        print(line)
    for line in result.notes:
        print(f"note: {line}")
