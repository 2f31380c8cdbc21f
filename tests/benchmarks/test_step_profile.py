"""Where the time of a training step goes: the smallest run and its section."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("mmdet")


@pytest.mark.slow
def test_the_parts_of_a_step_add_up_and_operators_are_named(tmp_path):
    page = tmp_path / "page.md"
    command = [sys.executable, "benchmarks/step_profile.py", "--depth", "18", "--size", "64"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, "--rounds", "1", "--write", str(page)], cwd=ROOT, env=environment, check=True
    )
    rows = [line.strip("| ").split(" | ") for line in page.read_text().splitlines() if "|" in line]
    parts = {row[0]: [float(cell.replace(",", "")) for cell in row[1:]] for row in rows[2:18]}
    step = parts.pop("step")
    for column in (0, 2):
        assert all(values[column] >= 0 for values in parts.values())
        assert sum(values[column] for values in parts.values()) == pytest.approx(
            step[column], abs=1
        )
    assert parts["backbone"][0] > 0 and parts["backward: backbone"][2] > 0
    assert any("roi_align_backward" in row[0] for row in rows)
