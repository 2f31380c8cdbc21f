"""Everything that wants a GPU, in one command, within ten minutes on a data-centre GPU.

    make bench-gpu
    python benchmarks/gpu.py --dry-run     # the same steps on the CPU, tiny

The operators of MMCV and the backbone against their answers on the CPU, a training with mixed
precision, then the benchmark. Each step that ended well is remembered: an interrupted run goes on
there, and `--fresh` begins anew. A step that fails does not keep the next from running.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

import resblock_backbones  # noqa: F401  (before MMCV)
from resblock_backbones import FlexResNet, fuse
from resblock_backbones.files.whole import write_whole

ROOT = Path(__file__).parents[1]
CONFIG = "configs/faster_rcnn/faster-rcnn_flexr18-half_fpn_shapes.py"
#: Seconds after which a step is ended.
LIMITS = {"operators": 180, "network": 60, "training": 120, "rows": 240}
#: Largest difference from float32 on the CPU, relative to the largest value.
TOLERANCES = {torch.float32: 1e-2, torch.float16: 5e-2, torch.bfloat16: 2e-1}


def check_network(device: str) -> None:
    """Maps and gradients of a folded network and maps of a fused one, against the CPU's.

    Raises:
        RuntimeError: they differ.
    """
    torch.manual_seed(0)
    net = FlexResNet(50, width=0.25, frozen_stages=1, norm_eval=True)
    net.weights_are_given = True
    for name, parameter in net.named_parameters():
        if name.endswith("bn3.weight"):  # initially 0, so that nothing in front would learn
            torch.nn.init.constant_(parameter, 0.2)
    x = torch.randn(2, 3, 128, 160)
    expected = _step(net, x, torch.float32)
    for dtype, tolerance in TOLERANCES.items():
        found = _step(net.to(device), x.to(device), dtype)
        fused = fuse(net, dtype)
        with torch.no_grad():
            found += [out.cpu() for out in fused(x.to(device))]
        for number, (one, other) in enumerate(
            zip(found, expected + expected[: len(net.out_channels)], strict=True)
        ):
            difference = float((one - other).norm() / other.norm())
            if not difference <= tolerance:
                raise RuntimeError(f"{dtype}: tensor {number} differs by {difference:.1e}")
    print("network: maps and gradients agree in", *map(str, TOLERANCES))


def _step(net: FlexResNet, x: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
    net.zero_grad()
    with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
        outputs = net(x)
    sum(out.float().square().mean() for out in outputs).backward()  # type: ignore[union-attr]
    grads = [net.layer2[0].conv1.weight.grad, net.layer4[0].conv1.weight.grad]
    return [tensor.detach().float().cpu().clone() for tensor in (*outputs, *grads)]


def commands(dry: bool, folder: Path) -> dict[str, list[str]]:
    """The command of each step, in their order."""
    python, here = sys.executable, "benchmarks"
    device = "cpu" if dry else "cuda"
    tests = "tests/openmmlab/ops" + ("/test_roi_align.py" if dry else "")
    options = ["train_cfg.max_epochs=1"]
    options += ["train_dataloader.dataset.indices=8", "val_dataloader.dataset.indices=2"] * dry
    rows = ["--quick", "--only", "inference-18"] if dry else ["--device", "cuda", "--rounds", "7"]
    return {
        "operators": [
            *(python, "-m", "pytest", "-q", "-n", "0", "-p", "operators_on_device"),
            # An exporter traces the operators; there is nothing to repeat.
            *("-W", "ignore", tests, "--ignore", "tests/openmmlab/ops/test_operators_exported.py"),
        ],
        "network": [python, f"{here}/gpu.py", "--network", device],
        "training": [
            *(python, "tools/train.py", CONFIG, "--amp", "--work-dir", str(folder / "training")),
            *("--cfg-options", *options),
        ],
        "rows": [python, f"{here}/backbones.py", *rows],
    }


def run(dry: bool, fresh: bool, only: list[str], folder: Path) -> int:
    """Run the steps that have not ended well yet; gives how many failed."""
    folder.mkdir(parents=True, exist_ok=True)
    device = "cpu" if dry else "cuda"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "RESBLOCK_DEVICE": device, "PYTHONPATH": paths}
    failed = 0
    for name, command in commands(dry, folder).items():
        done, log = folder / f"{name}.done", folder / f"{name}.log"
        if only and name not in only:
            continue
        if done.exists() and not fresh:
            print(f"{name}: ended well before; --fresh runs it again")
            continue
        start = time.perf_counter()
        with log.open("w") as output:
            try:
                status = subprocess.run(
                    command,
                    stdout=output,
                    stderr=output,
                    cwd=ROOT,
                    env=environment,
                    timeout=LIMITS[name],
                ).returncode
            except subprocess.TimeoutExpired:
                status = 124
        seconds = time.perf_counter() - start
        if status == 0:
            write_whole(done, f"{seconds:.0f} s\n".encode())
        failed += status != 0
        last = (log.read_text().strip().splitlines() or [""])[-1]
        print(f"{name}: {'ok' if status == 0 else f'failed ({status})'}, {seconds:.0f} s: {last}")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, tiny")
    parser.add_argument("--fresh", action="store_true", help="run all steps again")
    parser.add_argument("--only", nargs="+", choices=list(LIMITS), default=[], metavar="STEP")
    parser.add_argument("--results", type=Path, help="folder of logs [build/bench-gpu]")
    parser.add_argument("--network", metavar="DEVICE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.network:
        check_network(given.network)
        return 0
    if not given.dry_run and not torch.cuda.is_available():
        parser.error("no GPU is available; --dry-run runs the steps on the CPU")
    kind = "dry-run" if given.dry_run else "cuda"
    folder = (given.results or ROOT / "build/bench-gpu") / kind
    failed = run(given.dry_run, given.fresh, given.only, folder)
    print(f"logs: {folder}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
