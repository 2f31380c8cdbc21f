"""Data sets and evaluators that read the repaired copy of an annotation file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def with_copies(part: Any, copies: Mapping[Path, Path]) -> Any:
    """A loader or an evaluator of a config that reads copies of annotation files.

    Args:
        part: of the config; stays as it is.
        copies: file -> its copy, both absolute.
    """
    if not copies:
        return part
    part = copy.deepcopy(part)
    _point(part, copies)
    return part


def _point(part: Any, copies: Mapping[Path, Path]) -> None:
    if isinstance(part, dict):
        name = part.get("ann_file")
        if isinstance(name, str) and name and "://" not in name:
            known = copies.get(Path(part.get("data_root") or "", name).resolve())
            if known is not None:
                part["ann_file"] = str(known.resolve())
        for inner in part.values():
            _point(inner, copies)
    elif isinstance(part, list | tuple):
        for inner in part:
            _point(inner, copies)
