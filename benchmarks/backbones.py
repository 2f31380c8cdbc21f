"""Speed and memory of ResNets side by side: FlexResNet, torchvision, timm, MMDetection, engines.

    python benchmarks/backbones.py                      # on the CPU: 30 minutes on two cores
    python benchmarks/backbones.py --device cuda        # on a GPU: bfloat16 autocast
    python benchmarks/backbones.py --quick              # only checks that everything runs

All variants run in turn in one process and compute the same network, which is checked. The results
of each section are saved when it is done, so an interrupted run can be continued. The sections are
written to docs/benchmarks.md, the plots beside it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from backbone_measure import Clock
from backbone_plot import draw
from backbone_sections import Record, Section, measure, plan
from backbone_table import table
from page import has_section, processor, put_section

from resblock_backbones.files.whole import write_whole

ROOT = Path(__file__).parents[1]
PACKAGES = (
    *("torchvision", "timm", "onedl-mmdetection", "mmdet", "onedl-mmengine", "mmengine"),
    *("onnxruntime", "openvino"),
)
HEADINGS = {"cpu": "Backbones on the CPU", "cuda": "Backbones on a GPU"}
INTRODUCTION = """\
One ResNet with the same weights, in float32 and with FlexResNet's default memory format
(`channels_last='auto'`) unless a variant says otherwise. *Speed-up* is the median over rounds of
the first variant's time divided by this variant's. *Saved activations* are the tensors that
autograd saves for the backward pass, without parameters. *Peak memory* is the maximum that a step
adds, including the gradients of the parameters. *Exponent of the pixels* is the slope of a
least-squares line through the logarithms. ONNX Runtime and OpenVINO run the file that `export`
wrote, in float32; *compiled, frozen* is TorchInductor with `freezing`."""


def machine(device: str, threads: int) -> str:
    """Description of the machine, without its host name."""
    words = [f"{processor()}, {os.cpu_count()} cores, torch threads: {threads}"]
    if device == "cuda":
        words.append(torch.cuda.get_device_name())
    words.append(f"PyTorch {torch.__version__}")
    for package in PACKAGES:
        try:
            words.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "; ".join(words)


def run(given: argparse.Namespace, sections: list[Section], results: Path) -> None:
    """Measure the sections without results, and write the page after each."""
    device = torch.device(given.device)
    clock = Clock(device, given.calm)
    here = {"machine": machine(given.device, given.threads), "rounds": given.rounds}
    start = time.perf_counter()
    for number, section in enumerate(sections, 1):
        if given.only and section.key not in given.only:
            continue
        label = f"[{number} of {len(sections)}, {time.perf_counter() - start:4.0f} s] {section.key}"
        if _read(results, section, here) is not None:
            _say(f"{label}: measured before; --fresh measures it again", end=True)
            continue
        record = measure(section, device, clock, lambda step, label=label: _say(f"{label}: {step}"))
        _say(f"{label}: done", end=True)
        content = {**here, "names": section.names, "shapes": section.shapes, "record": record}
        write_whole(results / f"{section.key}.json", json.dumps(content).encode())
        print("\n".join(table(section, record)), flush=True)
        write_page(given, sections, results, here)
    write_page(given, sections, results, here)


def write_page(
    given: argparse.Namespace, sections: list[Section], results: Path, here: dict[str, object]
) -> None:
    """Write the device's sections and links to the plots between its markers on the page."""
    done = {
        section.key: (section, record)
        for section in sections
        if (record := _read(results, section, here)) is not None
    }
    if given.name:
        _write_part(given, done, here)
        return
    lines = [f"## {HEADINGS[given.device]}", ""]
    if given.device == "cpu":
        lines += [INTRODUCTION, ""]
    for section in sections:
        lines += table(section, done[section.key][1] if section.key in done else None)
    for file, shows in draw(done, given.write.parent, f"benchmarks-{given.device}"):
        lines += [f"![{shows}]({file.name})", ""]
    lines += [
        f"Medians of {given.rounds} runs in turn, half as many for scaling and for training at "
        f"other depths; {here['machine']}.",
        "",
        f"`python benchmarks/backbones.py{' --device cuda' if given.device == 'cuda' else ''}`",
    ]
    put_section(given.write, f"backbones {given.device}", lines)
    if given.device == "cpu" and not has_section(given.write, "backbones cuda"):
        put_section(given.write, "backbones cuda", unmeasured())


def _write_part(
    given: argparse.Namespace, done: Mapping[str, tuple[Section, Record]], here: dict[str, object]
) -> None:
    """Write the chosen sections between markers of their own, below those of other machines."""
    lines = [f"## {HEADINGS[given.device]}: {given.name}", ""]
    for section, record in done.values():
        lines += table(section, record)
    lines += [f"Medians of {given.rounds} runs in turn; {here['machine']}.", ""]
    chosen = f"--only {' '.join(done)} --rounds {given.rounds} --name '{given.name}'"
    lines.append(f"`python benchmarks/backbones.py {chosen}`")
    put_section(given.write, f"backbones {given.device} {given.name}", lines)


def unmeasured() -> list[str]:
    """The GPU's section before it is measured."""
    lines = [f"## {HEADINGS['cuda']}", "", "Not measured yet: no GPU was available.", ""]
    for section in plan("cuda"):
        lines += table(section, None)
    return [*lines, "`python benchmarks/backbones.py --device cuda`"]


def _read(results: Path, section: Section, here: dict[str, object]) -> Record | None:
    """Results of an earlier run of the same sections on the same machine."""
    try:
        content = json.loads((results / f"{section.key}.json").read_text())
    except (OSError, ValueError):
        return None
    same = {**here, "names": list(section.names), "shapes": [list(s) for s in section.shapes]}
    return content["record"] if same.items() <= content.items() else None


class _Progress:
    """Progress lines: on a terminal each replaces the last, otherwise some are left out."""

    def __init__(self) -> None:
        self.last = -math.inf

    def __call__(self, text: str, *, end: bool = False) -> None:
        now = time.perf_counter()
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="\n" if end else "", file=sys.stderr, flush=True)
        elif end or now - self.last > 20:
            print(text, file=sys.stderr, flush=True)
            self.last = now


_say = _Progress()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="small images, few runs")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="measure only these")
    parser.add_argument(
        "--name", help="write the sections of --only, without memory, under this processor's name"
    )
    parser.add_argument("--rounds", type=int, help="runs of each variant [15]")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--calm",
        type=float,
        help="repeat runs in which other processes used more of the CPU; 0.05 is 5 %%",
    )
    parser.add_argument("--write", type=Path, metavar="PAGE", help="[docs/benchmarks.md]")
    parser.add_argument("--results", type=Path, help="folder for the results [build/benchmarks]")
    given = parser.parse_args()
    if given.rounds is not None and given.rounds < 2:
        parser.error(f"--rounds {given.rounds}: at least 2, to compute quartiles")
    if given.name and not given.only:
        parser.error(f"--name {given.name}: needs --only, the sections to measure")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no GPU is available")
    kind = f"{given.device}{'-quick' if given.quick else ''}"
    given.results = (given.results or ROOT / "build/benchmarks") / kind / (given.name or "")
    given.rounds = given.rounds or (2 if given.quick else 15)
    if given.write is None:
        # Results with small images do not belong on the page.
        given.write = given.results / "page.md" if given.quick else ROOT / "docs/benchmarks.md"
    return given


def main() -> int:
    given = arguments()
    sections = plan(given.device, quick=given.quick, rounds=given.rounds)
    unknown = set(given.only or ()) - {section.key for section in sections}
    keys = ", ".join(section.key for section in sections)
    if given.name:
        sections = [replace(one, peak=False) for one in sections if one.key in given.only]
    if unknown:
        print(f"error: --only {' '.join(sorted(unknown))}: choose from {keys}", file=sys.stderr)
        return 2
    if given.fresh:
        for file in given.results.glob("*.json"):
            if not given.only or file.stem in given.only:
                file.unlink()
    torch.set_num_threads(given.threads)
    try:
        run(given, sections, given.results)
    except KeyboardInterrupt:
        print(f"\ninterrupted; finished sections are saved in {given.results}", file=sys.stderr)
        return 130
    print(f"written: {given.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
