"""Peak memory of one training step on the CPU, in a process of its own, as Linux reports it.

python benchmarks/backbone_peak.py training "FlexResNet" 50 2x3x640x640
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import torch


def cpu_peak(table: str, name: str, depth: int, shape: tuple[int, ...]) -> float | None:
    """Peak memory that a step of one variant adds, in MiB; None if Linux does not report it."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    size = "x".join(map(str, shape))
    command = [sys.executable, __file__, table, name, str(depth), size]
    threads = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, capture_output=True, text=True, env=threads)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def main(table: str, name: str, depth: str, size: str) -> None:
    from backbone_measure import train
    from backbone_peers import make

    way = make(table, name, int(depth), torch.device("cpu"))
    shape = tuple(map(int, size.split("x")))
    train(way, way.input(torch.randn(2, 3, 64, 64)), False)  # allocates what is allocated once
    for parameter in way.parameters:
        parameter.grad = None
    x = way.input(torch.randn(shape))
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)  # otherwise the step reuses freed memory
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _status("VmRSS")
    train(way, x, False)
    print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    """KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
