"""List the configs of the package, print the path of one, or copy it.

resblock configs
resblock configs --path faster-rcnn_flexr18-half_fpn_shapes
resblock configs --copy faster-rcnn_flexr18-half_fpn_shapes my_config.py

A copy is one complete file, for editing. To change only a few lines, inherit
instead: _base_ = "resblock::faster_rcnn/....py".
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ...options.errors import InputError
from ..arguments import require_mm_packages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list all; the default")
    what.add_argument("--path", metavar="NAME", help="print the path of this config")
    what.add_argument(
        "--copy",
        nargs="+",
        metavar=("NAME", "FILE"),
        help="write this config as one file [NAME.py in this folder]",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    page = parser.add_argument_group("for a folder of configs, such as the repository's")
    page.add_argument("--configs", type=Path, default=Path("configs"), help="[configs]")
    page.add_argument("--page", action="store_true", help="write its README.md, which lists them")
    page.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit with status 2 if the page is outdated",
    )


def run(given: argparse.Namespace) -> None:
    """List, find or copy configs, or write their page."""
    from ...files.shipped_configs import config_names, shipped_config

    if given.page or given.check:
        _page(given.configs, check=given.check)
    elif given.path:
        print(shipped_config(given.path))
    elif given.copy:
        _copy(*given.copy, replace=given.force)
    else:
        print("\n".join(config_names()))


def _copy(name: str, file: str | None = None, *more: str, replace: bool) -> None:
    from ...files.shipped_configs import shipped_config
    from ...files.whole import write_whole

    if more:
        raise InputError(f"--copy {name} {file} {' '.join(more)}: give a name and one file")
    source = shipped_config(name)
    out = Path(file or source.name)
    if out.is_dir():
        out /= source.name
    if out.exists() and not replace:
        raise InputError(f"{out}: already exists; --force replaces it")
    require_mm_packages("--copy", ["mmengine"])
    from ...openmmlab.configs.flat import flat_config

    write_whole(out, flat_config(source).encode())
    print(out)


def _page(folder: Path, *, check: bool) -> None:
    require_mm_packages()
    from ...console.progress import Progress
    from ...files.shipped_configs import config_files
    from ...files.whole import write_whole
    from ...openmmlab.configs.table import format_page, read_rows, read_runs

    page = folder / "README.md"
    with Progress(total=len(config_files(folder)), title="configs") as shown:
        text = format_page(read_rows(folder, shown.step), read_runs(folder))
    if not check:
        write_whole(page, text.encode())
    elif not page.is_file() or page.read_text() != text:
        raise InputError(f"{page}: is outdated; python tools/list_configs.py writes it")
    print(page)
