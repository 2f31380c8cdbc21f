"""Memory that one training step takes at most on the CPU: in a process of its own, asked by Linux.

python benchmarks/backbone_peak.py training "FlexResNet" 50 2x3x640x640
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def cpu_peak(table: str, name: str, depth: int, shape: tuple[int, ...]) -> float | None:
    """MiB that a step of one way adds at most to a process; None where Linux does not tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    size = "x".join(map(str, shape))
    command = [sys.executable, __file__, table, name, str(depth), size]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])}: {done.stderr.strip().splitlines()[-1]}")
    return float(done.stdout.split()[-1])


def main(table: str, name: str, depth: str, size: str) -> None:
    import torch
    from backbone_measure import train
    from backbone_peers import make

    way = make(table, name, int(depth), torch.device("cpu"))
    shape = tuple(map(int, size.split("x")))
    train(way, way.input(torch.randn(2, 3, 64, 64)), False)  # what is built once is there then
    x = way.input(torch.randn(shape))
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
    before = _status("VmRSS")
    train(way, x, False)
    print((_status("VmHWM") - before) / 1024)


def _status(name: str) -> int:
    """KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
