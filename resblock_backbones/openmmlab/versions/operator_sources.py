"""Where each of MMCV's operators comes from: compiled MMCV, this package, or nowhere.

The list of operators comes from MMCV's source: each file of `mmcv/ops` loads some from the
extension by name. The files are read, not imported, so this works even if they cannot be imported.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from ..ops.bridge import EXTENSION, SWITCH, installed

COMPILED = "compiled MMCV"
BRIDGE = "resblock_backbones"
MISSING = "missing"


@dataclass(frozen=True)
class OperatorSources:
    """Where the operators come from.

    Attributes:
        summary: one line for all.
        usable: whether `mmcv.ops` can be imported.
        rows: for each file of `mmcv/ops` and each source: file, source, operators.
    """

    summary: str
    usable: bool
    rows: list[tuple[str, str, list[str]]]


def find_operator_sources() -> OperatorSources:
    """Inspect the installed MMCV.

    >>> find_operator_sources().usable
    True
    """
    mmcv = importlib.util.find_spec("mmcv")
    if mmcv is None or not mmcv.submodule_search_locations:
        return OperatorSources("MMCV is not installed", False, [])
    asked = _asked_for(Path(mmcv.submodule_search_locations[0]) / "ops")
    if PathFinder.find_spec(EXTENSION, mmcv.submodule_search_locations) is not None:
        return _of_compiled(asked)
    if not installed():
        summary = f"no compiled operators, and {SWITCH}=off turns those of {BRIDGE} off"
        return OperatorSources(summary, False, _rows(asked, frozenset(), MISSING))
    from ..ops.table import INFORMATION, OPERATORS

    return OperatorSources(
        f"no compiled operators: those of {BRIDGE} take their place",
        True,
        _rows(asked, OPERATORS.keys() | INFORMATION.keys(), BRIDGE),
    )


def _of_compiled(asked: dict[str, list[str]]) -> OperatorSources:
    try:
        extension = importlib.import_module(EXTENSION)
    except ImportError as error:
        reason = " ".join(str(error).split())
        summary = (
            f"compiled operators that do not load here ({reason}): reinstall that MMCV for this "
            f"PyTorch, or delete its {EXTENSION.rpartition('.')[2]} file for those of {BRIDGE}"
        )
        return OperatorSources(summary, False, _rows(asked, frozenset(), MISSING))
    return OperatorSources(
        "compiled operators, which are used before any other",
        True,
        _rows(asked, frozenset(dir(extension)), COMPILED),
    )


def _asked_for(folder: Path) -> dict[str, list[str]]:
    """File of `mmcv/ops` -> the operators that it loads by `load_ext`, in its order."""
    asked = {}
    for file in sorted(folder.glob("*.py")):
        names: list[str] = []
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) == "load_ext":
                texts = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant))
                names += [str(text) for text in texts if text != "_ext"]
        if names:
            asked[file.stem] = names
    return asked


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _rows(
    asked: dict[str, list[str]], there: frozenset[str] | set[str], source: str
) -> list[tuple[str, str, list[str]]]:
    """Present ones first, then what is missing, each in alphabetical order of files."""
    present = [(file, source, [n for n in names if n in there]) for file, names in asked.items()]
    absent = [
        (file, MISSING, [n for n in names if n not in there]) for file, names in asked.items()
    ]
    return [row for row in (*present, *absent) if row[2]]
