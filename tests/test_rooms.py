"""The house: every room imports only from the rooms above it, and no two modules each other."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import resblock_backbones

ROOT = Path(resblock_backbones.__file__).parent

#: Small rooms that all others share, then the rooms in the order in which they may be imported.
ROOMS = ["options", "files", "console", "layers", "resnet", "weights", "deploy", "data"]
ROOMS += ["features", "imagenet", "adapters", "openmmlab", "commands"]
OPENMMLAB = ["ops", "versions", "configs", "models", "datasets", "training", "prediction"]


def modules() -> dict[str, Path]:
    """Dotted name inside the package -> file."""
    return {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in ROOT.rglob("*.py")
    }


def imported_by(name: str, source: str) -> set[str]:
    """The modules of this package that a module imports, wherever in it the import stands."""
    known, parents = modules(), name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parents[: len(parents) - node.level + 1]
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                choices = (".".join([*base, alias.name, "__init__"]), ".".join([*base, alias.name]))
                fallback = (".".join(base), ".".join([*base, "__init__"]))
                found.add(next(one for one in (*choices, *fallback) if one in known))
    return found - {name}


def upward_imports(name: str, source: str) -> list[str]:
    """The imports of a module that break the order of the rooms."""
    wrong = []
    for other in imported_by(name, source):
        for depth, order in ((0, ROOMS), (1, OPENMMLAB)):
            here, there = name.split("."), other.split(".")
            if depth and not (here[0] == there[0] == "openmmlab"):
                continue
            if here[depth] in order and (
                there[depth] not in [*order, "version"]
                or order.index(here[depth]) < [*order, "version"].index(there[depth])
                and there[depth] != "version"
            ):
                wrong.append(f"{name} imports {other}")
    return wrong


def test_no_room_imports_from_a_room_below_it():
    wrong = [
        one for name, file in modules().items() for one in upward_imports(name, file.read_text())
    ]
    assert not wrong


def test_an_upward_import_would_be_seen():
    assert upward_imports("layers.act", "from ..resnet.blocks import ResBlock")
    assert upward_imports("openmmlab.ops.nms", "def f():\n    from ..training import launch")
    assert not upward_imports("resnet.blocks", "from ..layers.act import build_act")


def test_no_modules_import_each_other():
    graph = {
        name: {one for one in imported_by(name, file.read_text()) if not one.endswith("__init__")}
        for name, file in modules().items()
        if not name.endswith("__init__")
    }
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


def test_the_root_holds_rooms():
    assert {one.name for one in ROOT.iterdir() if one.suffix == ".py"} == {
        "__init__.py",
        "version.py",
    }
    assert {one.parent.name for one in ROOT.glob("*/__init__.py")} == set(ROOMS)
    assert {one.parent.name for one in ROOT.glob("openmmlab/*/__init__.py")} == set(OPENMMLAB)


@pytest.mark.parametrize("folder", sorted({file.parent for file in modules().values()}))
def test_no_folder_is_crowded(folder):
    assert len(list(folder.glob("*.py"))) <= 14
