"""The house: a room imports only from the rooms above it, and no module from one that needs it."""

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

import resblock_backbones

HOUSE = "resblock_backbones"
ROOT = Path(resblock_backbones.__file__).parent
TESTS = Path(__file__).parent

#: In the order in which they may be imported: from each, only what stands before it.
ROOMS = [
    "version",
    "options",
    "files",
    "console",
    "layers",
    "resnet",
    "weights",
    "deploy",
    "data",
    "drawing",
    "prediction",
    "analysis",
]
ROOMS += ["features", "imagenet", "adapters", "openmmlab", "commands"]
OPENMMLAB = [
    "ops",
    "versions",
    "configs",
    "models",
    "datasets",
    "training",
    "prediction",
    "analysis",
    "hub",
    "export",
]

MODULES_A_FOLDER = 14
#: Folders of tests that are about more than a room of the package.
NO_ROOMS = ["integration", "benchmarks"]

#: Dotted name -> file. A package has the name of its folder.
MODULES = {
    ".".join([HOUSE, *file.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): file
    for file in ROOT.rglob("*.py")
}


def imports(name: str, source: str) -> set[str]:
    """The modules of this package that a module imports, at its top or inside a function."""
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            names = {f"{origin}.{alias.name}" for alias in node.names}
            found |= {one if one in MODULES else origin for one in names}
    return found & MODULES.keys() - {name}


def place(name: str) -> tuple[int, int]:
    """Where a module's room is in ROOMS and in OPENMMLAB; a package comes after all in it."""
    _, outer, inner, *_ = [*name.split("."), "", ""]
    return (
        ROOMS.index(outer) if outer else len(ROOMS),
        OPENMMLAB.index(inner) if outer == "openmmlab" and inner else len(OPENMMLAB),
    )


def upward(name: str, source: str) -> set[str]:
    """What a module imports from a room below its own."""
    return {other for other in imports(name, source) if place(other) > place(name)}


def in_order_of_import(sources: dict[str, str]) -> list[str]:
    """The modules, each after those that it imports; packages, which only hand on, left out."""
    modules = {name for name in sources if MODULES[name].name != "__init__.py"}
    graph = {name: imports(name, sources[name]) & modules for name in modules}
    return list(TopologicalSorter(graph).static_order())


def read(modules: dict[str, Path]) -> dict[str, str]:
    return {name: file.read_text(encoding="utf-8") for name, file in modules.items()}


def test_no_room_imports_from_a_room_below_it():
    found = {name: upward(name, source) for name, source in read(MODULES).items()}
    assert not {name: others for name, others in found.items() if others}


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("layers.act", "from ..resnet.blocks import ResBlock"),
        ("layers.act", "from ..resnet import blocks"),
        ("layers.act", "from .. import resnet"),
        ("layers.act", "import resblock_backbones.resnet.blocks"),
        ("layers.act", "from resblock_backbones.resnet.blocks import ResBlock"),
        ("layers.act", "from .. import FlexResNet"),
        ("layers", "from ..resnet.blocks import ResBlock"),
        ("openmmlab.ops", "def later():\n    from ..training import launch"),
        ("openmmlab.ops", "from .. import BACKBONES"),
    ],
)
def test_an_upward_import_is_found_however_it_is_written(name, source):
    assert upward(f"{HOUSE}.{name}", source)


def test_imports_from_above_and_from_the_same_room_are_allowed():
    source = "import torch\nfrom . import stem\nfrom ..layers.act import build_act"
    assert not upward(f"{HOUSE}.resnet.blocks", source)
    assert len(imports(f"{HOUSE}.resnet.blocks", source)) == 2


def test_no_modules_import_each_other():
    assert in_order_of_import(read(MODULES))


def test_a_circle_through_a_function_is_found():
    act = "def later():\n    from .norm import build_norm"
    norm = "from . import act"
    with pytest.raises(CycleError):
        in_order_of_import({f"{HOUSE}.layers.act": act, f"{HOUSE}.layers.norm": norm})


def test_the_root_holds_rooms():
    assert {file.name for file in ROOT.glob("*.py")} == {"__init__.py", "version.py"}
    assert {file.parent.name for file in ROOT.glob("*/__init__.py")} == {*ROOMS} - {"version"}
    assert {file.name for file in ROOT.glob("openmmlab/*.py")} == {"__init__.py"}
    assert {file.parent.name for file in ROOT.glob("openmmlab/*/__init__.py")} == {*OPENMMLAB}


def test_no_folder_is_crowded():
    counts = Counter(file.parent.relative_to(ROOT).as_posix() for file in MODULES.values())
    assert not {folder: count for folder, count in counts.items() if count > MODULES_A_FOLDER}


def test_the_tests_have_the_same_rooms():
    folders = {one.parent.relative_to(TESTS).parts for one in TESTS.rglob("test_*.py")}
    rooms = {file.parent.relative_to(ROOT).parts for file in MODULES.values()}
    assert folders <= {*rooms, *((name,) for name in NO_ROOMS)}
