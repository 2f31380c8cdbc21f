"""Time and memory of the variants, which run in turn in one process."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from backbone_peers import Way
from torch import Tensor

#: Tolerance between the outputs of a variant and of the first one, relative to their norm.
FLOAT, LOW = 1e-3, 0.2


class Clock:
    """Times runs, and repeats those that other processes disturb too much.

    Args:
        calm: the share of the CPU that other processes may use meanwhile; None does not check.
    """

    def __init__(self, device: torch.device, calm: float | None = None) -> None:
        self.device, self.calm = device, calm

    def __call__(self, run: Callable[[], Any]) -> float:
        """Seconds of ``run``."""
        for _ in range(100):
            before = self._others()
            self._wait()
            start = time.perf_counter()
            run()
            self._wait()
            seconds = time.perf_counter() - start
            others = (self._others() - before) / seconds / (os.cpu_count() or 1)
            if self.calm is None or others <= self.calm:
                break
            time.sleep(1)
        return seconds

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _others(self) -> float:
        if self.calm is None:
            return 0.0
        user, nice, system, _, _, *rest = Path("/proc/stat").read_text().split()[1:9]
        busy = sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        return busy - own.user - own.system


def infer(way: Way, x: Tensor, autocast: bool) -> list[Tensor]:
    """One forward pass, without gradients."""
    with torch.no_grad(), _autocast(x, autocast and not way.own_type):
        return list(way.net(x))


def train(way: Way, x: Tensor, autocast: bool) -> list[Tensor]:
    """One forward and backward pass."""
    for parameter in way.parameters:
        parameter.grad = None
    with _autocast(x, autocast and not way.own_type):
        outputs = list(way.net(x))
    learning = [output for output in outputs if output.requires_grad]
    torch.autograd.backward(learning, [torch.ones_like(output) for output in learning])
    return outputs


def check_same(ways: list[Way], outputs: list[list[Tensor]]) -> None:
    """Check that all variants compute the same network.

    Raises:
        RuntimeError: a variant's outputs differ from the first one's.
    """
    low = {output.dtype for each in outputs for output in each} != {torch.float32}
    for way, others in zip(ways, outputs, strict=True):
        limit = LOW if low or "bfloat16" in way.name else FLOAT
        for stage, (first, other) in enumerate(zip(outputs[0], others, strict=True), 1):
            first, other = first.detach().float(), other.detach().float()
            difference = float((other - first).norm() / first.norm())
            if not difference <= limit:
                raise RuntimeError(
                    f"{way.name}: stage {stage} differs from {ways[0].name} by {difference:.1e}"
                )


def times(
    ways: list[Way],
    x: Tensor,
    step: Callable[[Way, Tensor, bool], list[Tensor]],
    clock: Clock,
    rounds: int,
    *,
    autocast: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> list[list[float]]:
    """Seconds of each run of each variant, after one for warm-up whose outputs are compared."""
    inputs = [way.input(x) for way in ways]
    outputs = []
    for way, given in zip(ways, inputs, strict=True):
        progress(f"warming up: {way.name}")
        outputs.append(step(way, given, autocast))
    check_same(ways, outputs)
    del outputs
    seconds: list[list[float]] = [[] for _ in ways]
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for i, (way, given) in enumerate(zip(ways, inputs, strict=True)):
            seconds[i].append(clock(lambda way=way, given=given: step(way, given, autocast)))
    return seconds


def saved_activations(way: Way, x: Tensor, autocast: bool = False) -> float:
    """MiB that autograd saves for the backward pass, without parameters; each storage once."""
    own = {parameter.untyped_storage().data_ptr() for parameter in way.parameters}
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # keeping an output would keep the graph alive

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, _autocast(x, autocast and not way.own_type):
        outputs = way.net(way.input(x))
    del outputs
    return sum(storages.values()) / 2**20


def cuda_peak(run: Callable[[], Any]) -> float:
    """Peak GPU memory of ``run`` above the memory allocated before, in MiB."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def _autocast(x: Tensor, enabled: bool) -> contextlib.AbstractContextManager[Any]:
    return torch.autocast(x.device.type, torch.bfloat16, enabled=enabled)
