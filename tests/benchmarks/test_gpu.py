"""`make bench-gpu`, dry: the same steps on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("mmdet")


def run(*arguments, folder):
    command = [sys.executable, "benchmarks/gpu.py", *arguments, "--results", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_a_dry_run_compares_and_goes_on_where_it_was(tmp_path):
    steps = ("--dry-run", "--only", "operators", "network", "rows")
    done = run(*steps, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": ok, ") == 3
    assert "agree on cpu" in (tmp_path / "dry-run/operators.log").read_text()
    (tmp_path / "dry-run/network.done").unlink()
    again = run(*steps, folder=tmp_path).stdout
    assert "operators: ended well before" in again and "network: ok" in again


@pytest.mark.slow
def test_without_a_gpu_it_is_one_line(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = run(folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith("--dry-run runs the steps on the CPU")
