"""`resblock doctor`: versions, where operators come from, and the cure of what is broken."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resblock_backbones.commands.front import main
from resblock_backbones.openmmlab.ops.bridge import OperatorFinder
from resblock_backbones.openmmlab.ops.table import OPERATORS
from resblock_backbones.openmmlab.versions import faults
from resblock_backbones.openmmlab.versions.operator_sources import find_operator_sources
from resblock_backbones.openmmlab.versions.overview import print_overview
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
    assert main(["doctor", "--operators"]) == 0
    said = capsys.readouterr().out
    assert f"tested together: {name}" in said and "no faults found" in said
    assert "nms_rotated" in said and "bezier_align_forward" in said
    for distribution, version in TRIED[name].items():
        assert f"{version}".split("+")[0] in said and distribution in said


def test_the_page_has_what_a_report_of_a_fault_needs_and_fits_on_a_screen(capsys):
    assert print_overview() == 0
    lines = capsys.readouterr().out.splitlines()
    facts = {line.split()[0] for line in lines if line}
    assert {"Python", "system", "processor", "threads", "CUDA", "torch", "setuptools"} <= facts
    assert len(lines) < 40 and max(map(len, lines)) < 200


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
    with forgotten("mmcv", monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        yield lambda text: (tmp_path / "mmcv/_ext.py").write_text(text)


class forgotten:
    """Without the modules of a package that are imported already, so that another one is found."""

    def __init__(self, package, monkeypatch):
        self.package, self.monkeypatch = package, monkeypatch

    def _names(self):
        return [name for name in sys.modules if name.split(".")[0] == self.package]

    def __enter__(self):
        for name in self._names():
            self.monkeypatch.delitem(sys.modules, name)

    def __exit__(self, *error):
        for name in self._names():
            del sys.modules[name]  # before the true ones come back


def test_a_compiled_extension_wins_and_what_it_lacks_is_missing(other_mmcv):
    other_mmcv("def nms(): pass\n")
    sources = find_operator_sources()
    assert sources.usable
    assert sources.rows == [("nms", "compiled MMCV", ["nms"]), ("nms", "missing", ["softnms"])]
    assert faults.import_fault("mmcv") is None


def test_a_compiled_extension_that_does_not_load_is_told_with_the_reason(other_mmcv):
    other_mmcv("raise ImportError('undefined symbol: _ZN3c10')\n")
    sources = find_operator_sources()
    assert not sources.usable
    assert "undefined symbol: _ZN3c10" in sources.summary and "reinstall" in sources.summary
    fault = faults.import_fault("mmcv")
    assert "undefined symbol: _ZN3c10" in fault.what
    assert fault.cure.startswith("reinstall that MMCV for this PyTorch, or delete its _ext file")


def test_without_the_bridge_all_is_missing(other_mmcv, monkeypatch):
    others = [finder for finder in sys.meta_path if not isinstance(finder, OperatorFinder)]
    monkeypatch.setattr(sys, "meta_path", others)
    sources = find_operator_sources()
    assert not sources.usable and "RESBLOCK_MMCV_OPS=off" in sources.summary
    assert sources.rows == [("nms", "missing", ["nms", "softnms"])]


def versions(monkeypatch, **given):
    """What pip would say of its distributions."""
    known = {name.replace("_", "-"): version for name, version in given.items()}

    def version(name):
        if name not in known:
            raise faults.metadata.PackageNotFoundError(name)
        return known[name]

    monkeypatch.setattr(faults.metadata, "version", version)


@pytest.mark.parametrize(
    ("torch", "torchvision", "told"),
    [
        ("2.14.1+cpu", "0.29.1+cpu", []),
        ("2.9.1", "0.24.1", ["CVE-2026-24747"]),
        ("2.13.0", "0.29.1", ["torchvision 0.29.1 belongs to torch 2.14.1"]),
    ],
)
def test_an_old_torch_and_another_ones_torchvision_are_faults(
    monkeypatch, torch, torchvision, told
):
    versions(monkeypatch, torch=torch, torchvision=torchvision)
    needs = [f"torch=={'2.9.1' if torch == '2.9.1' else '2.14.1'}", "numpy"]
    monkeypatch.setattr(faults.metadata, "requires", lambda name: needs)
    monkeypatch.setattr(faults, "PROBES", {})
    found = faults.find_faults()
    assert len(found) == len(told)
    assert all(text in fault.what for text, fault in zip(told, found, strict=True))
    assert all(fault.cure.startswith("pip install") for fault in found)


@pytest.mark.parametrize("asks", [True, False])
def test_setuptools_82_is_a_fault_where_mmengine_imports_pkg_resources(tmp_path, monkeypatch, asks):
    (tmp_path / "mmengine/utils").mkdir(parents=True)
    (tmp_path / "mmengine/__init__.py").write_text("")
    source = "def f():\n    import pkg_resources\n" if asks else "import importlib.metadata\n"
    (tmp_path / "mmengine/utils/package_utils.py").write_text(source)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pkg_resources" else found(name)
    )
    monkeypatch.setattr(faults, "PROBES", {})
    with forgotten("mmengine", monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        cures = [fault.cure for fault in faults.find_faults()]
    assert cures == (["pip install 'setuptools<82'"] if asks else [])


def raised_by(tmp_path, monkeypatch, name, source):
    """What importing a module of this name and source raises."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text(source)
    with forgotten(name, monkeypatch):
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(Exception) as error:
            importlib.import_module(name)
    return error.value


NO_LIBGL = "raise ImportError('libGL.so.1: cannot open shared object file: No such file')"


@pytest.mark.parametrize(
    ("there", "source", "told", "cure"),
    [
        (
            {"opencv_python": "4.12.0.88", "opencv_python_headless": "4.12.0.88"},
            NO_LIBGL,
            "opencv-python and opencv-python-headless share one folder",
            "pip uninstall -y opencv-python opencv-python-headless && "
            "pip install --no-deps opencv-python-headless==4.12.0.88",
        ),
        (
            {"opencv_python": "4.12.0.88"},
            NO_LIBGL,
            "a library of the window system",
            "pip uninstall -y opencv-python && "
            "pip install --no-deps opencv-python-headless==4.12.0.88 (or as administrator: apt-get",
        ),
        ({}, "raise OSError('half a file')", "half a file", "pip install --no-deps opencv-python"),
    ],
)
def test_a_broken_opencv_is_told_with_what_to_uninstall(
    tmp_path, monkeypatch, there, source, told, cure
):
    error = raised_by(tmp_path, monkeypatch, "cv2", source)
    versions(monkeypatch, **there)
    fault = faults.explain("mmengine", error)
    assert told in fault.what and fault.cure.startswith(cure)


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (ModuleNotFoundError("No module named 'cv2'", name="cv2"), "opencv-python-headless"),
        (ModuleNotFoundError("No module named 'yapf'", name="yapf.x"), "pip install yapf"),
        (RuntimeError("operator torchvision::nms does not exist"), "torch torchvision"),
        (ImportError("numpy.core.multiarray failed to import"), "numpy<2"),
        (AssertionError("MMCV==2.2.0 is used but incompatible."), "mmcv-lite==2.1.0"),
        (ValueError("anything"), "pip install --force-reinstall --no-deps"),
    ],
)
def test_other_faults_have_a_cure_too(error, cure):
    fault = faults.explain("mmdet", error)
    assert cure in fault.cure and "\n" not in str(fault)


WITHOUT = """
import importlib.util, sys
real = importlib.util.find_spec
absent = ("mmengine", "mmcv", "mmdet", "mmseg")
importlib.util.find_spec = lambda name, *rest: None if name in absent else real(name, *rest)
from resblock_backbones.commands.front import main
sys.exit(main(["doctor"]))
"""

SURVIVES = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import resblock_backbones
    from resblock_backbones import *
told = [str(one.message) for one in caught if "MMEngine cannot be used" in str(one.message)]
assert len(told) == 1 and "resblock doctor" in told[0], told
import torch
assert len(FlexResNet(18, width=0.25).eval()(torch.zeros(1, 3, 32, 32))) == 4
from resblock_backbones.commands.front import main
for line in (["doctor"], ["train", "a.py"], ["predict", "a.py", "b.pth", "c.jpg", "--out", "d"]):
    print("status", main(line), flush=True)
"""


def in_another_process(code, path=()):
    """Run code where these folders come first on the path."""
    places = [*map(str, path), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
    )


def test_without_mmengine_one_line_says_so_and_the_exit_status_is_1():
    done = in_another_process(WITHOUT)
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.strip().splitlines()[-1] == (
        "mmengine, mmcv, mmdet, mmseg: not installed; pip install 'resblock_backbones[onedl]' "
        "brings MMEngine, MMCV, MMDetection and MMSegmentation"
    )


@pytest.mark.parametrize(
    ("package", "source", "told"),
    [
        pytest.param(
            *("cv2", NO_LIBGL, "OpenCV (cv2) cannot be imported (libGL.so.1"),
            marks=pytest.mark.slow,
        ),
        ("mmengine", "raise OSError('damaged')", "mmengine cannot be imported (OSError: damaged)"),
    ],
)
def test_the_package_and_doctor_survive_a_broken_one_and_commands_say_its_cure(
    tmp_path, package, source, told
):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(source)
    done = in_another_process(SURVIVES, [tmp_path])
    assert done.returncode == 0, done.stderr
    statuses = [line for line in done.stdout.splitlines() if line.startswith("status")]
    assert statuses == ["status 1", "status 2", "status 2"]
    assert f"fault: {told}" in done.stdout and " cure: pip " in done.stdout
    errors = done.stderr.strip().splitlines()
    assert len(errors) == 2 and all(line.startswith(f"error: {told}") for line in errors)


OTHER_EXTENSION = """
import mmcv
mmcv.__path__.append({folder!r})
import resblock_backbones
from resblock_backbones.commands.front import main
for line in (["doctor"], ["train", "a.py"], ["test", "a.py", "b.pth"]):
    print("status", main(line), flush=True)
try:
    resblock_backbones.FlexResNet(50, conv_cfg="DCNv2")
except ValueError as error:
    print(error)
"""


def test_a_compiled_mmcv_of_another_pytorch_is_one_line_everywhere(tmp_path):
    (tmp_path / "_ext.py").write_text("raise ImportError('undefined symbol: _ZN3c10')\n")
    done = in_another_process(OTHER_EXTENSION.format(folder=str(tmp_path)))
    assert done.returncode == 0, done.stderr
    told = "MMCV has compiled operators that do not load here (undefined symbol: _ZN3c10)"
    assert f"fault: {told}" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 2 and all(told in line and "delete its _ext" in line for line in lines)
    assert "Traceback" not in done.stderr
    assert "mmcv.ops cannot be imported (undefined symbol" in done.stdout.splitlines()[-1]
