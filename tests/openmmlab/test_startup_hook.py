"""The start-up hook: MMDetection's own tools find MMCV's operators before they read a config."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

mmdet = pytest.importorskip("mmdet")

from resblock_backbones.openmmlab.versions.startup_hook import (  # noqa: E402
    LINE,
    hook_file,
    install_hook,
    remove_hook,
)
from resblock_backbones.options.errors import InputError  # noqa: E402

ROOT = Path(__file__).parents[2]
TOOL = Path(mmdet.__file__).parent / ".mim/tools/test.py"

# As Python's start-up does with the folder of its packages.
RUN = """
import site, sys
site.addsitedir({folder!r})
assert "torch" not in sys.modules and "resblock_backbones" not in sys.modules
"""

# MMDetection's tool imports mmdet.engine before it looks at its arguments.
TOOL_HELP = f"""
import runpy
sys.argv = ["test.py", "--help"]
runpy.run_path({str(TOOL)!r}, {{}}, "__main__")
"""

OPERATOR = """
import torch
from mmcv.ops import nms
boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
print(nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1].tolist())
from mmengine.registry import MODELS
print(MODELS.get("FlexResNet").__name__)
"""


def start(folder, code, **environment):
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", RUN.format(folder=str(folder)) + code],
        env=os.environ | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_mmdetections_own_tool_starts_with_it_and_not_without(tmp_path):
    without = start(tmp_path, TOOL_HELP)
    assert without.returncode == 1 and "No module named 'mmcv._ext'" in without.stderr
    install_hook(tmp_path)
    done = start(tmp_path, TOOL_HELP)
    assert done.returncode == 0, done.stderr
    assert "usage: test.py" in done.stdout


@pytest.mark.slow
def test_operators_work_and_flexresnet_is_registered(tmp_path):
    install_hook(tmp_path)
    done = start(tmp_path, OPERATOR)
    assert done.stdout.splitlines() == ["[0, 2]", "FlexResNet"], done.stderr
    switched_off = start(tmp_path, OPERATOR, RESBLOCK_MMCV_OPS="off")
    assert "No module named 'mmcv._ext'" in switched_off.stderr


def test_it_takes_no_time_at_start_up():
    before = list(sys.meta_path)
    began = time.perf_counter()
    try:
        exec(LINE, {})
        assert time.perf_counter() - began < 0.01
        assert len(sys.meta_path) == len(before) + 1
        assert sys.meta_path[-1].find_spec("anything") is None
    finally:
        sys.meta_path[:] = before


def test_it_is_removed(tmp_path):
    assert install_hook(tmp_path) == install_hook(tmp_path) == hook_file(tmp_path)
    assert hook_file(tmp_path).read_text() == LINE and LINE.count("\n") == 1
    assert remove_hook(tmp_path) and not remove_hook(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="operators.pth: cannot be written"):
        install_hook(tmp_path / "file")
