"""`python -m resblock_backbones.openmmlab`: versions, and where operators come from."""

import subprocess
import sys
from pathlib import Path

import pytest

from resblock_backbones.openmmlab.ops.bridge import OperatorFinder
from resblock_backbones.openmmlab.ops.table import OPERATORS
from resblock_backbones.openmmlab.versions.operator_sources import find_operator_sources
from resblock_backbones.openmmlab.versions.overview import main
from resblock_backbones.openmmlab.versions.packages import (
    TRIED,
    Package,
    compare_with_tried,
    find_packages,
)

ROOT = Path(__file__).parents[2]


def test_these_tests_run_on_one_of_the_tried_combinations(capsys):
    name, differences = compare_with_tried(find_packages())
    assert differences == []
    assert main([]) == 0
    said = capsys.readouterr().out
    assert f"tried together: {name}" in said
    assert "nms_rotated" in said and "roi_align_rotated_forward" in said
    for distribution, version in TRIED[name].items():
        assert f"{version}".split("+")[0] in said and distribution in said


def test_the_tried_combinations_are_those_that_make_installs():
    files = ("requirements.txt", "requirements-openmmlab.txt")
    lines = [(ROOT / file).read_text().splitlines() for file in files]
    for name, required in zip(TRIED, (lines[0], lines[0] + lines[1]), strict=True):
        for distribution, version in TRIED[name].items():
            assert f"{distribution}=={version}" in required


def test_another_version_and_a_missing_package_are_told():
    name = "OpenMMLab's own last releases"
    found = [Package("-", distribution, version) for distribution, version in TRIED[name].items()]
    found[0] = Package("torch", "torch", "2.14.1+cpu")
    assert compare_with_tried(found) == (name, [])
    found[3] = Package("mmcv", "mmcv-lite", "2.2.0")
    assert compare_with_tried(found[:-1]) == (
        name,
        ["mmcv-lite 2.2.0 (tried: 2.1.0)", "no mmsegmentation (tried: 1.2.2)"],
    )


def test_every_operator_of_the_table_is_one_that_some_file_of_mmcv_asks_for_or_once_asked():
    sources = find_operator_sources()
    asked = {name for _, _, names in sources.rows for name in names}
    # Only the maintained MMCV has the operator of CLRNet.
    assert OPERATORS.keys() - {"line_nms_forward"} <= asked


@pytest.fixture
def other_mmcv(tmp_path, monkeypatch):
    """An MMCV with one file of operators, and a way to give it an extension."""
    (tmp_path / "mmcv/ops").mkdir(parents=True)
    (tmp_path / "mmcv/__init__.py").write_text("")
    (tmp_path / "mmcv/ops/nms.py").write_text(
        "ext_module = ext_loader.load_ext(\n    '_ext', ['nms', 'softnms'])\n"
    )
    for name in [name for name in sys.modules if name.split(".")[0] == "mmcv"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda text: (tmp_path / "mmcv/_ext.py").write_text(text)
    for name in [name for name in sys.modules if name.split(".")[0] == "mmcv"]:
        del sys.modules[name]  # before the true ones come back


def test_a_compiled_extension_wins_and_what_it_lacks_is_missing(other_mmcv):
    other_mmcv("def nms(): pass\n")
    sources = find_operator_sources()
    assert sources.usable
    assert sources.rows == [("nms", "compiled MMCV", ["nms"]), ("nms", "missing", ["softnms"])]


def test_a_compiled_extension_that_does_not_load_is_told_with_the_reason(other_mmcv):
    other_mmcv("raise ImportError('undefined symbol: _ZN3c10')\n")
    sources = find_operator_sources()
    assert not sources.usable
    assert "undefined symbol: _ZN3c10" in sources.summary and "reinstall" in sources.summary


def test_without_the_bridge_all_is_missing(other_mmcv, monkeypatch):
    others = [finder for finder in sys.meta_path if not isinstance(finder, OperatorFinder)]
    monkeypatch.setattr(sys, "meta_path", others)
    sources = find_operator_sources()
    assert not sources.usable and "RESBLOCK_MMCV_OPS=off" in sources.summary
    assert sources.rows == [("nms", "missing", ["nms", "softnms"])]


WITHOUT = """
import importlib.util, runpy, sys
real = importlib.util.find_spec
absent = ("mmengine", "mmcv", "mmdet", "mmseg")
importlib.util.find_spec = lambda name, *rest: None if name in absent else real(name, *rest)
sys.argv = ["openmmlab"]
runpy.run_module("resblock_backbones.openmmlab", run_name="__main__")
"""


def test_without_mmengine_one_line_says_so_and_the_exit_status_is_1():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.strip().splitlines()[-1] == (
        "mmengine, mmcv, mmdet, mmseg: not installed; pip install 'resblock_backbones[onedl]' "
        "brings MMEngine, MMCV, MMDetection and MMSegmentation"
    )
