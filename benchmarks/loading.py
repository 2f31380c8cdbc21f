"""Time and memory of loading weights, compared with PyTorch.

    python benchmarks/loading.py
    python benchmarks/loading.py --write docs/benchmarks.md

`load_weights` reads the same file as `model.load_state_dict(torch.load(file, weights_only=True))`,
and also verifies the checksum of every tensor, recognises the family, renames, and compares names
and shapes before it copies. Variants are timed in turn in one process; memory is measured from
outside, in a separate process for each variant.
"""

import argparse
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from page import processor, put_section

from resblock_backbones import FlexResNet, load_weights

MEGA = 1 << 20
DEPTHS = (18, 50, 152)
# Every second variant is compared with the one before it.
WAYS = (
    "model.load_state_dict(torch.load(file))",
    "load_weights(net, file)",
    "resnet{depth}().load_state_dict(torch.load(file))",
    "FlexResNet.from_checkpoint(file)",
)


def prepared(way: int, depth: int, file: Path) -> Callable[[], object]:
    """The function that loads, with everything it needs built and imported."""
    if way in (0, 2):
        build = getattr(torchvision.models, f"resnet{depth}")
        if way == 2:
            return lambda: built(build, file)
        model = build()
        return lambda: model.load_state_dict(
            torch.load(file, map_location="cpu", weights_only=True)
        )
    if way == 1:
        net = FlexResNet(depth)
        return lambda: load_weights(net, file)
    FlexResNet.from_checkpoint(FlexResNet(18, width=0.125).state_dict())
    return lambda: FlexResNet.from_checkpoint(file)


def built(build: Callable[[], torch.nn.Module], file: Path) -> torch.nn.Module:
    model = build()
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return model


def seconds(load: Callable[[], object]) -> float:
    start = time.perf_counter()
    kept = load()
    elapsed = time.perf_counter() - start
    del kept
    return elapsed


def load_once(way: int, depth: int, file: Path) -> None:
    """The measured process: reports that it is ready, loads on request, and waits."""
    load = prepared(way, depth, file)
    print("ready", flush=True)
    sys.stdin.readline()
    kept = load()
    print("loaded", flush=True)
    sys.stdin.readline()
    del kept


def peak_growth(way: int, depth: int, file: Path) -> int:
    """Peak growth of a process's memory while it loads, in bytes, without pages of files."""
    command = [sys.executable, __file__, "--watched", str(way), str(depth), str(file)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        wait_for(process, "ready")
        before = peak = own_memory(process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], 0.001)[0]:
            peak = max(peak, own_memory(process.pid))
        wait_for(process, "loaded")
        peak = max(peak, own_memory(process.pid))
        process.stdin.write("enough\n")
    return peak - before


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if line.strip() == word:
            return
    raise RuntimeError(f"the loading process ended with {process.wait()}")


def own_memory(process: int) -> int:
    """Bytes in memory that are not pages of a file."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("no RssAnon: this needs Linux")


def rows(depth: int, file: Path, rounds: int) -> list[str]:
    """Lines of the table for a ResNet of one depth."""
    torch.save(torchvision.models.get_model(f"resnet{depth}").state_dict(), file)
    loads = [prepared(way, depth, file) for way in range(len(WAYS))]
    for load in loads:
        load()
    times = [[seconds(load) for load in loads] for _ in range(rounds)]
    medians = [statistics.median(side) for side in zip(*times, strict=True)]
    lines = []
    for way, name in enumerate(WAYS):
        cells = (
            f"ResNet-{depth}, {file.stat().st_size / MEGA:.0f} MiB",
            f"`{name.format(depth=depth)}`",
            f"{medians[way] * 1000:.0f} ms",
            f"{medians[way] / medians[way // 2 * 2]:.2f}",
            f"{peak_growth(way, depth, file) / MEGA:.0f} MiB",
        )
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="runs of each variant (default 15)")
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads (default 1)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="page to put the table into")
    parser.add_argument("--watched", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    if options.watched:
        way, depth, file = options.watched
        return load_once(int(way), int(depth), Path(file))
    lines = [
        "| weights | variant | time | ratio | memory while loading |",
        "|---|---|---:|---:|---:|",
    ]
    print("\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        for depth in DEPTHS:
            lines += rows(depth, Path(folder, f"resnet{depth}.pth"), options.rounds)
    if options.write:
        section = [
            "## Loading weights",
            "",
            "Loading a file into an existing network, and building a network from a file, each",
            "with PyTorch and with this package, which also verifies the checksum of every tensor.",
            "Memory is the peak memory of the process above its start, without pages of the file;",
            "in the last two variants it includes the network.",
            "",
            *lines,
            "",
            f"Medians of {options.rounds} runs in turn, file in the page cache, torch threads: "
            f"{options.threads}, on {os.cpu_count()} cores of an {processor()}, without GPU; "
            f"PyTorch {torch.__version__}.",
            "",
            f"`python benchmarks/loading.py --write {options.write.as_posix()}`",
        ]
        put_section(options.write, "loading", section)
    return None


if __name__ == "__main__":
    main()
