"""What is measured: sections of variants, image sizes and rounds, and the record of each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from backbone_detector import NAMES, Step, detectors
from backbone_measure import Clock, cuda_peak, infer, saved_activations, times, train
from backbone_peak import cpu_peak
from backbone_peers import TABLES, Way, make

Shape = tuple[int, int, int, int]
#: Name of a way -> for each shape: seconds of each round, MiB of activations, MiB of peak.
Record = dict[str, list[dict[str, Any]]]

#: The variants whose scaling is shown.
GROWING = {
    "inference": (
        "torchvision",
        "timm",
        "MMDetection",
        "FlexResNet, fused",
        "FlexResNet, fused, bfloat16",
    ),
    "training": (
        "MMDetection",
        "MMDetection, channels last",
        "MMDetection, efficient_conv_bn_eval",
        "FlexResNet",
    ),
}


@dataclass(frozen=True)
class Section:
    """One measurement; its results are saved as soon as it is done.

    Attributes:
        key: its name on the command line and in the folder of results.
        title: its heading.
        table: key of ``backbone_peers.TABLES``, or ``'detector'``.
        depth: of the ResNet.
        shapes: of the images, ``(N, 3, H, W)``; several show the scaling.
        names: the variants; the others are compared with the first.
        rounds: runs of each variant.
        peak: whether the peak memory is measured too.
        autocast: whether bfloat16 autocast is on.
    """

    key: str
    title: str
    table: str
    depth: int
    shapes: tuple[Shape, ...]
    names: tuple[str, ...]
    rounds: int
    peak: bool = False
    autocast: bool = False

    @property
    def learns(self) -> bool:
        return not self.table.endswith("inference")

    @property
    def compares_engines(self) -> bool:
        return self.table == "engines inference"

    @property
    def grows(self) -> bool:
        return len(self.shapes) > 1 and not self.compares_engines


def plan(device: str, *, quick: bool = False, rounds: int = 15) -> list[Section]:
    """All sections for a device, in their order on the page."""
    return list((_cuda if device == "cuda" else _cpu)(quick, rounds))


def _cpu(quick: bool, rounds: int) -> Iterator[Section]:
    depths, side = ((18,), 64) if quick else ((50, 18, 101), 640)
    few = max(2, rounds // 2)
    for depth in depths:
        shape = (1, 3, side, side)
        yield Section(
            f"inference-{depth}",
            f"Inference, ResNet-{depth}, {text(shape)}",
            "inference",
            depth,
            (shape,),
            tuple(name for name in TABLES["inference"] if not (quick and "compiled" in name)),
            rounds,
        )
    for depth, shapes in _engine_shapes(quick):
        yield Section(
            f"engines-{depth}",
            f"Inference, ResNet-{depth}: engines that run a file or compile",
            "engines inference",
            depth,
            shapes,
            tuple(
                name for name in TABLES["engines inference"] if not (quick and "compiled" in name)
            ),
            few,
        )
    pair = (2, 3, side, side)
    for depth in depths:
        yield Section(
            f"training-{depth}",
            f"Forward and backward, ResNet-{depth}, {text(pair)}, first stage frozen, norms in "
            "eval mode",
            "training",
            depth,
            (pair,),
            tuple(TABLES["training"]),
            rounds if depth == depths[0] else few,
            peak=True,
        )
    small = (2, 3, side // 2, side // 2)
    yield Section(
        f"training-{depths[0]}-small",
        f"Forward and backward, ResNet-{depths[0]}, {text(small)}, first stage frozen, norms in "
        "eval mode",
        "training",
        depths[0],
        (small,),
        tuple(TABLES["training"]),
        rounds,
    )
    yield Section(
        f"norms-{depths[0]}",
        f"Forward and backward, ResNet-{depths[0]}, {text(pair)}, nothing frozen, norms in train "
        "mode",
        "norms",
        depths[0],
        (pair,),
        tuple(TABLES["norms"]),
        rounds,
        peak=True,
    )
    one = (1, 3, side, side)
    yield Section(
        "detector",
        f"Training step of a whole Faster R-CNN R{depths[0]}-FPN, {text(one)}",
        "detector",
        depths[0],
        (one,),
        NAMES,
        rounds,
    )
    yield from _growth(depths[0], quick, few)


def _engine_shapes(quick: bool) -> list[tuple[int, tuple[Shape, ...]]]:
    """Depths, and the images of each: small ones, a batch, and those of detectors."""
    if quick:
        return [(18, ((1, 3, 64, 64), (2, 3, 32, 32)))]
    large = (1, 3, 640, 640)
    return [
        (50, ((1, 3, 224, 224), (8, 3, 224, 224), large, (1, 3, 800, 1344))),
        (18, ((1, 3, 224, 224), large)),
    ]


def _growth(depth: int, quick: bool, rounds: int) -> Iterator[Section]:
    sides = ((32, 32), (64, 64)) if quick else ((320, 320), (480, 480), (640, 640), (800, 1333))
    side, batches = (32, (1, 2)) if quick else (320, (1, 2, 4, 8))
    for table, batch in (("inference", 1), ("training", 2)):
        what = "Inference" if table == "inference" else "Forward and backward"
        yield Section(
            f"{table}-sizes",
            f"{what}, ResNet-{depth}: scaling with the image size, batch {batch}",
            table,
            depth,
            tuple((batch, 3, *sizes) for sizes in sides),
            GROWING[table],
            rounds,
        )
        yield Section(
            f"{table}-batches",
            f"{what}, ResNet-{depth}: scaling with the batch size, {side}x{side}",
            table,
            depth,
            tuple((number, 3, side, side) for number in batches),
            GROWING[table],
            rounds,
        )


def _cuda(quick: bool, rounds: int) -> Iterator[Section]:
    depths, shape = ((18,), (2, 3, 64, 96)) if quick else ((50, 101), (2, 3, 800, 1333))
    titles = {
        "cuda inference": "Inference",
        "cuda training": "Forward and backward, first stage frozen, norms in eval mode",
        "cuda norms": "Forward and backward, nothing frozen, norms in train mode",
    }
    for table, title in titles.items():
        for depth in depths:
            yield Section(
                f"{table.replace(' ', '-')}-{depth}",
                f"{title}: ResNet-{depth}, {text(shape)}, bfloat16 autocast",
                table,
                depth,
                (shape,),
                tuple(name for name in TABLES[table] if not (quick and "compiled" in name)),
                rounds,
                peak=True,
                autocast=True,
            )


def text(shape: tuple[int, ...]) -> str:
    """``(1, 3, 640, 640)`` as ``1x3x640x640``."""
    return "x".join(map(str, shape))


def measure(
    section: Section, device: torch.device, clock: Clock, progress: Callable[[str], None]
) -> Record:
    """Run a section; returns a record that can be written as JSON."""
    if section.table == "detector":
        return _measure_detector(section, clock, progress)
    record: Record = {name: [] for name in section.names}
    ways = [make(section.table, name, section.depth, device) for name in section.names]
    for shape in section.shapes:
        torch.manual_seed(0)
        x = torch.randn(shape, device=device)
        seconds = times(
            ways,
            x,
            train if section.learns else infer,
            clock,
            section.rounds,
            autocast=section.autocast,
            progress=lambda text, shape=shape: progress(f"{'x'.join(map(str, shape))}, {text}"),
        )
        for way, measured in zip(ways, seconds, strict=True):
            row: dict[str, Any] = {"shape": shape, "seconds": measured}
            if section.learns and "compiled" not in way.name:
                row["saved_activations"] = saved_activations(way, x, section.autocast)
            if section.peak and device.type == "cuda":
                row["peak"] = _cuda_peak(section, way, x)
            record[way.name].append(row)
    del ways
    gc.collect()
    if section.peak and device.type == "cpu" and not section.autocast:
        for name in section.names:
            progress(f"memory: {name}")
            record[name][0]["peak"] = cpu_peak(
                section.table, name, section.depth, section.shapes[0]
            )
    return record


def _cuda_peak(section: Section, way: Way, x: torch.Tensor) -> float:
    step, given = (train if section.learns else infer), way.input(x)
    for parameter in way.parameters:
        parameter.grad = None
    peak = cuda_peak(lambda: step(way, given, section.autocast))
    for parameter in way.parameters:
        parameter.grad = None
    return peak


def _measure_detector(section: Section, clock: Clock, progress: Callable[[str], None]) -> Record:
    progress("building the detectors")
    shape = section.shapes[0]
    steps = {name: Step(model, shape[2]) for name, model in detectors(section.depth).items()}
    losses = [step() for step in steps.values()]
    if abs(losses[0] - losses[1]) > 1e-2 * abs(losses[0]):
        raise RuntimeError(f"the detectors' losses differ: {losses[0]} and {losses[1]}")
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(section.rounds):
        progress(f"round {number + 1} of {section.rounds}")
        for name, step in steps.items():
            seconds[name].append(clock(step))
    return {name: [{"shape": shape, "seconds": each}] for name, each in seconds.items()}
