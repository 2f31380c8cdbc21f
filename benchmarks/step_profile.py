"""Where the time of a training step of Faster R-CNN R50-FPN goes: by part, and by operator.

    python benchmarks/step_profile.py --write docs/benchmarks.md

With MMDetection's ResNet and FlexResNet in turn, on a random image that is in memory. Parts of the
backward pass are told apart by when gradients arrive: those of the neck's outputs, then those of
the backbone's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from backbone_detector import Step, detectors
from page import processor, put_section
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

#: Name of a part -> path of a module and of its method.
PARTS = {
    "backbone": ("backbone", "forward"),
    "neck": ("neck", "forward"),
    "RPN: head": ("rpn_head", "forward"),
    "RPN: assigning, losses": ("rpn_head", "loss_by_feat"),
    "RPN: proposals": ("rpn_head", "predict_by_feat"),
    "RoI head: assigning": ("roi_head.bbox_assigner", "assign"),
    "RoI head: sampling": ("roi_head.bbox_sampler", "sample"),
    "RoI head: RoI align": ("roi_head.bbox_roi_extractor", "forward"),
    "RoI head: layers": ("roi_head.bbox_head", "forward"),
    "RoI head: losses": ("roi_head.bbox_head", "loss_and_target"),
}
BACKWARD = ("backward: heads, RoI align", "backward: neck", "backward: backbone")
OPERATORS = 12


class Parts:
    """Seconds of each part of a step of ``step.model``."""

    def __init__(self, step: Step) -> None:
        self.step, self.seconds = step, Counter[str]()
        self.arrived: dict[str, float] = {}
        for name, (path, method) in PARTS.items():
            owner: Any = step.model
            for part in path.split("."):
                owner = getattr(owner, part)
            setattr(owner, method, self._timed(name, getattr(owner, method)))

    def _timed(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = run(*given, **named)
            self.seconds[name] += time.perf_counter() - start
            if name in ("backbone", "neck"):
                for tensor in result:
                    self._note(name, tensor)
            return result

        return timed

    def _note(self, name: str, tensor: Tensor) -> None:
        """Remember when the last gradient of these outputs arrived."""

        def arrived(grad: Tensor) -> None:
            self.arrived[name] = time.perf_counter()

        if tensor.requires_grad:
            tensor.register_hook(arrived)

    def __call__(self) -> dict[str, float]:
        """Seconds of each part of one step, whose sum is that of the step."""
        self.seconds.clear()
        start = time.perf_counter()
        loss = self.step.forward()
        forward = time.perf_counter() - start
        self.step.optimizer.zero_grad()
        begins = time.perf_counter()
        loss.backward()
        ends = time.perf_counter()
        self.step.optimizer.step()
        optimizer = time.perf_counter() - ends
        found = {name: self.seconds[name] for name in PARTS}
        found["forward: rest"] = forward - sum(found.values())
        # The neck's gradients arrive when the heads' backward pass is done, and so on.
        times = [begins, self.arrived["neck"], self.arrived["backbone"], ends]
        for name, one, other in zip(BACKWARD, times, times[1:], strict=False):
            found[name] = other - one
        return {**found, "optimizer": optimizer}


def operators(step: Step) -> list[tuple[str, float, int]]:
    """Name, seconds and calls of the operators that take longest in one step."""
    with profile(activities=[ProfilerActivity.CPU]) as record:
        step()
    events = sorted(record.key_averages(), key=lambda event: -event.self_cpu_time_total)
    return [(event.key, event.self_cpu_time_total / 1e6, event.count) for event in events]


def lines(
    parts: dict[str, list[dict[str, float]]], found: list[tuple[str, float, int]], what: str
) -> list[str]:
    """The section of the page."""
    names = list(parts)
    medians = {
        name: {part: statistics.median(row[part] for row in rows) * 1000 for part in rows[0]}
        for name, rows in parts.items()
    }
    written = [
        f"## Where the time of a training step goes: {what}",
        "",
        f"| part | {' | '.join(f'{name}, ms | share' for name in names)} |",
        "|---|" + "---:|---:|" * len(names),
    ]
    totals = {name: sum(medians[name].values()) for name in names}
    for part in medians[names[0]]:
        cells = (
            f"{medians[name][part]:,.1f} | {medians[name][part] / totals[name]:.3f}"
            for name in names
        )
        written.append(f"| {part} | {' | '.join(cells)} |")
    written.append(f"| step | {' | '.join(f'{totals[name]:,.1f} | 1.000' for name in names)} |")
    whole = sum(seconds for _, seconds, _ in found)
    written += ["", f"By operator, with {names[-1]}, one step:", ""]
    written += ["| operator | ms | share | calls |", "|---|---:|---:|---:|"]
    written += [
        f"| `{key}` | {seconds * 1000:,.1f} | {seconds / whole:.3f} | {calls:,} |"
        for key, seconds, calls in found[:OPERATORS]
    ]
    rounds = len(parts[names[0]])
    return [
        *written,
        "",
        f"Medians of {rounds} steps in turn, without loading images. {processor()}, torch threads: "
        f"{torch.get_num_threads()}; PyTorch {torch.__version__}.",
        "",
        "`python benchmarks/step_profile.py --write docs/benchmarks.md`",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depth", type=int, choices=(18, 50), default=50)
    parser.add_argument("--size", type=int, default=640, help="side of the image [640]")
    parser.add_argument("--rounds", type=int, default=7, help="steps of each variant [7]")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the section there")
    given = parser.parse_args()
    steps = {name: Step(model, given.size) for name, model in detectors(given.depth).items()}
    found = operators(list(steps.values())[-1])  # before the parts are timed inside of them
    timed = {name: Parts(step) for name, step in steps.items()}
    for parts in timed.values():
        parts()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in timed}
    for _ in range(given.rounds):
        for name, parts in timed.items():
            rows[name].append(parts())
    what = f"Faster R-CNN R{given.depth}-FPN, 1x3x{given.size}x{given.size}"
    section = lines(rows, found, what)
    print("\n".join(section))
    if given.write:
        put_section(given.write, "step profile", section)


if __name__ == "__main__":
    main()
