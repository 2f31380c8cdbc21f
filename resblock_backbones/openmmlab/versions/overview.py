"""`python -m resblock_backbones.openmmlab`: what is installed, and where operators come from."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from ...version import __version__
from .operator_sources import MISSING, find_operator_sources
from .packages import Package, compare_with_tried, describe_torch, find_packages


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables.

    Returns:
        0 where MMEngine and MMCV with operators are there, else 1.
    """
    parser = argparse.ArgumentParser(
        prog="python -m resblock_backbones.openmmlab",
        description="Print which of MMCV's operators come from where, and the versions found. "
        "The exit status is 0 where MMEngine and MMCV with operators are there, else 1.",
    )
    parser.parse_args(arguments)
    packages = find_packages()
    refusals = {one.name: _refusal(one) for one in packages}
    print(f"resblock_backbones {__version__}\n")
    _print_packages(packages, refusals)
    missing = [one.name for one in packages if one.version is None]
    if missing:
        print(
            f"{', '.join(missing)}: not installed; pip install 'resblock_backbones[onedl]' brings "
            "MMEngine, MMCV, MMDetection and MMSegmentation"
        )
    if {"mmengine", "mmcv"} & set(missing):
        return 1
    nearest, differences = compare_with_tried(packages)
    if differences:
        print(f"not tried together; nearest to {nearest}, but: {'; '.join(differences)}")
    else:
        print(f"tried together: {nearest}")
    sources = find_operator_sources()
    print(f"\nMMCV has {sources.summary}\n")
    _print_table(
        ("mmcv.ops", "from", "operators"),
        [(file, source, ", ".join(names)) for file, source, names in sources.rows],
    )
    absent = [names for _, source, names in sources.rows if source == MISSING]
    total = sum(len(names) for _, _, names in sources.rows)
    print(f"{total - sum(map(len, absent))} of {total} operators are there")
    return 0 if sources.usable and not any(refusals.values()) else 1


def _print_packages(packages: Sequence[Package], refusals: dict[str, str]) -> None:
    notes = refusals | {"torch": describe_torch()}
    _print_table(
        ("package", "version", "distribution", ""),
        [
            (
                one.name,
                one.version or "-",
                one.distribution or ("-" if one.version is None else "unknown"),
                notes[one.name],
            )
            for one in packages
        ],
    )


def _refusal(package: Package) -> str:
    """Why a package cannot be imported: MMDetection and MMSegmentation check others' versions."""
    if package.version is None:
        return ""
    try:
        importlib.import_module(package.name)
    except Exception as error:  # whatever it is, it is what a person came to see
        return f"cannot be imported: {' '.join(str(error).split())}"
    return ""


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head) - 1)]
    for row in (head, *rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]).rstrip())
    print()


if __name__ == "__main__":
    sys.exit(main())
