"""How `mmcv._ext` comes to be, and when it does not."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import mmcv
import pytest
import torch

from resblock_backbones.openmmlab.ops import bridge
from resblock_backbones.openmmlab.ops.table import OPERATORS


def run_python(code: str, *python_path: Path, **environment: str) -> str:
    """Output of a fresh interpreter, so that no module is imported yet."""
    path = os.pathsep.join([*map(str, python_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


INSTALL = "from resblock_backbones.openmmlab.ops import install; install()\n"


def test_the_operators_come_from_this_project_where_mmcv_has_none():
    spec = importlib.util.find_spec("mmcv._ext")
    assert spec is not None
    assert spec.loader is not None
    import mmcv.ops

    assert mmcv.ops.nms.__module__ == "mmcv.ops.nms"
    assert sys.modules["mmcv._ext"].__spec__.origin == "resblock_backbones.openmmlab.ops"


def test_installing_twice_leaves_one_finder():
    assert bridge.install()
    assert bridge.install()
    assert sum(isinstance(finder, bridge.OperatorFinder) for finder in sys.meta_path) == 1


def test_an_operator_that_is_missing_names_itself_and_both_ways_out():
    extension = importlib.import_module("mmcv._ext")
    operator = extension.an_operator_of_next_year
    with pytest.raises(NotImplementedError, match="an_operator_of_next_year.*compiled.*issue"):
        operator(torch.zeros(1), offset=0)


def test_python_asking_for_private_names_gets_the_usual_answer():
    extension = importlib.import_module("mmcv._ext")
    with pytest.raises(AttributeError, match="__path__"):
        extension.__path__  # noqa: B018


def test_every_operator_has_the_argument_names_that_mmcv_calls_it_by():
    """MMCV ships the declarations of its compiled module; ours must accept the same names."""
    declarations = Path(mmcv.__file__).parent / "ops" / "csrc" / "pytorch" / "pybind.cpp"
    if not declarations.exists():
        pytest.skip("this MMCV comes without its sources")
    import inspect
    import re

    text = declarations.read_text()
    for name, function in OPERATORS.items():
        found = re.search(rf'm\.def\(\s*"{name}",(.*?)\);', text, re.DOTALL)
        if name == "line_nms_forward" and not found:
            continue  # newer than MMCV 2.1
        assert found, f"MMCV has no operator {name}"
        theirs = re.findall(r'py::arg\("(\w+)"\)', found.group(1))
        ours = list(inspect.signature(function).parameters)
        if name == "roi_align_rotated_backward":  # the declaration mixes up three that it is not
            theirs = ["grad_output", "rois", "grad_input", *theirs[3:]]  # called by
        assert ours == theirs, name


def test_whatever_mmdetection_and_mmsegmentation_import_finds_its_operators_in_the_table():
    import re

    pytest.importorskip("mmdet")
    pytest.importorskip("mmseg")
    asked_for = {
        # Named by configs rather than imported.
        *("RoIAlign", "RoIPool", "DeformRoIPoolPack", "ModulatedDeformRoIPoolPack"),
        *("DeformConv2dPack", "ModulatedDeformConv2dPack", "SAConv2d", "soft_nms", "nms_rotated"),
    }
    for package in ("mmdet", "mmseg"):
        spec = importlib.util.find_spec(package)
        for source in Path(spec.submodule_search_locations[0]).rglob("*.py"):
            for names in re.findall(r"from mmcv\.ops[\w.]* import ([\w, ]+)", source.read_text()):
                asked_for.update(re.sub(r" as \w+", "", names).replace(" ", "").split(","))

    needed = set()
    for source in (Path(mmcv.__file__).parent / "ops").glob("*.py"):
        text = source.read_text()
        defines = set(re.findall(r"^(?:class |def )?(\w+)(?:\(| = )", text, re.MULTILINE))
        if defines & asked_for:
            for names in re.findall(r"load_ext\(\s*'_ext',\s*\[(.*?)\]", text, re.DOTALL):
                needed.update(re.findall(r"'(\w+)'", names))
    assert {"nms", "carafe_forward", "ms_deform_attn_forward", "psamask_forward"} <= needed
    assert not needed - set(OPERATORS)


def test_a_compiled_module_wins(tmp_path):
    package = tmp_path / "mmcv"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_ext.py").write_text("who = 'the compiled one'\n")
    assert run_python(INSTALL + "import mmcv._ext as e; print(e.who)", tmp_path) == (
        "the compiled one"
    )


def test_the_environment_variable_turns_it_off():
    code = INSTALL + "import importlib.util as u; print(u.find_spec('mmcv._ext'))"
    assert run_python(code, RESBLOCK_MMCV_OPS="off") == "None"


def test_importing_the_package_imports_neither_mmcv_nor_the_operators(tmp_path):
    code = INSTALL + (
        "import sys; print([m for m in sys.modules if m.split('.')[0] == 'mmcv'"
        " or m.endswith('ops.table')])"
    )
    assert run_python(code) == "[]"


def test_coming_after_mmdetection_is_told():
    code = """
import sys, types, warnings
try:
    import mmdet.structures.mask
except ImportError:  # as in the releases whose imports of operators are not guarded
    sys.modules["mmdet.structures.mask"] = types.ModuleType("mmdet.structures.mask")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import resblock_backbones
print([str(warning.message) for warning in caught])
"""
    assert "put `import resblock_backbones` before them" in run_python(code)


def test_a_failed_import_of_mmcv_ops_before_is_forgotten():
    code = (
        "try:\n    import mmcv.ops\nexcept ModuleNotFoundError as error: print(error.name)\n"
        + INSTALL
        + "import mmcv.ops; print(mmcv.ops.nms.__name__)"
    )
    assert run_python(code).split() == ["mmcv._ext", "nms"]


def test_mmcv_and_mmengine_see_the_operators_and_their_honest_versions():
    from mmcv.utils.env import collect_env
    from mmcv.utils.ext_loader import check_ops_exist
    from mmengine.utils.dl_utils import mmcv_full_available

    assert check_ops_exist()
    assert mmcv_full_available()
    assert "torchvision" in collect_env()["MMCV Compiler"]


def test_synchronised_norms_of_a_model_can_be_turned_into_plain_ones():
    """MMEngine looks for MMCV's SyncBatchNorm only where `mmcv._ext` exists."""
    from mmengine.model import revert_sync_batchnorm

    plain = revert_sync_batchnorm(torch.nn.Sequential(torch.nn.SyncBatchNorm(3)))
    assert not isinstance(plain[0], torch.nn.SyncBatchNorm)


def test_the_finder_answers_for_nothing_else():
    finder = bridge.OperatorFinder()
    assert finder.find_spec("mmcv", None) is None
    assert finder.find_spec("mmcv._ext.anything", None) is None
    assert isinstance(finder.find_spec("mmcv._ext", None).loader, bridge.OperatorLoader)
